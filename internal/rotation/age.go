package rotation

import "time"

// AgesWorkflowType is the name of the workflow that reads how old the current versions of secrets are.
const AgesWorkflowType = "ReadAges"

// MostAges is how many secrets one such workflow is asked about at most.
const MostAges = 100

// AgesRequest asks how old the current versions of secrets are.
type AgesRequest struct{ Secrets []AgeOf }

// AgeOf names a secret; ARN is set where it is known by that.
type AgeOf struct {
	Store, Region, Secret string
	ARN                   string `json:",omitempty"`
}

// Ages has one answer for each secret, in the order of the request.
type Ages struct{ Ages []Age }

// Age is when the current version of a secret was written; or Problem says why that could not be seen.
type Age struct {
	Written time.Time `json:",omitzero"`
	Problem string    `json:",omitempty"`
}
