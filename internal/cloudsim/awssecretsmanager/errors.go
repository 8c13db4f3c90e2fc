package awssecretsmanager

import (
	"encoding/json"
	"fmt"
	"net/http"

	"rotor/internal/cloudsim/cloudapi"
)

// failure is an error of the API: an exception's name and a message.
type failure struct{ code, message string }

func fail(code, message string) *failure { return &failure{code, message} }

func invalidParameter(format string, args ...any) *failure {
	return fail("InvalidParameterException", fmt.Sprintf(format, args...))
}

func invalidRequest(format string, args ...any) *failure {
	return fail("InvalidRequestException", fmt.Sprintf(format, args...))
}

func notFound(message string) *failure { return fail("ResourceNotFoundException", message) }

func noSecret() *failure { return notFound("Secrets Manager can't find the specified secret.") }

func limitExceeded() *failure {
	return fail("LimitExceededException", "The request failed because it would exceed one of the Secrets Manager quotas.")
}

func markedForDeletion() *failure {
	return invalidRequest("You can't perform this operation on the secret because it was marked for deletion.")
}

// null is the answer to a request that lacks a member.
func null(member string) *failure {
	return fail("ValidationException", fmt.Sprintf("1 validation error detected: Value null at '%s' failed to satisfy "+
		"constraint: Member must not be null", member))
}

func denied(c *cloudapi.Call, action, resource string) *failure {
	return fail("AccessDeniedException", fmt.Sprintf("User: arn:%s:iam::%s:user/%s is not authorized to perform: %s on "+
		"resource: %s because no identity-based policy allows the %s action",
		partition(c.Region), c.Account, c.AccessKey, action, resource, action))
}

func (f *failure) reply(requestID string) cloudapi.Reply {
	status := http.StatusBadRequest
	if f.code == "InternalServiceError" {
		status = http.StatusInternalServerError
	}
	reply := answer(status, map[string]string{"__type": f.code, "Message": f.message}, requestID)
	reply.Header.Set("X-Amzn-ErrorType", f.code)
	reply.Code = f.code
	return reply
}

func answer(status int, document any, requestID string) cloudapi.Reply {
	body, err := json.Marshal(document)
	if err != nil {
		panic("cloudsim: an answer that is no JSON: " + err.Error())
	}
	return cloudapi.Reply{Status: status, Body: body, Header: http.Header{
		"Content-Type": {"application/x-amz-json-1.1"}, "X-Amzn-Requestid": {requestID},
	}}
}
