package alibabakms

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"rotor/internal/alibabacloud"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/wire"
)

// Codes that decide more than a text.
const (
	codeNotFound = "Forbidden.ResourceNotFound" // with status 404, for a secret, a version and a stage alike
	codeExists   = "Rejected.ResourceExist"
	codeDeleting = "Rejected.ResourceInDeleteWindow"
)

// actionRandomPassword is not about a secret.
const actionRandomPassword = "GetRandomPassword"

// attempt is what was tried, for the text of an error.
type attempt struct {
	// doing reads "cannot <doing> secret ...", or "cannot <doing> in ..." of a list of secrets.
	doing  string
	action string
	ref    secretstore.Ref
	// version is the version that was named, if one was. It need not exist for a put.
	version string
	// writes says that KMS was asked to change something.
	writes bool
}

// meanings are KMS's own codes, as its reference has them for the operations on secrets.
var meanings = map[string]alibabacloud.Meaning{
	codeExists: {Kind: rotation.Conflict, Text: "KMS has this version already, with another value; somebody else wrote it"},
	codeDeleting: {Kind: rotation.Permanent, Text: "the secret is scheduled for deletion; " +
		"restore it (RestoreSecret) if it is still needed"},
	"Rejected.LimitExceeded": {Kind: rotation.Permanent, Text: "a quota of KMS is used up; a secret may have 8 stage labels, " +
		"so take labels off that nobody needs"},
	"Rejected.Unavailable":         {Kind: rotation.Retryable, Text: "the secret is not available at the moment"},
	"Rejected.Disabled":            {Kind: rotation.Permanent, Text: "the key that encrypts the secret is disabled; enable it"},
	"Rejected.PendingDeletion":     {Kind: rotation.Permanent, Text: "the key that encrypts the secret is scheduled for deletion; cancel that"},
	"Rejected.PendingImport":       {Kind: rotation.Permanent, Text: "the key that encrypts the secret waits for its material; import it"},
	"Rejected.StateModifiedFailed": {Kind: rotation.Permanent, Text: "the key that encrypts the secret is in no state to be used; look at it"},
	"Forbidden.KeyNotFound":        {Kind: rotation.Permanent, Text: "the key that encrypts the secret does not exist (any more)"},
	"Forbidden.KmsServiceNotEnabled": {Kind: rotation.Permanent, Text: "KMS is not enabled for this account; " +
		"enable it, or check whose credentials the worker has"},
	"Forbidden.AccessKey":     {Kind: rotation.Permanent, Text: "KMS does not take the access key; check the worker's credentials"},
	"Forbidden.InDebt":        {Kind: rotation.Permanent, Text: "the account has an overdue bill; settle it"},
	"Forbidden.InDebtOverdue": {Kind: rotation.Permanent, Text: "the account has an overdue bill; settle it"},
	"Forbidden.ProhibitedByRiskControl": {Kind: rotation.Permanent, Text: "the account is restricted by risk control; " +
		"ask the provider's support"},
	"UnsupportedOperation": {Kind: rotation.Permanent, Text: "KMS does not do this to a secret of this type"},
}

// classify is the one place that decides what a failure means.
func (s *Store) classify(a attempt, err error) *rotation.Error {
	var f *wire.Failure
	if !errors.As(err, &f) {
		return a.failed(rotation.Retryable, "the call failed")
	}
	failed := f.Judge(a.writes, s.route.Advice(f), func() (rotation.Kind, string) { return a.meaning(f) }).Error(a.failed)
	failed.Gone = f.Code == codeDeleting || f.Code == codeNotFound && failed.Kind == rotation.Permanent
	failed.Throttled = f.Cause == wire.Answered && (f.Status == http.StatusTooManyRequests || alibabacloud.IsThrottling(f.Code))
	switch {
	case f.Cause == wire.Answered && isDenied(f.Code):
		failed.Finding = rotation.FindingPermission
	case f.Code == codeDeleting:
		failed.Finding = rotation.FindingDeleted
	}
	return failed
}

// meaning tells what KMS's answer means.
func (a attempt) meaning(f *wire.Failure) (rotation.Kind, string) {
	switch {
	case f.Code == codeNotFound && a.version != "" && a.action != "PutSecretValue":
		return rotation.Retryable, fmt.Sprintf("KMS has no such secret, or the secret has no version %s (yet)", a.version)
	case f.Code == codeNotFound:
		return rotation.Permanent, "KMS has no such secret, or the secret has no such stage; check name and region, and whether the " +
			"worker's credentials are of the secret's account (a secret of another account needs its ARN)"
	case isDenied(f.Code):
		return rotation.Permanent, "permission denied; " + a.permissionAdvice()
	}
	if m, known := meanings[f.Code]; known {
		return m.Kind, m.Text
	}
	if m, known := alibabacloud.GatewayMeaning(f.Code); known {
		return m.Kind, m.Text
	}
	switch {
	case f.Status >= 500:
		return rotation.Retryable, "KMS failed inside"
	case f.Code == "":
		return rotation.Retryable, "the answer is none of KMS's; is the endpoint the right one, and what stands before it?"
	case strings.HasPrefix(f.Code, "Missing"), strings.HasPrefix(f.Code, "InvalidParameter"):
		return rotation.Permanent, "KMS does not take a parameter; a secret's value may have 30,720 bytes, and only secrets of type " +
			"Generic can be written"
	case f.Status == 403:
		return rotation.Permanent, "KMS forbids it"
	}
	return rotation.Retryable, fmt.Sprintf("KMS answered with an error that this program does not know (status %d)", f.Status)
}

// isDenied says whether a code means that the worker's identity lacks a permission.
func isDenied(code string) bool {
	return code == "Forbidden.NoPermission" || code == "Forbidden.RAM" || code == "NoPermission"
}

// permissionAdvice names what the worker's identity lacks.
func (a attempt) permissionAdvice() string {
	resource := a.ref.Name
	switch {
	case a.action == actionRandomPassword:
		resource = "*"
	case a.action == actionListSecrets:
		resource = "acs:kms:" + a.ref.Region + ":*:secret"
	case !strings.HasPrefix(resource, "acs:"):
		resource = "acs:kms:" + a.ref.Region + ":*:secret/" + resource
	}
	advice := "allow kms:" + a.action + " on " + resource + " to the worker's RAM identity"
	switch a.action {
	case "GetSecretValue":
		advice += ", and kms:Decrypt on the key if the secret is encrypted with one of your own"
	case "PutSecretValue":
		advice += ", and kms:GenerateDataKey on the key if the secret is encrypted with one of your own"
	}
	return advice
}

func (a attempt) failed(kind rotation.Kind, what string) *rotation.Error {
	if a.action == actionListSecrets {
		return rotation.Errorf(kind, "cannot %s in %s: %s", a.doing, a.ref.Region, what)
	}
	return rotation.Errorf(kind, "cannot %s secret %s in %s: %s", a.doing, a.ref.Name, a.ref.Region, what)
}
