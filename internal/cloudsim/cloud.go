// Package cloudsim is the cloud over HTTP, as the real SDKs speak to it: secrets, databases and their accounts kept in
// memory, behind one address. The demo and the tests run on it. Signatures, permissions, limits and error codes are
// the real APIs'; what an API does not know is answered with a proper error of that API. Tests can look into it, read
// the log of requests, script faults, and stop the world right before or after an effect.
//
// It keeps secrets in clear text and is no place for real ones. It never writes their values to a log.
package cloudsim

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/apsarards"
	"rotor/internal/cloudsim/awsrds"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/cloudsim/awssts"
	"rotor/internal/cloudsim/cloudapi"
)

// Credential is a static access key; see cloudapi.Credential.
type Credential = cloudapi.Credential

// Permission is something that an access key may do; see cloudapi.Permission.
type Permission = cloudapi.Permission

// Names of the APIs, for Fault.API and Request.API.
const (
	AlibabaKMS        = cloudapi.AlibabaKMS
	AlibabaRDS        = cloudapi.AlibabaRDS
	AWSSecretsManager = cloudapi.AWSSecretsManager
	AWSRDS            = cloudapi.AWSRDS
	AWSSTS            = cloudapi.AWSSTS
)

// DefaultCredential is known to a cloud whose options name no credentials.
var DefaultCredential = Credential{
	AccessKeyID: "cloudsim-key", Secret: "cloudsim-secret", Account: "123456789012",
}

// Options says how a cloud is set up. The zero value works.
type Options struct {
	// Credentials are the access keys; DefaultCredential if there are none.
	Credentials []Credential
	// Clock gives the time for timestamps, create times and signature windows; time.Now if nil.
	Clock func() time.Time
	// SignatureWindow is how far a request's timestamp may be off; 15 minutes if zero, as at the real ones.
	SignatureWindow time.Duration
	// DefaultRegion is for requests that name none, as those of Alibaba Cloud's newer SDK; cn-hangzhou if empty.
	DefaultRegion string
}

// Cloud is a simulated cloud. It is safe for concurrent use.
type Cloud struct {
	clock         func() time.Time
	defaultRegion string

	alibaba        *alibaba.Gateway
	window         time.Duration
	kms            *alibabakms.Service
	secretsManager *awssecretsmanager.Service
	awsRDS         *awsrds.Service
	awsSTS         *awssts.Service
	apsaraRDS      *apsarards.Service
	apis           map[string]*door

	credentials sync.Map // access key id -> Credential
	first       Credential

	log    requestLog
	values valueList
	faults faultList
	hooks  hookList
	quotas quotaList

	server  *http.Server
	closing chan struct{}

	mu       sync.Mutex
	closed   bool // no request is let in any more
	handling sync.WaitGroup
}

// door lets one call at a time into an API, so that the log is in the order in which the calls took effect.
type door struct {
	api cloudapi.API
	mu  sync.Mutex
}

// New makes a cloud that does not listen yet.
func New(o Options) *Cloud {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if len(o.Credentials) == 0 {
		o.Credentials = []Credential{DefaultCredential}
	}
	c := &Cloud{
		clock: o.Clock, defaultRegion: cmp.Or(o.DefaultRegion, "cn-hangzhou"), first: o.Credentials[0],
		window: cmp.Or(o.SignatureWindow, 15*time.Minute),
		kms:    alibabakms.New(o.Clock), secretsManager: awssecretsmanager.New(o.Clock), awsRDS: awsrds.New(),
		apsaraRDS: apsarards.New(o.Clock),
		closing:   make(chan struct{}),
		hooks:     hookList{before: map[int]func(Request) Verdict{}, after: map[int]func(Request){}},
	}
	for _, credential := range o.Credentials {
		c.AddCredential(credential)
	}
	c.awsSTS = awssts.New(c.AddCredential)
	c.alibaba = &alibaba.Gateway{Window: c.window, Lookup: c.lookup}
	c.apis = map[string]*door{
		AlibabaKMS:        {api: c.kms},
		AWSSecretsManager: {api: c.secretsManager},
		AWSRDS:            {api: c.awsRDS},
		AWSSTS:            {api: c.awsSTS},
		AlibabaRDS:        {api: c.apsaraRDS},
	}
	return c
}

// AddCredential registers an access key, replacing one of the same id.
func (c *Cloud) AddCredential(credential Credential) {
	c.credentials.Store(credential.AccessKeyID, credential)
}

// Credential is the first of the cloud's access keys.
func (c *Cloud) Credential() Credential { return c.first }

func (c *Cloud) lookup(accessKey string) (Credential, bool) {
	found, ok := c.credentials.Load(accessKey)
	if !ok {
		return Credential{}, false
	}
	return found.(Credential), true
}

// KMS is the simulated Alibaba Cloud KMS, to seed and to look into.
func (c *Cloud) KMS() *alibabakms.Service { return c.kms }

// SecretsManager is the simulated AWS Secrets Manager, to seed and to look into.
func (c *Cloud) SecretsManager() *awssecretsmanager.Service { return c.secretsManager }

// AWSRDS is the simulated Amazon RDS, to seed.
func (c *Cloud) AWSRDS() *awsrds.Service { return c.awsRDS }

// AWSSTS is the simulated Security Token Service of AWS, to give it roles.
func (c *Cloud) AWSSTS() *awssts.Service { return c.awsSTS }

// ApsaraRDS is the simulated ApsaraDB RDS, to seed and to look into.
func (c *Cloud) ApsaraRDS() *apsarards.Service { return c.apsaraRDS }

// Start listens on the address ("127.0.0.1:0" for any free port) and gives the URL to point clients at.
func (c *Cloud) Start(address string) (string, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", err
	}
	c.server = &http.Server{Handler: c.Handler(), ReadHeaderTimeout: time.Minute}
	go func() {
		// Serve ends with ErrServerClosed when the cloud is closed; a listener that breaks shows at the clients.
		_ = c.server.Serve(listener)
	}()
	return "http://" + listener.Addr().String(), nil
}

// Close stops listening, lets go of held requests without carrying them out, and waits for those under way.
func (c *Cloud) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	close(c.closing)
	c.mu.Unlock()

	var err error
	if c.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err = c.server.Shutdown(ctx); errors.Is(err, context.DeadlineExceeded) {
			err = c.server.Close()
		}
	}
	c.handling.Wait()
	c.apsaraRDS.Close()
	return err
}

// enter lets a request in, unless the cloud is closed.
func (c *Cloud) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.handling.Add(1)
	}
	return !c.closed
}

// Handler serves all APIs; for a listener of one's own, as httptest.NewTLSServer.
func (c *Cloud) Handler() http.Handler { return http.HandlerFunc(c.serve) }
