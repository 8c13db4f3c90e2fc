package main

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/target"
)

// perSecret is how often a secret is rotated, and then by the floor: AWS keeps all versions of a day, which makes lists longer, and KMS ten, whose order within
// a second is not known.
const perSecret = 4

// timeKinds times rotations of each kind one by one, and the same by the floor, in turns.
func (s *stage) timeKinds(ctx context.Context) error {
	for _, k := range kinds {
		if !s.Takes(k) {
			continue
		}
		var whole, floor []float64
		var secret devstack.Secret
		for i := range s.Single {
			if i%perSecret == 0 {
				added, err := s.addMany(ctx, k, 1, s.directly)
				if err != nil {
					return err
				}
				secret = added[0]
			}
			began := time.Now()
			if _, err := s.rotate(ctx, k, secret, queueFree); err != nil {
				return err
			}
			between := time.Now()
			if err := s.walk(ctx, k, secret); err != nil {
				return err
			}
			whole, floor = append(whole, milliseconds(between.Sub(began))), append(floor, milliseconds(time.Since(between)))
		}
		p50, p50Floor := quantile(whole, 0.5), quantile(floor, 0.5)
		s.add(k.Name+": one rotation, p50", "ms", p50)
		s.add(k.Name+": one rotation, p99", "ms", quantile(whole, 0.99))
		s.add(k.Name+": floor, p50", "ms", p50Floor)
		s.add(k.Name+": p50 by the floor's", "times", p50/p50Floor)
	}
	return nil
}

func (s *stage) directly(int) int { return s.Stack.MySQL.Port }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// exposures measures for how long clients can't log in, by the rotation's own word and as a client meets it.
func (s *stage) exposures(ctx context.Context) error {
	for _, k := range kinds {
		if !s.Takes(k) || strings.HasSuffix(k.Name, string(rotation.DualAccount)) {
			continue // the current account of two is never touched
		}
		added, err := s.addMany(ctx, k, 1, s.directly)
		if err != nil {
			return err
		}
		var said, met []float64
		for range min(s.Single, perSecret) {
			c := &applicant{stage: s, secret: added[0]}
			// With two passwords, what was read before goes on working; with one, a client has to read again.
			c.keeps = k.Strategy == rotation.DualPassword
			if err := c.begin(ctx); err != nil {
				return err
			}
			result, err := s.rotate(ctx, k, added[0], queueFree)
			longest, failed := c.end()
			if err := errors.Join(err, failed); err != nil {
				return err
			}
			said, met = append(said, milliseconds(result.Exposure)), append(met, milliseconds(longest))
		}
		s.add(k.Name+": exposure as the rotation says, p50", "ms", quantile(said, 0.5))
		s.add(k.Name+": exposure as a client meets it, p50", "ms", quantile(met, 0.5))
	}
	return nil
}

// applicant is a client that logs in again and again.
type applicant struct {
	*stage
	secret devstack.Secret
	keeps  bool

	login   target.Login
	stop    context.CancelFunc
	going   sync.WaitGroup
	longest time.Duration
	failed  error
}

func (c *applicant) begin(ctx context.Context) error {
	if err := c.read(ctx); err != nil {
		return err
	}
	ctx, c.stop = context.WithCancel(ctx)
	c.going.Go(func() { c.run(ctx) })
	return nil
}

// end gives the longest time in which the client was refused.
func (c *applicant) end() (time.Duration, error) {
	c.stop()
	c.going.Wait()
	return c.longest, c.failed
}

func (c *applicant) run(ctx context.Context) {
	var refused time.Time
	defer func() {
		if !refused.IsZero() {
			c.longest = max(c.longest, time.Since(refused))
		}
	}()
	for {
		if !c.keeps {
			if err := c.read(ctx); err != nil {
				if ctx.Err() == nil {
					c.failed = err
				}
				return
			}
		}
		asked := time.Now()
		proof := c.steps.Targets[c.secret.Target].Probe(ctx, c.login)
		switch {
		case ctx.Err() != nil:
			return
		case proof.Answer != rotation.Accepted:
			if refused.IsZero() {
				refused = asked
			}
		case !refused.IsZero():
			c.longest, refused = max(c.longest, time.Since(refused)), time.Time{}
		}
	}
}

func (c *applicant) read(ctx context.Context) error {
	store := c.steps.Stores[c.secret.Store]
	value, err := store.ReadCurrent(ctx, secretstore.Ref{Region: c.secret.Region, Name: c.secret.Name})
	if err != nil {
		return err
	}
	d, err := rotation.ParseDocument(c.secret.Name, store.Traits().Dialect, value.Data)
	if err != nil {
		return err
	}
	c.login = target.Login{Place: d.Place, Account: d.Account, Password: d.Password, Version: value.Version}
	return nil
}
