package cloudsim

import (
	"net/http"
	"net/url"
	"strings"

	"rotor/internal/cloudsim/awsrds"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/cloudsim/awssigv4"
	"rotor/internal/cloudsim/awssts"
	"rotor/internal/cloudsim/cloudapi"
)

// wording is how a protocol of AWS reports what is wrong with a signature.
type wording struct {
	code    string
	status  int
	message string
}

const mismatchText = "The request signature we calculated does not match the signature you provided. Check your AWS " +
	"Secret Access Key and signing method. Consult the service documentation for details."

var jsonWording = map[awssigv4.Fault]wording{
	awssigv4.Missing:    {"MissingAuthenticationTokenException", 400, "Missing Authentication Token"},
	awssigv4.Incomplete: {"IncompleteSignatureException", 400, "The request signature is incomplete."},
	awssigv4.UnknownKey: {"UnrecognizedClientException", 400, "The security token included in the request is invalid."},
	awssigv4.Expired:    {"InvalidSignatureException", 400, "Signature expired."},
	awssigv4.Mismatch:   {"InvalidSignatureException", 400, mismatchText},
}

var queryWording = map[awssigv4.Fault]wording{
	awssigv4.Missing:    {"MissingAuthenticationToken", 403, "Request is missing Authentication Token"},
	awssigv4.Incomplete: {"IncompleteSignature", 400, "The request signature is incomplete."},
	awssigv4.UnknownKey: {"InvalidClientTokenId", 403, "The security token included in the request is invalid."},
	awssigv4.Expired:    {"SignatureDoesNotMatch", 403, "Signature expired."},
	awssigv4.Mismatch:   {"SignatureDoesNotMatch", 403, mismatchText},
}

// serveAWS serves AWS's JSON protocol, told by its target header, and its query protocol.
func (c *Cloud) serveAWS(w http.ResponseWriter, r *http.Request, body []byte) {
	id := strings.ToLower(uuid())
	call, refuse := queryCall(body, id)
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		call, refuse = jsonCall(target, body, id)
	}
	line := Request{Time: c.clock(), API: call.API, Action: call.Action}
	signature, fault := awssigv4.Parse(r)
	credential, known := c.lookup(signature.AccessKey)
	line.AccessKey, line.Region = signature.AccessKey, signature.Region
	switch {
	case fault != 0:
	case !known:
		fault = awssigv4.UnknownKey
	case call.API != "" && signature.Service != signingNames[call.API]:
		fault = awssigv4.Mismatch
	default:
		fault = signature.Verify(r, body, credential, line.Time, c.window)
	}
	if fault != 0 || call.API == "" {
		c.refuse(w, line, refuse(fault))
		return
	}
	authenticated := cloudapi.NewCall(credential)
	authenticated.API, authenticated.Action, authenticated.Region = call.API, call.Action, signature.Region
	authenticated.Params, authenticated.Body, authenticated.RequestID = call.Params, call.Body, id
	c.carryOut(w, authenticated)
}

// signingNames are the services that requests are signed for.
var signingNames = map[string]string{AWSSecretsManager: "secretsmanager", AWSRDS: "rds", AWSSTS: "sts"}

// queryVersions tells the APIs of the query protocol apart.
var queryVersions = map[string]string{awsrds.Version2014: AWSRDS, awssts.Version2011: AWSSTS}

// jsonCall reads a request of the JSON protocol, and says how that refuses one. A call without API is of none that
// there is.
func jsonCall(target string, body []byte, id string) (*cloudapi.Call, func(awssigv4.Fault) cloudapi.Reply) {
	call := &cloudapi.Call{Body: body, RequestID: id}
	if operation, ok := strings.CutPrefix(target, awssecretsmanager.TargetPrefix); ok {
		call.API, call.Action = AWSSecretsManager, operation
	}
	return call, func(fault awssigv4.Fault) cloudapi.Reply {
		if fault == 0 {
			return awssecretsmanager.Refuse("UnknownOperationException", "", id)
		}
		said := jsonWording[fault]
		return awssecretsmanager.Refuse(said.code, said.message, id)
	}
}

// queryCall reads a request of the query protocol, and says how that refuses one.
func queryCall(body []byte, id string) (*cloudapi.Call, func(awssigv4.Fault) cloudapi.Reply) {
	call := &cloudapi.Call{Params: map[string]string{}, RequestID: id}
	// A body that can't be read as a form has no Version, which is refused.
	form, _ := url.ParseQuery(string(body))
	for name := range form {
		call.Params[name] = form.Get(name)
	}
	if api := queryVersions[call.Params["Version"]]; api != "" {
		call.API, call.Action = api, call.Params["Action"]
	}
	delete(call.Params, "Action")
	delete(call.Params, "Version")
	return call, func(fault awssigv4.Fault) cloudapi.Reply {
		if fault == 0 {
			return awsrds.Refuse(http.StatusBadRequest, "InvalidAction", "Could not find operation.", id)
		}
		said := queryWording[fault]
		return awsrds.Refuse(said.status, said.code, said.message, id)
	}
}
