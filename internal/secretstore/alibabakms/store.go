// Package alibabakms keeps secrets in Alibaba Cloud KMS (API version 2016-01-20). Only generic secrets are rotated here;
// KMS rotates the managed types itself.
package alibabakms

import (
	"context"
	"crypto/x509"
	"regexp"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"

	"rotor/internal/alibabacloud"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

const (
	product = "kms"
	// settingEndpoint is the setting that errors refer to.
	settingEndpoint = "ROTOR_ALIBABA_KMS_ENDPOINT"
	// keepsVersions is how many versions a generic secret holds. A new one pushes out the earliest; that labels protect it is
	// not documented.
	keepsVersions = 10
	// signatureValidity is how old a request's timestamp may be: so long, KMS still carries out a request that was given up.
	signatureValidity = 15 * time.Minute
)

// Options of a Store. The zero value reaches KMS from inside of Alibaba Cloud.
type Options struct {
	// Network, Endpoint and AllowHTTP say how KMS is reached, see alibabacloud.RouteOptions.
	Network, Endpoint string
	AllowHTTP         bool
	// SignatureValidity is how long after a request was made it can still take effect; 0: 15 minutes, as documented.
	SignatureValidity time.Duration
	// Profile, RoleARN and ExternalID say whose credentials to use, see alibabacloud.Identity; "": those of the SDK's default chain.
	Profile, RoleARN, ExternalID string
	// RootCAs are the authorities that endpoints' certificates may be signed by; nil: the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one call; 0: 10 seconds.
	Timeout time.Duration
}

// Store is KMS. It may be used by several goroutines.
type Store struct {
	caller *alibabacloud.Caller
	route  alibabacloud.Route
	traits secretstore.Traits
}

var _ secretstore.Store = (*Store)(nil)

// New makes a Store; credentials are looked for at the first call. Errors are
// permanent and name the setting that is wrong.
func New(options Options) (*Store, error) {
	route, err := alibabacloud.NewRoute(product, nil, alibabacloud.RouteOptions{
		Network: options.Network, Endpoint: options.Endpoint, Setting: settingEndpoint, AllowHTTP: options.AllowHTTP,
	})
	if err != nil {
		return nil, err
	}
	s := &Store{
		route: route,
		caller: alibabacloud.NewCaller(alibabacloud.Options{
			Identity: alibabacloud.Identity{Profile: options.Profile, RoleARN: options.RoleARN, ExternalID: options.ExternalID},
			RootCAs:  options.RootCAs, Timeout: options.Timeout,
		}),
		traits: secretstore.Traits{
			Dialect: rotation.AlibabaDialect, KeepsVersions: keepsVersions, ClearsPending: true,
			UncertainFor: options.SignatureValidity,
		},
	}
	if s.traits.UncertainFor == 0 {
		s.traits.UncertainFor = signatureValidity
	}
	return s, nil
}

// Traits implements secretstore.Store.
func (s *Store) Traits() secretstore.Traits { return s.traits }

// Forms of what comes from requests and documents; they become part of host names and of errors.
var (
	nameForm   = regexp.MustCompile(`^[A-Za-z0-9_/+=.@:-]{1,512}$`)
	regionForm = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

func (a attempt) check() error {
	ref := a.ref
	if a.action != actionListSecrets && !nameForm.MatchString(ref.Name) {
		return rotation.FieldError("SecretName", "no name of a secret: it has from 1 to 512 letters, digits and _/+=.@-, or is an ARN")
	}
	if !regionForm.MatchString(ref.Region) {
		return rotation.FieldError("RegionId", "no region: it has lower-case letters, digits and dashes, like cn-hangzhou")
	}
	return nil
}

// call is what differs between the calls.
type call struct {
	attempt
	request  requests.AcsRequest
	response responses.AcsResponse
	// puts is the value to write, gets the field of the answer that holds one.
	puts rotation.Secret
	gets string
}

// do makes one call. Every error is a *rotation.Error.
func (s *Store) do(ctx context.Context, c call) (rotation.Secret, error) {
	if err := c.check(); err != nil {
		return rotation.Secret{}, err
	}
	sends := ""
	if !c.puts.Empty() {
		sends = parameterData
	}
	got, err := s.caller.Do(ctx, alibabacloud.Call{
		Endpoint: s.route.Endpoint(c.ref.Region), Region: c.ref.Region, Request: c.request, Response: c.response,
		Sends: sends, Value: c.puts, Gets: c.gets,
	})
	if err != nil {
		return rotation.Secret{}, s.classify(c.attempt, err)
	}
	return got, nil
}
