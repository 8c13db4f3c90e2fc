package rotation

import "time"

// CheckWorkflowType is the name of the workflow that checks a secret.
const CheckWorkflowType = "CheckSecret"

// VersionToCome stands in the changes of a check for the id of the version that the rotation will write.
const VersionToCome = "NEW-VERSION"

// Check is what is known of a rotation without changing anything. References only.
type Check struct {
	Store, Region, Secret string
	Target                string   `json:",omitempty"`
	Instance              string   `json:",omitempty"`
	Strategy              Strategy `json:",omitempty"`
	// Address is the target's host and port, Account the current login, Next the one that would be current.
	Address string `json:",omitempty"`
	// Server identifies the database server, where it was reached; Admin is the admin secret.
	Server  string `json:",omitempty"`
	Admin   string `json:",omitempty"`
	Account string `json:",omitempty"`
	Next    string `json:",omitempty"`
	// Current is the version that is current.
	Current string `json:",omitempty"`
	// Looked says what was looked at and found good.
	Looked   []string  `json:",omitempty"`
	Findings []Finding `json:",omitempty"`
	// Changes are what a rotation would change, in order, with *** for passwords; empty where that can't be known before problems
	// are mended.
	Changes []PlannedChange `json:",omitempty"`
	At      time.Time
}

// PlannedChange is a statement or a call of an API that changes something.
type PlannedChange struct {
	Step Step
	// Where is the database's address, or the store.
	Where string
	Text  string
}

// Fine says whether a rotation would be let begin.
func (c Check) Fine() bool {
	for _, f := range c.Findings {
		if f.Severity == Problem {
			return false
		}
	}
	return true
}
