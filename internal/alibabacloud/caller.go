package alibabacloud

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"

	"rotor/internal/rotation"
	"rotor/internal/wire"
)

const (
	callTimeout = 10 * time.Second
	// credentialPatience is how long credentials that worked may fail to be refreshed.
	credentialPatience = time.Minute
)

// Options of a Caller. The zero value is good.
type Options struct {
	// Identity says who makes the calls.
	Identity Identity
	// RootCAs are the authorities that endpoints' certificates may be signed by; nil: the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one call, credentials included; 0: 10 seconds. Connecting takes 3 of them at most.
	Timeout time.Duration
}

// Caller makes calls. It may be used by several goroutines.
type Caller struct {
	transport   *http.Transport
	credentials *chain
	timeout     time.Duration
}

// NewCaller makes a Caller. Nothing is read or connected to before the first call.
func NewCaller(options Options) *Caller {
	if options.Timeout == 0 {
		options.Timeout = callTimeout
	}
	return &Caller{
		transport: wire.NewTransport(options.RootCAs), credentials: &chain{identity: options.Identity, patience: credentialPatience}, timeout: options.Timeout,
	}
}

// Call is one call of the API.
type Call struct {
	Endpoint wire.Endpoint
	Region   string
	// Request is a request of the SDK. What its fields hold can get into the SDK's logs; a secret's value is not among them.
	Request requests.AcsRequest
	// Response is where the SDK puts the answer.
	Response responses.AcsResponse
	// Sends is the query parameter that carries Value, "" if none does.
	Sends string
	Value rotation.Secret
	// Gets is the field of the answer that Do gives as a value instead of leaving it in Response, "" if there is none.
	Gets string
}

// Do makes a call, once. Every error is a *wire.Failure. When the context ends, the request is aborted and Do returns.
func (c *Caller) Do(ctx context.Context, call Call) (rotation.Secret, error) {
	ctx, cancel := wire.WithTimeout(ctx, c.timeout)
	defer cancel()
	held, failure := c.credentials.get(ctx)
	if failure != nil {
		return rotation.Secret{}, failure
	}
	e := &exchange{ctx: ctx, wire: wire.Exchange{Transport: c.transport}, sends: call.Sends, value: call.Value, gets: call.Gets}
	// For a nonce the SDK has the stack of its goroutine written out, and that of an activity is long.
	performed := make(chan error, 1)
	go func() { performed <- perform(call, given{held}, e) }()
	err := <-performed
	if failure := e.outcome(err); failure != nil {
		if failure.Cause == wire.Answered && aboutCredentials(failure.Code) {
			c.credentials.forget()
		}
		return rotation.Secret{}, failure
	}
	return e.got, nil
}

// errPanicked stands for a panic of the SDK, whose value can quote an answer.
var errPanicked = errors.New("the SDK panicked")

// perform lets the SDK do its part: parameters, signature, decoding. A client of its own for each call, because the SDK
// writes to clients while it uses them.
func perform(call Call, held given, e *exchange) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	config := sdk.NewConfig()
	config.Transport = e
	client, err := sdk.NewClientWithOptions(call.Region, config, held)
	if err != nil {
		return err
	}
	// The SDK fails on settings of these variables that it can't read. Its transport, which would use them, is not in use.
	client.SetHttpProxy("http://proxy.invalid")
	client.SetHttpsProxy("http://proxy.invalid")
	client.SetNoProxy("proxy.invalid")
	// The exchange keeps time; the SDK's own limit is there because it can't be switched off.
	client.SetReadTimeout(time.Hour)
	client.SetCloseTrace(true)

	call.Request.SetDomain(call.Endpoint.Host)
	call.Request.SetScheme(requests.HTTPS)
	if call.Endpoint.Plain {
		call.Request.SetScheme(requests.HTTP)
	}
	// The SDK finds a request's parameters by reflection, which does not look into what veiled embeds.
	if err := requests.InitParams(call.Request); err != nil {
		return err
	}
	if call.Sends != "" {
		call.Request.GetQueryParams()[call.Sends] = call.Value.Reveal()
	}
	if err := client.DoAction(&veiled{AcsRequest: call.Request, param: call.Sends}, responses.NewCommonResponse()); err != nil {
		return err
	}
	return e.decode(call.Response)
}

// veiled is a request whose URL, which the SDK prints, lacks one parameter. The signature has it.
type veiled struct {
	requests.AcsRequest
	param string
}

// BuildUrl is the URL without the parameter.
func (v *veiled) BuildUrl() string {
	params := v.GetQueryParams()
	value, there := params[v.param]
	if !there {
		return v.AcsRequest.BuildUrl()
	}
	delete(params, v.param)
	defer func() { params[v.param] = value }()
	return v.AcsRequest.BuildUrl()
}

// outcome is what the exchange and the SDK's error come to; nil if there is an answer.
func (e *exchange) outcome(err error) *wire.Failure {
	var refused *sdkerrors.ServerError
	switch {
	case e.failure != nil:
		return e.failure
	case errors.Is(err, errPanicked):
		return &wire.Failure{Cause: wire.Panicked, Sent: e.wire.Sent()}
	case errors.As(err, &refused):
		return &wire.Failure{Cause: wire.Answered, Status: refused.HttpStatus(), Code: refused.ErrorCode(),
			RequestID: e.requestID, Sent: true}
	case err != nil && e.wire.Sent():
		return &wire.Failure{Cause: wire.Unreadable, Sent: true}
	case err != nil:
		return &wire.Failure{Cause: wire.NotMade}
	}
	return nil
}

// aboutCredentials says whether a code blames the credentials, so that others may do better.
func aboutCredentials(code string) bool {
	about := []string{"InvalidAccessKeyId", "InvalidSecurityToken", "SecurityTokenExpired", "SignatureDoesNotMatch", "IncompleteSignature",
		"Forbidden.AccessKey", "Forbidden.NoPermission", "NoPermission"}
	return slices.ContainsFunc(about, func(prefix string) bool { return strings.HasPrefix(code, prefix) })
}
