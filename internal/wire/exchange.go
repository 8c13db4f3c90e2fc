package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// maxAnswer bounds an answer's body in bytes. A secret's value has 64 KiB at most, a page of versions less.
const maxAnswer = 1 << 20

// errTooSlow is the cause of a context that the limit of a call ended.
var errTooSlow = errors.New("no answer in time")

// WithTimeout bounds a call, so that a limit that ends it is told apart from a caller that gives up.
func WithTimeout(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, limit, errTooSlow)
}

// ContextFailure is the failure of a call whose context has ended.
func ContextFailure(ctx context.Context) *Failure {
	if errors.Is(context.Cause(ctx), errTooSlow) {
		return &Failure{Cause: Timeout}
	}
	return &Failure{Cause: Cancelled}
}

// Exchange is one request and its answer. The answer is read to its end before anybody gets any of it, so that nobody else
// waits for the network.
type Exchange struct {
	Transport *http.Transport
	sent      atomic.Bool
}

// Sent says whether there was a connection: only then the request may have arrived.
func (e *Exchange) Sent() bool { return e.sent.Load() }

// Do sends a request, which ends with the context, and gives the answer with all of its body. Redirects are not followed.
func (e *Exchange) Do(ctx context.Context, r *http.Request) (*http.Response, []byte, *Failure) {
	answer, body, failure := e.do(ctx, r)
	if failure != nil {
		failure.Sent = e.Sent()
	}
	return answer, body, failure
}

func (e *Exchange) do(ctx context.Context, r *http.Request) (*http.Response, []byte, *Failure) {
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { e.sent.Store(true) }})
	answer, err := e.Transport.RoundTrip(r.Clone(traced))
	if err != nil {
		return nil, nil, transportFailure(ctx, err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, nil, transportFailure(ctx, err)
	case len(body) > maxAnswer:
		return nil, nil, &Failure{Cause: TooLarge, Status: answer.StatusCode}
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return nil, nil, &Failure{Cause: Redirected, Status: answer.StatusCode}
	}
	answer.Body = io.NopCloser(bytes.NewReader(body))
	return answer, body, nil
}
