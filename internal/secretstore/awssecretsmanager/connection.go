package awssecretsmanager

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"rotor/internal/rotation"
	"rotor/internal/wire"
)

// sessionName stands in CloudTrail for what a role that was taken on does.
const sessionName = "rotor"

// connections has clients for each region. The SDK decides once, when it reads its configuration, where credentials come
// from; one that found none is forgotten, so that a worker that started too early recovers.
type connections struct {
	options Options

	mu      sync.Mutex
	clients map[string]*clients
}

// clients are those of one region.
type clients struct {
	secrets   *secretsmanager.Client
	databases *rds.Client
}

func newConnections(options Options) *connections {
	return &connections{options: options, clients: map[string]*clients{}}
}

func (c *connections) forget(region string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.clients, region)
}

// of gives the clients of a region. Reading the configuration can ask the network, so nobody waits for somebody else's
// reading; of two that read at once, one's is kept.
func (c *connections) of(ctx context.Context, region string) (*clients, *wire.Failure) {
	c.mu.Lock()
	held := c.clients[region]
	c.mu.Unlock()
	if held != nil {
		return held, nil
	}
	settings := []func(*config.LoadOptions) error{config.WithRegion(region), config.WithLogger(logging.Nop{})}
	if c.options.Profile != "" {
		settings = append(settings, config.WithSharedConfigProfile(c.options.Profile))
	}
	loaded, err := config.LoadDefaultConfig(ctx, settings...)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, wire.ContextFailure(ctx)
	case err != nil:
		return nil, &wire.Failure{Cause: wire.NoCredentials, Detail: "AWS's configuration can't be read; check AWS_PROFILE, AWS_CA_BUNDLE " +
			"and the files in ~/.aws"}
	}
	made := c.build(loaded)
	c.mu.Lock()
	defer c.mu.Unlock()
	if other := c.clients[region]; other != nil {
		return other, nil
	}
	c.clients[region] = made
	return made, nil
}

func (c *connections) build(loaded aws.Config) *clients {
	carry := &courier{transport: wire.NewTransport(rootsOf(loaded)), allowHTTP: c.options.AllowHTTP}
	if c.options.RoleARN != "" {
		loaded.Credentials = aws.NewCredentialsCache(c.role(loaded, carry))
	}
	loaded.Credentials = silent{loaded.Credentials}
	loaded.Logger, loaded.ClientLogMode = logging.Nop{}, 0
	return &clients{
		secrets: secretsmanager.NewFromConfig(loaded, func(o *secretsmanager.Options) {
			if c.options.Endpoint != "" {
				o.BaseEndpoint = aws.String(c.options.Endpoint)
			}
			o.HTTPClient = carry
			o.Retryer, o.RetryMaxAttempts = aws.NopRetryer{}, 1
		}),
		databases: rds.NewFromConfig(loaded, func(o *rds.Options) {
			o.HTTPClient = carry
			o.Retryer, o.RetryMaxAttempts = aws.NopRetryer{}, 1
		}),
	}
}

// role takes on the role of the options with the credentials that were found.
func (c *connections) role(loaded aws.Config, carry *courier) aws.CredentialsProvider {
	tokens := sts.NewFromConfig(loaded, func(o *sts.Options) {
		o.HTTPClient = &messenger{carry}
		o.Logger, o.ClientLogMode = logging.Nop{}, 0
	})
	return stscreds.NewAssumeRoleProvider(tokens, c.options.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = sessionName
		if c.options.ExternalID != "" {
			o.ExternalID = aws.String(c.options.ExternalID)
		}
	})
}

// rootsOf is what AWS_CA_BUNDLE or the profile's ca_bundle made of the configuration's own HTTP client.
func rootsOf(loaded aws.Config) *x509.CertPool {
	client, ok := loaded.HTTPClient.(*awshttp.BuildableClient)
	if !ok || client.GetTransport().TLSClientConfig == nil {
		return nil
	}
	return client.GetTransport().TLSClientConfig.RootCAs
}

// silent are credentials whose errors, which quote files and answers, are dropped.
type silent struct{ provider aws.CredentialsProvider }

var errNoCredentials = errors.New("no credentials")

// Retrieve implements aws.CredentialsProvider.
func (s silent) Retrieve(ctx context.Context) (aws.Credentials, error) {
	held, err := s.provider.Retrieve(ctx)
	if err != nil {
		return aws.Credentials{}, errNoCredentials
	}
	return held, nil
}

// exchange is what one call gets to know of its request, past the SDK and its errors.
type exchange struct {
	wire    wire.Exchange
	failure *wire.Failure
	// status is 0 if there was no answer.
	status    int
	requestID string
}

type exchangeKey struct{}

func withExchange(ctx context.Context, e *exchange) context.Context {
	return context.WithValue(ctx, exchangeKey{}, e)
}

// courier carries the SDK's requests. The SDK's own client would follow redirects with the body, and reads answers of any
// size.
type courier struct {
	transport *http.Transport
	allowHTTP bool
}

// Do implements the SDK's HTTPClient.
func (c *courier) Do(r *http.Request) (*http.Response, error) {
	e, ok := r.Context().Value(exchangeKey{}).(*exchange)
	if !ok {
		return nil, errors.New("a request that no call has made")
	}
	return c.carry(r, e)
}

// carry gives an answer only when all of it is there. The SDK closes a request's body once it has an answer, which would be
// a race with a transport that still looks whether there is more of it.
func (c *courier) carry(r *http.Request, e *exchange) (*http.Response, error) {
	if r.URL.Scheme != "https" && !c.allowHTTP && !wire.IsThisMachine(r.URL.Hostname()) {
		e.failure = &wire.Failure{Cause: wire.Unprotected}
		return nil, e.failure
	}
	e.wire.Transport = c.transport
	answer, _, failure := e.wire.Do(r.Context(), r)
	if failure != nil {
		e.failure = failure
		return nil, failure
	}
	e.status, e.requestID = answer.StatusCode, wire.CleanRequestID(answer.Header.Get("X-Amzn-Requestid"))
	return answer, nil
}

// messenger carries requests for credentials, which a call makes on its way: what becomes of them is not what becomes of the
// call. Several calls wait for one request, so that it does not end with the context of one of them.
type messenger struct{ *courier }

// Do implements the SDK's HTTPClient.
func (m *messenger) Do(r *http.Request) (*http.Response, error) {
	ctx, cancel := wire.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	return m.carry(r.WithContext(ctx), &exchange{})
}

// codeUnknown is what the SDK makes of an error answer without a code.
const codeUnknown = "UnknownError"

// outcome is what a call's error and the exchange come to; nil if there is an answer.
func (e *exchange) outcome(ctx context.Context, sent rotation.Secret, err error) *wire.Failure {
	var api smithy.APIError
	switch {
	case err == nil:
		return nil
	case e.failure != nil:
		return e.failure
	case errors.Is(err, errPanicked):
		return &wire.Failure{Cause: wire.Panicked, Sent: e.wire.Sent()}
	case e.status >= 200 && e.status < 300:
		return &wire.Failure{Cause: wire.Unreadable, Sent: true}
	case e.status != 0:
		failure := &wire.Failure{Cause: wire.Answered, Status: e.status, RequestID: e.requestID, Sent: true}
		if errors.As(err, &api) && api.ErrorCode() != codeUnknown {
			failure.Code = wire.CleanCode(api.ErrorCode(), sent.Reveal())
		}
		return failure
	case errors.Is(err, errNoCredentials) && (ctx.Err() == nil || wire.ContextFailure(ctx).Cause == wire.Timeout):
		return &wire.Failure{Cause: wire.NoCredentials, Detail: "neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, nor web identity, nor a " +
			"profile in ~/.aws, nor the container's or the instance's role gave any; or the role that is to be taken on was refused"}
	case ctx.Err() != nil:
		return wire.ContextFailure(ctx)
	}
	return &wire.Failure{Cause: wire.NotMade}
}
