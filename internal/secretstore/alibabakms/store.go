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
	"rotor/internal/wire"
)

// Networks of Options.
const (
	NetworkVPC    = "vpc"
	NetworkPublic = "public"
)

// Names of the settings that errors refer to.
const (
	settingNetwork  = "ROTOR_ALIBABA_NETWORK"
	settingEndpoint = "ROTOR_ALIBABA_KMS_ENDPOINT"
)

const (
	product = "kms"
	// keepsVersions is how many versions a generic secret holds. A new one pushes out the earliest; that labels protect it is
	// not documented.
	keepsVersions = 10
	// signatureValidity is how old a request's timestamp may be: so long, KMS still carries out a request that was given up.
	signatureValidity = 15 * time.Minute
)

// Options of a Store. The zero value reaches KMS from inside of Alibaba Cloud.
type Options struct {
	// Network is NetworkVPC ("" too) for the endpoint kms-vpc.REGION.aliyuncs.com, NetworkPublic for kms.REGION.aliyuncs.com.
	Network string
	// Endpoint is a URL to use instead, whatever the region.
	Endpoint string
	// AllowHTTP lets Endpoint be plain http to another machine. To this machine it may be always.
	AllowHTTP bool
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
	caller  *alibabacloud.Caller
	network string
	// fixed is the endpoint of all regions, nil if each has its own.
	fixed  *wire.Endpoint
	traits secretstore.Traits
}

var _ secretstore.Store = (*Store)(nil)

// New makes a Store; credentials are looked for at the first call. Errors are
// permanent and name the setting that is wrong.
func New(options Options) (*Store, error) {
	s := &Store{
		caller: alibabacloud.NewCaller(alibabacloud.Options{
			Identity: alibabacloud.Identity{Profile: options.Profile, RoleARN: options.RoleARN, ExternalID: options.ExternalID},
			RootCAs:  options.RootCAs, Timeout: options.Timeout,
		}),
		network: options.Network,
		traits: secretstore.Traits{
			Dialect: rotation.AlibabaDialect, KeepsVersions: keepsVersions, ClearsPending: true,
			UncertainFor: options.SignatureValidity,
		},
	}
	if s.traits.UncertainFor == 0 {
		s.traits.UncertainFor = signatureValidity
	}
	switch s.network {
	case "":
		s.network = NetworkVPC
	case NetworkVPC, NetworkPublic:
	default:
		return nil, rotation.FieldError(settingNetwork, "%q is unknown; known: %s, %s", s.network, NetworkVPC, NetworkPublic)
	}
	if options.Endpoint != "" {
		endpoint, err := wire.ParseEndpoint(settingEndpoint, options.Endpoint, options.AllowHTTP)
		if err != nil {
			return nil, err
		}
		s.fixed = &endpoint
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

func check(ref secretstore.Ref) error {
	if !nameForm.MatchString(ref.Name) {
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
	if err := check(c.ref); err != nil {
		return rotation.Secret{}, err
	}
	sends := ""
	if !c.puts.Empty() {
		sends = "SecretData"
	}
	got, err := s.caller.Do(ctx, alibabacloud.Call{
		Endpoint: s.endpoint(c.ref.Region), Region: c.ref.Region, Request: c.request, Response: c.response,
		Sends: sends, Value: c.puts, Gets: c.gets,
	})
	if err != nil {
		return rotation.Secret{}, s.classify(c.attempt, err)
	}
	return got, nil
}

func (s *Store) endpoint(region string) wire.Endpoint {
	if s.fixed != nil {
		return *s.fixed
	}
	return alibabacloud.RegionalEndpoint(product, s.network, region)
}
