// Package apsarards is the target for ApsaraDB RDS instances, whose accounts are changed through the RDS API (version 2014-08-15) with
// the worker's own RAM identity.
//
// The API is asynchronous: it takes a change, and the account is Unavailable until it is made. Nothing here waits long. What is not done
// within one attempt is a retryable error, and the next attempt looks first.
//
// There is no session to fence other attempts with, as a lock on a MySQL server does. In its place, Lock waits until no change of either
// account is under way, the caller looks at the store once more, and the API refuses to change an account that is being changed
// (IncorrectAccountStatus). What this does not exclude: a request of an attempt that was given up, which reaches the API only after
// another attempt has looked.
package apsarards

import (
	"context"
	"crypto/x509"
	"sync"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/rds"

	"rotor/internal/alibabacloud"
	"rotor/internal/rotation"
	"rotor/internal/target"
)

// settingEndpoint is the setting that errors refer to.
const settingEndpoint = "ROTOR_ALIBABA_RDS_ENDPOINT"

// DefaultWait is how long a call waits for an account to become available, where Options say nothing.
const DefaultWait = 10 * time.Second

// Options of a Target. The zero value reaches the API from inside of Alibaba Cloud, and no server.
type Options struct {
	// Network, Endpoint and AllowHTTP say how the API is reached, see alibabacloud.RouteOptions. Network also says which of an instance's
	// addresses is preferred.
	Network, Endpoint string
	AllowHTTP         bool
	// Identity says who makes the calls; the zero value is whom the SDK's default chain finds.
	Identity alibabacloud.Identity
	// RootCAs are the authorities that the API's certificate may be signed by; nil: the system's.
	RootCAs *x509.CertPool
	// Timeout bounds one call of the API; 0: 10 seconds.
	Timeout time.Duration
	// Wait bounds the wait for an account within one attempt; 0: DefaultWait.
	Wait time.Duration
	// Logins logs in to servers; nil: the worker reaches none.
	Logins Prober
}

// Prober logs in to a database server over a connection, as the target "mysql" does. Codes of its proofs are those that target.Proof names.
type Prober interface {
	Probe(ctx context.Context, login target.Login) target.Proof
}

// Target is the target "apsara-rds". It may be used by several goroutines.
type Target struct {
	caller *alibabacloud.Caller
	route  alibabacloud.Route
	wait   time.Duration
	logins Prober
}

var _ target.Target = (*Target)(nil)

// sharedHosts is the SDK's list of the regions that share a host. The SDK makes it when it is asked first, by whoever asks, at once.
var sharedHosts = sync.OnceValue(rds.GetEndpointMap)

// New makes a Target; its credentials are looked for at the first call. Errors are permanent and
// name the setting that is wrong.
func New(options Options) (*Target, error) {
	route, err := alibabacloud.NewRoute("rds", sharedHosts(), alibabacloud.RouteOptions{
		Network: options.Network, Endpoint: options.Endpoint, Setting: settingEndpoint, AllowHTTP: options.AllowHTTP,
	})
	if err != nil {
		return nil, err
	}
	t := &Target{
		caller: alibabacloud.NewCaller(alibabacloud.Options{Identity: options.Identity, RootCAs: options.RootCAs, Timeout: options.Timeout}),
		route:  route, wait: options.Wait, logins: options.Logins,
	}
	if t.logins == nil {
		t.logins = nowhere{}
	}
	if t.wait == 0 {
		t.wait = DefaultWait
	}
	return t, nil
}

// nowhere is a Prober that reaches no server.
type nowhere struct{}

func (nowhere) Probe(context.Context, target.Login) target.Proof {
	return target.Proof{Answer: rotation.Unknown, Code: "refused", Err: rotation.Errorf(rotation.Retryable, "this worker logs in to no server").WithCode("refused")}
}

// Traits implements target.Target.
func (t *Target) Traits() target.Traits { return target.Traits{APIAdmin: true} }
