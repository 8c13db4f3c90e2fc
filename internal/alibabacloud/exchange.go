package alibabacloud

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"

	"rotor/internal/rotation"
	"rotor/internal/wire"
)

// exchange is the transport that one call's client is given. It ends with the call's context.
type exchange struct {
	ctx  context.Context
	wire wire.Exchange

	sends string
	value rotation.Secret
	gets  string

	failure   *wire.Failure
	requestID string
	// got is the value that came, rest the answer without it.
	got  rotation.Secret
	rest []byte
}

// RoundTrip implements http.RoundTripper. Its errors are *wire.Failure. Of an answer the SDK's client gets an error's code only,
// because it prints what it gets.
func (e *exchange) RoundTrip(r *http.Request) (*http.Response, error) {
	out := r.Clone(e.ctx)
	if e.sends != "" {
		out.URL.RawQuery += "&" + e.sends + "=" + url.QueryEscape(e.value.Reveal())
	}
	answer, body, failure := e.wire.Do(e.ctx, out)
	if failure != nil {
		e.failure = failure
		return nil, failure
	}
	status := answer.StatusCode
	if status < 200 || status >= 300 {
		return answerOf(status, e.reduceError(body), r), nil
	}
	if !e.takeValue(body) {
		e.failure = &wire.Failure{Cause: wire.Unreadable, Status: status, Sent: true}
		return nil, e.failure
	}
	return answerOf(status, []byte("{}"), r), nil
}

// answerOf is an answer that the SDK can read.
func answerOf(status int, body []byte, r *http.Request) *http.Response {
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(bytes.NewReader(body)),
		ContentLength: int64(len(body)), Request: r,
	}
}

// takeValue takes the value out of an answer. Every answer of the API is an object with a request id.
func (e *exchange) takeValue(body []byte) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || text(fields["RequestId"]) == "" {
		return false
	}
	if raw, there := fields[e.gets]; there {
		var value string
		if json.Unmarshal(raw, &value) != nil {
			return false
		}
		e.got = rotation.NewSecret(value)
		delete(fields, e.gets)
	}
	var err error
	e.rest, err = json.Marshal(fields)
	return err == nil
}

// decode fills the SDK's response with the rest of the answer, as the SDK's client would.
func (e *exchange) decode(into responses.AcsResponse) error {
	return responses.Unmarshal(into, answerOf(http.StatusOK, e.rest, nil), "JSON")
}

// reduceError keeps an error's code. Messages can quote the string that was signed, which holds every parameter, and the
// SDK panics on a code that is no string.
func (e *exchange) reduceError(body []byte) []byte {
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(body, &fields) // what is no JSON has no code
	e.requestID = wire.CleanRequestID(text(fields["RequestId"]))
	reduced, err := json.Marshal(map[string]string{"Code": wire.CleanCode(text(fields["Code"]), e.value.Reveal())})
	if err != nil {
		return []byte("{}")
	}
	return reduced
}

// text is a JSON string's value, "" for anything else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
