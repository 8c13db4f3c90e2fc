package pace

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// Options say how fast a store may be written to.
type Options struct {
	// PerSecond is the store's quota of writes, for one account in one region; 0: no bound.
	PerSecond int
	// Workers is how many workers share it, each with an equal part; 0: this one alone.
	Workers int
	// Setting names the setting of PerSecond, for errors.
	Setting string
	// Waited is told how long each write waited for its turn. It may be nil.
	Waited func(time.Duration)
	// Now and Sleep are the clock; nil: the real one.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration) error
}

// Store has the writes of a store wait for their turn, each region by itself. Reads go through: their quotas are many times larger. What the
// store can do beyond the interface, the paced one can do, too.
func Store(name string, s secretstore.Store, o Options) secretstore.Store {
	if o.PerSecond == 0 {
		return s
	}
	o.Workers = max(o.Workers, 1)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Waited == nil {
		o.Waited = func(time.Duration) {}
	}
	p := &paced{Store: s, name: name, options: o, regions: map[string]*bucket{}}
	maker, makes := s.(secretstore.PasswordMaker)
	places, knows := s.(secretstore.Endpoints)
	switch {
	case makes && knows:
		return &struct {
			*paced
			secretstore.PasswordMaker
			secretstore.Endpoints
		}{p, maker, places}
	case makes:
		return &struct {
			*paced
			secretstore.PasswordMaker
		}{p, maker}
	case knows:
		return &struct {
			*paced
			secretstore.Endpoints
		}{p, places}
	}
	return p
}

type paced struct {
	secretstore.Store
	name    string
	options Options

	mu      sync.Mutex
	regions map[string]*bucket
}

func (p *paced) bucket(region string) *bucket {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := p.regions[region]
	if b == nil {
		b = newBucket(float64(p.options.PerSecond)/float64(p.options.Workers), p.options.Now())
		p.regions[region] = b
	}
	return b
}

// PutPending implements secretstore.Store.
func (p *paced) PutPending(ctx context.Context, secret secretstore.Ref, version string, data rotation.Secret) error {
	return p.write(ctx, secret, func() error { return p.Store.PutPending(ctx, secret, version, data) })
}

// MoveCurrent implements secretstore.Store.
func (p *paced) MoveCurrent(ctx context.Context, secret secretstore.Ref, from, to string) error {
	return p.write(ctx, secret, func() error { return p.Store.MoveCurrent(ctx, secret, from, to) })
}

// MoveCurrentIf implements secretstore.Store.
func (p *paced) MoveCurrentIf(ctx context.Context, secret secretstore.Ref, from, to string, may func(rotation.Versions) error) error {
	return p.write(ctx, secret, func() error { return p.Store.MoveCurrentIf(ctx, secret, from, to, may) })
}

// RemovePending implements secretstore.Store.
func (p *paced) RemovePending(ctx context.Context, secret secretstore.Ref, version string) error {
	return p.write(ctx, secret, func() error { return p.Store.RemovePending(ctx, secret, version) })
}

// write makes a call in its turn, and learns from the answer.
func (p *paced) write(ctx context.Context, secret secretstore.Ref, call func() error) error {
	b := p.bucket(secret.Region)
	if err := p.wait(ctx, b, secret); err != nil {
		return err
	}
	defer func() { b.leave(p.options.Now()) }() // also where the store panics
	err := call()
	var e *rotation.Error
	if errors.As(err, &e) && e.Throttled {
		b.lower(p.options.Now())
	}
	return err
}

// wait waits for a token, and then for a place. An attempt that could not get them in its time has not called the store.
func (p *paced) wait(ctx context.Context, b *bucket, secret secretstore.Ref) error {
	began := p.options.Now()
	last := began.Add(patience(ctx, began))
	wait, undo := b.reserve(began)
	for now := began; ; now = p.options.Now() {
		if wait == 0 {
			if wait = b.enter(now); wait == 0 {
				p.options.Waited(now.Sub(began))
				return nil
			}
		}
		if now.Add(wait).After(last) {
			undo(now)
			return p.busy(secret, wait)
		}
		if err := p.options.Sleep(ctx, wait); err != nil {
			undo(p.options.Now())
			return p.busy(secret, 0)
		}
		wait = 0
	}
}

// busy is the error of a write that did not get its turn.
func (p *paced) busy(secret secretstore.Ref, wait time.Duration) error {
	return &rotation.Error{
		Kind: rotation.Retryable, Untried: true, RetryAfter: wait + rand.N(time.Second),
		Text: "this worker writes to store " + p.name + " in " + secret.Region + " as often as it may (" + p.options.Setting + ") already; secret " +
			secret.Name + " waits for its turn, nothing was sent",
	}
}

// longestWait is for calls without a deadline.
const longestWait = 10 * time.Second

// patience is how long a call may wait: half of the time that it has, so that it is not cut off in the midst of what it has waited for.
func patience(ctx context.Context, now time.Time) time.Duration {
	if ctx.Value(tryingKey{}) != nil {
		return 0
	}
	deadline, bounded := ctx.Deadline()
	if !bounded {
		return longestWait
	}
	return min(longestWait, deadline.Sub(now)/2)
}

type tryingKey struct{}

// Trying is a context whose calls do not wait: what can't be had at once is an error, for whom waiting would hold up more than a step.
func Trying(ctx context.Context) context.Context { return context.WithValue(ctx, tryingKey{}, true) }
