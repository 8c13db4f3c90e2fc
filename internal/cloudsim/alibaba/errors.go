package alibaba

import (
	"encoding/json"
	"net/http"

	"rotor/internal/cloudsim/cloudapi"
)

// Error is a failure as Alibaba Cloud's APIs report it.
type Error struct {
	Status  int
	Code    string
	Message string
}

// NewError makes an error with the given HTTP status and code.
func NewError(status int, code, message string) *Error { return errorf(status, code, message) }

func errorf(status int, code, message string) *Error { return &Error{status, code, message} }

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Missing is the answer to a request without a parameter that it needs.
func Missing(param string) *Error {
	return errorf(400, "MissingParameter", "The parameter "+param+" is needed but no provided.")
}

// UnknownAPI is the answer to an action or version that does not exist.
func UnknownAPI() *Error {
	return errorf(404, "InvalidApi.NotFound", "Specified api is not found, please check your url and method.")
}

// Reply renders the error. Code, Message and RequestId are strings always: the old SDK panics otherwise.
func (e *Error) Reply(requestID string) cloudapi.Reply {
	reply := document(e.Status, map[string]any{
		"HttpStatus": e.Status, "Code": e.Code, "Message": e.Message, "RequestId": requestID,
		"HostId": "cloudsim", "Recommend": "",
	})
	reply.Code = e.Code
	return reply
}

// Answer renders a successful answer; fields may be nil.
func Answer(requestID string, fields map[string]any) cloudapi.Reply {
	if fields == nil {
		fields = map[string]any{}
	}
	fields["RequestId"] = requestID
	return document(http.StatusOK, fields)
}

func document(status int, fields map[string]any) cloudapi.Reply {
	body, err := json.Marshal(fields)
	if err != nil {
		panic("cloudsim: an answer that is no JSON: " + err.Error())
	}
	return cloudapi.Reply{
		Status: status, Body: body, Header: http.Header{"Content-Type": {"application/json;charset=utf-8"}},
	}
}

// Failure renders a fault in the gateway's words. noPermission is the API's own code for a denial.
func Failure(f cloudapi.Failure, throttled, internal, denied *Error, requestID string) cloudapi.Reply {
	switch f {
	case cloudapi.Throttled:
		return throttled.Reply(requestID)
	case cloudapi.Denied:
		return denied.Reply(requestID)
	default:
		return internal.Reply(requestID)
	}
}
