package awssecretsmanager

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/wire"
)

// Codes that decide more than a text.
const (
	codeNotFound         = "ResourceNotFoundException" // for a secret, a version and a stage alike
	codeExists           = "ResourceExistsException"
	codeInvalidRequest   = "InvalidRequestException"
	codeInvalidParameter = "InvalidParameterException"
	codeLimit            = "LimitExceededException"
)

// actionRandomPassword, as actionListSecrets, is not about one secret.
const actionRandomPassword = "GetRandomPassword"

// attempt is what was tried, for the text of an error.
type attempt struct {
	// doing reads "cannot <doing> secret ...", or "cannot <doing> in ..." of a list of secrets.
	doing  string
	action string
	ref    secretstore.Ref
	// version is the version that was named, if one was. It need not exist for a put.
	version string
	// value is what was sent, so that no echo of it is taken for a code.
	value rotation.Secret
	// writes says that the store was asked to change something.
	writes bool
}

type meaning struct {
	kind rotation.Kind
	text string
}

const (
	clockAdvice = "it does not accept the request's time or signature; check this machine's clock (5 minutes off at most) and the secret access key"
	unavailable = "it is not available at the moment"
)

// meanings are the codes of Secrets Manager and those that all of AWS's APIs share (its API reference, "Common Errors").
var meanings = map[string]meaning{
	codeExists:           {rotation.Conflict, "the version exists already, with another value; somebody else wrote it"},
	codeInvalidRequest:   {rotation.Permanent, "it does not do this to the secret in the state that it is in"},
	codeInvalidParameter: {rotation.Permanent, "it does not take a parameter; a value may have 65,536 bytes"},
	// The SDK takes this for throttling.
	codeLimit: {rotation.Permanent, "a quota is used up: a secret may have 20 labels, and about 100 versions within a day; " +
		"take labels off that nobody needs, or wait"},
	"DecryptionFailure": {rotation.Permanent, "it can't decrypt the value with the secret's KMS key; check that the key is enabled, and that " +
		"the worker's identity may kms:Decrypt with it"},
	"EncryptionFailure": {rotation.Permanent, "it can't encrypt the value with the secret's KMS key; check that the key is enabled and symmetric, " +
		"and that the worker's identity may kms:GenerateDataKey and kms:DescribeKey on it"},
	"ValidationException":         {rotation.Permanent, "it finds the request invalid"},
	"SerializationException":      {rotation.Permanent, "it can't read the request; is the endpoint Secrets Manager's?"},
	"UnknownOperationException":   {rotation.Permanent, "the endpoint does not know this operation; is it Secrets Manager's?"},
	"InvalidAction":               {rotation.Permanent, "the endpoint does not know this operation; is it Secrets Manager's?"},
	"InternalServiceError":        {rotation.Retryable, "it failed inside"},
	"InternalFailure":             {rotation.Retryable, "it failed inside"},
	"InternalServerError":         {rotation.Retryable, "it failed inside"},
	"ServiceUnavailable":          {rotation.Retryable, unavailable},
	"ServiceUnavailableException": {rotation.Retryable, unavailable},
	"RequestTimeout":              {rotation.Retryable, unavailable},
	"RequestTimeoutException":     {rotation.Retryable, unavailable},

	"UnrecognizedClientException":         {rotation.Permanent, "it does not know the access key, or not in this region; check the worker's credentials"},
	"InvalidClientTokenId":                {rotation.Permanent, "it does not know the access key, or not in this region; check the worker's credentials"},
	"MissingAuthenticationTokenException": {rotation.Permanent, "the request carried no credentials"},
	"MissingAuthenticationToken":          {rotation.Permanent, "the request carried no credentials"},
	"IncompleteSignatureException":        {rotation.Permanent, "it finds the signature incomplete; check the access key"},
	"IncompleteSignature":                 {rotation.Permanent, "it finds the signature incomplete; check the access key"},
	"InvalidSignatureException":           {rotation.Retryable, clockAdvice},
	"SignatureDoesNotMatch":               {rotation.Retryable, clockAdvice},
	"RequestExpired":                      {rotation.Retryable, clockAdvice},
	"RequestTimeTooSkewed":                {rotation.Retryable, clockAdvice},
	"ExpiredTokenException":               {rotation.Retryable, "the worker's temporary credentials have expired; the next attempt asks for new ones"},
	"ExpiredToken":                        {rotation.Retryable, "the worker's temporary credentials have expired; the next attempt asks for new ones"},
	"OptInRequired":                       {rotation.Permanent, "the account is not signed up for the service, or not in this region"},
}

// classify is the one place that decides what a failure means.
func (a attempt) classify(f *wire.Failure) *rotation.Error {
	failed := f.Judge(a.writes, "", func() (rotation.Kind, string) {
		m := a.meaning(f)
		return m.kind, m.text
	}).Error(a.failed)
	failed.Gone = f.Code == codeNotFound && failed.Kind == rotation.Permanent
	failed.Throttled = f.Cause == wire.Answered && isThrottling(f)
	if f.Cause == wire.Answered && strings.HasPrefix(f.Code, "AccessDenied") {
		failed.Finding = rotation.FindingPermission
	}
	return failed
}

// meaning tells what an answer means.
func (a attempt) meaning(f *wire.Failure) meaning {
	switch {
	case f.Code == codeNotFound && a.version != "" && a.action != "PutSecretValue":
		return meaning{rotation.Retryable, fmt.Sprintf("there is no such secret, or no version %s of it (yet)", a.version)}
	case f.Code == codeNotFound:
		return meaning{rotation.Permanent, "there is no such secret, or no version of it is current; check name and region, and whether the " +
			"worker's credentials are of the secret's account (a secret of another account needs its ARN)"}
	case strings.HasPrefix(f.Code, "AccessDenied"):
		return meaning{rotation.Permanent, "permission denied; " + a.permissionAdvice()}
	}
	if m, known := commonMeaning(f); known {
		return m
	}
	return meaning{rotation.Retryable, fmt.Sprintf("it answered with an error that this program does not know (status %d)", f.Status)}
}

// commonMeaning tells what an answer means whatever was asked.
func commonMeaning(f *wire.Failure) (meaning, bool) {
	if m, known := meanings[f.Code]; known {
		return m, true
	}
	if isThrottling(f) {
		return meaning{rotation.Retryable, "it takes no more requests from this account at the moment"}, true
	}
	switch {
	case f.Status >= 500:
		return meaning{rotation.Retryable, "it failed inside"}, true
	case f.Code == "":
		return meaning{rotation.Retryable, "the answer is none of AWS's; is the endpoint the right one, and what stands before it?"}, true
	case f.Status == 403:
		return meaning{rotation.Permanent, "it forbids this"}, true
	}
	return meaning{}, false
}

// isThrottling says whether an answer means that there are too many calls.
func isThrottling(f *wire.Failure) bool {
	_, throttled := retry.DefaultThrottleErrorCodes[f.Code]
	return throttled && f.Code != codeLimit || f.Status == http.StatusTooManyRequests
}

// permissionAdvice names what the worker's identity lacks. The code is the same for the secret and for its key.
func (a attempt) permissionAdvice() string {
	resource, region := a.ref.Name, regionOf(a.ref)
	switch {
	case a.action == actionRandomPassword, a.action == actionListSecrets:
		resource = "*"
	case !strings.HasPrefix(resource, "arn:"):
		resource = "arn:" + partition(region) + ":secretsmanager:" + region + ":*:secret:" + resource + "-*"
	}
	advice := "allow secretsmanager:" + a.action + " on " + resource + " to the worker's identity"
	switch a.action {
	case "GetSecretValue":
		advice += ", and kms:Decrypt on the key if the secret is encrypted with one of your own"
	case "PutSecretValue":
		advice += ", and kms:GenerateDataKey and kms:Decrypt on the key if the secret is encrypted with one of your own"
	}
	return advice
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func (a attempt) failed(kind rotation.Kind, what string) *rotation.Error {
	if a.action == actionListSecrets {
		return rotation.Errorf(kind, "cannot %s in %s: %s", a.doing, a.ref.Region, what)
	}
	return rotation.Errorf(kind, "cannot %s secret %s in %s: %s", a.doing, a.ref.Name, regionOf(a.ref), what)
}

// unreadable is the error of an answer that lacks what it should hold.
func (a attempt) unreadable() *rotation.Error {
	return a.classify(&wire.Failure{Cause: wire.Unreadable, Sent: true})
}
