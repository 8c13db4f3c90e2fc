package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
)

// Cause says where a call failed.
type Cause string

const (
	// Answered: the API answered with an error; Status and Code say which.
	Answered Cause = "answered"
	// NoCredentials: the credential chain gave none.
	NoCredentials Cause = "no-credentials"
	// NotMade: the SDK could not make a request of it.
	NotMade Cause = "not-made"
	// Cancelled: the caller's context ended.
	Cancelled Cause = "cancelled"
	// Timeout: no complete answer in time.
	Timeout Cause = "timeout"
	// Unresolved: the endpoint's name is not known.
	Unresolved Cause = "dns"
	// Refused: nobody listens at the endpoint.
	Refused Cause = "refused"
	// Broken: the connection was closed before the answer was complete.
	Broken Cause = "reset"
	// Untrusted: no TLS connection that can be trusted.
	Untrusted Cause = "tls"
	// Proxied: the proxy did not let the call through.
	Proxied Cause = "proxy"
	// Network: any other failure of the connection.
	Network Cause = "network"
	// Unprotected: the endpoint is plain http on another machine, which is not allowed.
	Unprotected Cause = "plain-http"
	// Redirected: the answer sends the caller elsewhere, which is never followed.
	Redirected Cause = "redirect"
	// TooLarge: the answer is larger than any of the API's.
	TooLarge Cause = "too-large"
	// Unreadable: the answer is none of the API's.
	Unreadable Cause = "malformed"
	// Panicked: the SDK panicked.
	Panicked Cause = "panic"
)

// Failure is why a call came to nothing. It holds words of this program, numbers and codes; nothing that was sent, and of
// what was received only an error's code and the request's id.
type Failure struct {
	Cause Cause
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// Code is the API's code, "" if the answer had none that looks like one.
	Code string
	// RequestID is what the provider's support asks for.
	RequestID string
	// Detail says more where the cause alone does not, in words of this program.
	Detail string
	// Sent says whether the request may have arrived: if not, it certainly had no effect.
	Sent bool
}

// Error says the same as What.
func (f *Failure) Error() string { return f.What() }

// What says in words what came back, without the code.
func (f *Failure) What() string {
	detail := ""
	if f.Detail != "" {
		detail = ": " + f.Detail
	}
	switch f.Cause {
	case Answered:
		return fmt.Sprintf("it answered with status %d", f.Status)
	case NoCredentials:
		return "no credentials" + detail
	case NotMade:
		return "the SDK could not make a request of it"
	case Cancelled:
		return "it was given up before an answer came"
	case Timeout:
		return "no answer in time" + detail
	case Unresolved:
		return "the endpoint's name is not known"
	case Refused:
		return "nobody listens at the endpoint"
	case Broken:
		return "the connection was closed before the answer was complete"
	case Untrusted:
		return "no trusted TLS connection" + detail
	case Proxied:
		return "the proxy of HTTPS_PROXY did not let the call through" + detail
	case Unprotected:
		return "the endpoint is plain http on another machine, which would show secrets to the network; use https, or set " + SettingAllowHTTP +
			"=1 if the way there is protected otherwise"
	case Redirected:
		return "the endpoint answered with a redirect, which is not followed; is it the right one?"
	case TooLarge:
		return fmt.Sprintf("the answer is larger than %d bytes; is the endpoint the right one?", maxAnswer)
	case Unreadable:
		return "the answer is not understood; is the endpoint the right one?"
	case Panicked:
		return "the SDK panicked on the answer"
	}
	return "the connection failed"
}

// Forms of what is taken from an answer.
var (
	codeForm      = regexp.MustCompile(`^[A-Z][A-Za-z]*(\.[A-Z][A-Za-z]*)*$`)
	requestIDForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
)

const maxCode = 80

// CleanRequestID lets through what looks like a request's id.
func CleanRequestID(id string) string {
	if !requestIDForm.MatchString(id) {
		return ""
	}
	return id
}

// CleanCode lets through what looks like one of the API's codes (words, never a digit, which every password of this
// program has) and is no piece of the value that was sent: an endpoint that is not the API's could echo it.
func CleanCode(code, sent string) string {
	if len(code) > maxCode || !codeForm.MatchString(code) || strings.Contains(sent, code) {
		return ""
	}
	return code
}

// proxyError is a proxy's refusal to open a tunnel.
type proxyError struct{ status int }

func (e *proxyError) Error() string { return fmt.Sprintf("proxy answered %d", e.status) }

// transportFailure sorts what a transport reports. Its text is not used: it can quote what was sent or received.
func transportFailure(ctx context.Context, err error) *Failure {
	if ctx.Err() != nil {
		return ContextFailure(ctx)
	}
	var proxy *proxyError
	if errors.As(err, &proxy) {
		return &Failure{Cause: Proxied, Status: proxy.status, Detail: fmt.Sprintf("status %d", proxy.status)}
	}
	var operation *net.OpError
	if errors.As(err, &operation) && operation.Op == "proxyconnect" {
		return &Failure{Cause: Proxied, Detail: "it can't be reached"}
	}
	if detail, ok := tlsDetail(err); ok {
		return &Failure{Cause: Untrusted, Detail: detail}
	}
	var unresolved *net.DNSError
	var slow net.Error
	switch {
	case errors.As(err, &unresolved):
		return &Failure{Cause: Unresolved}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &Failure{Cause: Refused}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, net.ErrClosed): // the last one while the request is still being written
		return &Failure{Cause: Broken}
	case errors.As(err, &slow) && slow.Timeout():
		return &Failure{Cause: Timeout}
	}
	return &Failure{Cause: Network}
}

// tlsDetail says in words what is wrong with a TLS connection.
func tlsDetail(err error) (string, bool) {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		unchecked *tls.CertificateVerificationError
		alert     tls.AlertError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return "its certificate is signed by an authority that this machine does not trust; add the authority to the system's roots", true
	case errors.As(err, &name):
		return "its certificate is for another name", true
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its certificate has expired or is not valid yet; check the clock, too", true
	case errors.As(err, &invalid), errors.As(err, &unchecked):
		return "its certificate is not valid", true
	case errors.As(err, &alert):
		return "the endpoint broke off the handshake", true
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return "the endpoint does not speak TLS", true
	}
	return "", false
}
