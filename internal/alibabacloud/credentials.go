package alibabacloud

import (
	"context"
	"sync"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"

	"rotor/internal/wire"
)

// chain gives the credentials of the SDK's default chain. The SDK's providers keep unguarded state, know no context, and
// the default chain sticks to the last provider that it asked even if none of them had credentials. So one goroutine at a
// time asks, callers wait for it as long as they like, and a chain that gives no credentials is thrown away.
type chain struct {
	identity Identity
	// patience is how long a chain that has given credentials before may fail to refresh them. A new chain could come upon
	// other credentials, so one outage of the token service is no reason to make one.
	patience time.Duration

	mu sync.Mutex
	// provider has given credentials before; it refreshes them itself.
	provider credentials.CredentialsProvider
	// failing is since when it does not.
	failing time.Time
	// asking is the question that is under way, nil if none is.
	asking *question
}

type question struct {
	// answered is closed when held is set, or when there are no credentials.
	answered chan struct{}
	held     *credentials.Credentials
}

// sources is where the SDK's default chain looks.
const sources = "neither ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, nor an OIDC role, nor the profiles in " +
	"~/.aliyun/config.json and ~/.alibabacloud/credentials, nor the instance's RAM role, nor ALIBABA_CLOUD_CREDENTIALS_URI"

// get gives credentials. The failure is NoCredentials, or what the end of the context means.
func (c *chain) get(ctx context.Context) (*credentials.Credentials, *wire.Failure) {
	if ctx.Err() != nil {
		return nil, wire.ContextFailure(ctx)
	}
	q := c.ask()
	select {
	case <-q.answered:
	case <-ctx.Done():
		f := wire.ContextFailure(ctx)
		if f.Cause == wire.Timeout {
			f = &wire.Failure{Cause: wire.NoCredentials, Detail: c.identity.sources() + " answered in time"}
		}
		return nil, f
	}
	if q.held == nil {
		return nil, &wire.Failure{Cause: wire.NoCredentials, Detail: c.identity.sources() + " gave any"}
	}
	return q.held, nil
}

// forget makes the next question start with a new chain. To be called when the API does not know the credentials (any
// more): a profile's file is read once only by a provider, and a key in it may have been replaced.
func (c *chain) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.provider = nil
}

// ask joins the question under way, or begins one.
func (c *chain) ask() *question {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking != nil {
		return c.asking
	}
	q := &question{answered: make(chan struct{})}
	c.asking = q
	// The SDK can't be interrupted. What it does takes some 30 s at worst, and is of use to the next caller.
	go c.answer(q, c.provider)
	return q
}

func (c *chain) answer(q *question, provider credentials.CredentialsProvider) {
	if provider == nil {
		provider = c.identity.provider()
	}
	q.held = credentialsOf(provider)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = nil
	switch {
	case q.held != nil:
		c.provider, c.failing = provider, time.Time{}
	case c.failing.IsZero():
		c.failing = time.Now()
	case time.Since(c.failing) > c.patience:
		c.provider, c.failing = nil, time.Time{}
	}
	close(q.answered)
}

// credentialsOf asks a provider, nil for none. Its errors are dropped: they quote files and answers that hold keys. It panics on
// answers that it does not expect.
func credentialsOf(provider credentials.CredentialsProvider) (held *credentials.Credentials) {
	if provider == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			held = nil
		}
	}()
	held, err := provider.GetCredentials()
	if err != nil || held == nil || held.AccessKeyId == "" || held.AccessKeySecret == "" {
		return nil
	}
	return held
}

// given is credentials that are there already.
type given struct{ held *credentials.Credentials }

func (g given) GetCredentials() (*credentials.Credentials, error) { return g.held, nil }
func (g given) GetProviderName() string                           { return g.held.ProviderName }
