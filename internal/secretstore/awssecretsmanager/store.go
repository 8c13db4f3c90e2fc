// Package awssecretsmanager keeps secrets in AWS Secrets Manager. Secrets that AWS rotates itself are refused.
package awssecretsmanager

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/wire"
)

// settingEndpoint is the setting that errors about Options.Endpoint refer to. (What AWS's own variables say is the SDK's to
// read.)
const settingEndpoint = "SECRETS_MANAGER_ENDPOINT"

const callTimeout = 10 * time.Second

// Options of a Store. The zero value has all from AWS's own configuration: environment, profile, web identity, the
// container's or the instance's role.
type Options struct {
	// Endpoint is a URL to use instead of AWS's own, whatever the region.
	Endpoint string
	// AllowHTTP lets the endpoint be plain http to another machine, also one from AWS's own configuration.
	AllowHTTP bool
	// Profile is a profile of AWS's configuration files; "": AWS_PROFILE, else the default one.
	Profile string
	// RoleARN is a role to take on, "" for none. ExternalID goes with it if its trust policy wants one.
	RoleARN, ExternalID string
	// Timeout bounds one call, credentials included; 0: 10 seconds. Connecting takes 3 of them at most.
	Timeout time.Duration
}

// Store is Secrets Manager. It may be used by several goroutines.
type Store struct {
	connections *connections
	timeout     time.Duration
}

var _ secretstore.Store = (*Store)(nil)

// New makes a Store; configuration and credentials are looked for at the first call. Errors are permanent and name the
// setting that is wrong.
func New(options Options) (*Store, error) {
	if options.Endpoint != "" {
		if _, err := wire.ParseEndpoint(settingEndpoint, options.Endpoint, options.AllowHTTP); err != nil {
			return nil, err
		}
	}
	if options.Timeout == 0 {
		options.Timeout = callTimeout
	}
	return &Store{connections: newConnections(options), timeout: options.Timeout}, nil
}

// Traits implements secretstore.Store. Versions that carry a stage are kept, and so are a hundred others. A move of a stage
// names the version that it leaves, so one that comes late is refused.
func (s *Store) Traits() secretstore.Traits {
	return secretstore.Traits{Dialect: rotation.AWSDialect}
}

// Forms of what comes from requests and documents; they become part of host names and of errors. The names of secrets that
// AWS's services make have a "!".
var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!:-]+$`)
	regionForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	arnForm    = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:([a-z0-9-]+):[0-9]*:secret:(.+)$`)
)

// wholeForm is an ARN that ends as whole ones do.
var wholeForm = regexp.MustCompile(`^arn:.*-[A-Za-z0-9]{6}$`)

// another is an error if an answer is about another secret than the ARN that was asked for. Secrets Manager takes an ARN without the six
// characters at its end, too: one of a secret whose name itself ends like them was taken for that of another name before it was sent.
func (a attempt) another(arn string) error {
	if !wholeForm.MatchString(a.ref.Name) || arn == a.ref.Name {
		return nil
	}
	return a.failed(rotation.Permanent, "the ARN is not the whole one of the secret that it leads to; give it with the six characters that Secrets Manager has added").
		Found(rotation.FindingRequest)
}

// maxName is more than an ARN of the longest name has.
const maxName = 1024

func (a attempt) check() error {
	ref := a.ref
	if a.action != actionListSecrets && (len(ref.Name) > maxName || !nameForm.MatchString(ref.Name)) {
		return rotation.FieldError("SecretName", "no name of a secret: it has letters, digits and /_+=.@-, or is an ARN")
	}
	if !regionForm.MatchString(ref.Region) {
		return rotation.FieldError("RegionId", "no region: it has lower-case letters, digits and dashes, like eu-central-1")
	}
	return nil
}

// regionOf is where a secret is: an ARN says so itself, and may be of an admin secret in another region.
func regionOf(ref secretstore.Ref) string {
	if m := arnForm.FindStringSubmatch(ref.Name); m != nil && regionForm.MatchString(m[1]) {
		return m[1]
	}
	return ref.Region
}

// errPanicked stands for a panic of the SDK, whose value can quote an answer.
var errPanicked = errors.New("the SDK panicked")

// do makes one call: one request, because repeats are the workflow's to decide and to show. The call gets its client and the
// secret's id. Every error is a *rotation.Error.
func (s *Store) do(ctx context.Context, a attempt, call func(context.Context, *secretsmanager.Client, *string) error) error {
	if err := a.check(); err != nil {
		return err
	}
	failure := s.exchange(ctx, regionOf(a.ref), a.value, func(ctx context.Context, c *clients) error {
		name := a.ref.Name
		return call(ctx, c.secrets, &name)
	})
	if failure == nil {
		return nil
	}
	return a.classify(failure)
}

// exchange makes one request with the clients of a region. sent is the value that it carries, if any.
func (s *Store) exchange(ctx context.Context, region string, sent rotation.Secret, call func(context.Context, *clients) error) *wire.Failure {
	ctx, cancel := wire.WithTimeout(ctx, s.timeout)
	defer cancel()
	held, failure := s.connections.of(ctx, region)
	if failure == nil {
		e := &exchange{}
		failure = e.outcome(ctx, sent, guard(func() error { return call(withExchange(ctx, e), held) }))
	}
	if failure != nil && (failure.Cause == wire.NoCredentials || failure.Cause == wire.Answered && aboutCredentials(failure.Code)) {
		s.connections.forget(region)
	}
	return failure
}

func guard(call func() error) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanicked
		}
	}()
	return call()
}

// aboutCredentials says whether a code blames the credentials, so that others may do better.
func aboutCredentials(code string) bool {
	for _, word := range []string{"Token", "Signature", "UnrecognizedClient", "AccessDenied", "AuthFailure"} {
		if strings.Contains(code, word) {
			return true
		}
	}
	return false
}
