// Package cloudapi is what the simulated cloud APIs share: a decoded and authenticated call, the reply to it, who may
// do what, and states that remember their past. Each API family is a package of its own that implements API;
// package cloudsim puts them behind one address.
package cloudapi

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Names of the APIs, as they stand in request logs and faults.
const (
	AlibabaKMS        = "alibaba-kms"
	AlibabaRDS        = "apsara-rds"
	AWSSecretsManager = "aws-secrets-manager"
	AWSRDS            = "aws-rds"
	AWSSTS            = "aws-sts"
)

// API is one simulated cloud API.
type API interface {
	// Serve carries out an authenticated call.
	Serve(*Call) Reply
	// Fail answers with a failure in the words of this API, without carrying anything out.
	Fail(*Call, Failure) Reply
	// Resource says what a call is about: a secret's name, or "instance/account".
	Resource(*Call) string
	// Shown gives the parameters of a call that may stand in the request log; values of secrets are masked.
	Shown(*Call) map[string]string
	// Value gives the value of a secret, or the password, that a call carries, "" if it carries none.
	Value(*Call) string
}

// Failure is what a fault makes an API answer.
type Failure int

const (
	// Throttled: too many requests.
	Throttled Failure = iota
	// Internal: the API's own 500.
	Internal
	// Denied: the caller may not do this.
	Denied
)

// Call is one authenticated request.
type Call struct {
	API    string
	Action string
	Region string
	// Account is the id of the account that the access key belongs to.
	Account   string
	AccessKey string
	// Params are the parameters of query-style APIs (all of Alibaba Cloud's, AWS's query protocol).
	Params map[string]string
	// Body is the JSON document of AWS's JSON protocol.
	Body json.RawMessage
	// Now is when the call is carried out, by the simulator's clock.
	Now time.Time
	// RequestID is the id that the answer carries.
	RequestID string
	// Stale makes reads answer from the past.
	Stale Staleness

	permissions []Permission
	unlimited   bool
	mu          sync.Mutex
	used        []string
}

// NewCall starts a call on behalf of the credential.
func NewCall(c Credential) *Call {
	return &Call{
		Account: c.Account, AccessKey: c.AccessKeyID,
		permissions: c.Allow, unlimited: c.Allow == nil,
	}
}

// May tells whether the caller holds a permission on a resource, and notes that it was asked for.
func (c *Call) May(action, resource string) bool {
	c.mu.Lock()
	if !slices.Contains(c.used, action) {
		c.used = append(c.used, action)
	}
	c.mu.Unlock()
	if c.unlimited {
		return true
	}
	return slices.ContainsFunc(c.permissions, func(p Permission) bool { return p.Covers(action, resource) })
}

// Needed lists the permissions that the call has asked for so far.
func (c *Call) Needed() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.used)
}

// Reply is what goes back to the client.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	// Code is the API's error code; empty when the call was carried out.
	Code string
}

// OK tells whether the call was carried out.
func (r Reply) OK() bool { return r.Code == "" }
