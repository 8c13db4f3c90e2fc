package telemetry

import (
	"context"
	"errors"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// Store counts and times the calls of a store. What the store can do beyond the interface, the counted one can do, too.
func (m *Metrics) Store(name string, s secretstore.Store) secretstore.Store {
	counted := &store{m, name, s}
	maker, makes := s.(secretstore.PasswordMaker)
	places, knows := s.(secretstore.Endpoints)
	switch {
	case makes && knows:
		return &struct {
			*store
			passwords
			endpoints
		}{counted, passwords{counted, maker}, endpoints{counted, places}}
	case makes:
		return &struct {
			*store
			passwords
		}{counted, passwords{counted, maker}}
	case knows:
		return &struct {
			*store
			endpoints
		}{counted, endpoints{counted, places}}
	}
	return counted
}

type store struct {
	metrics *Metrics
	name    string
	next    secretstore.Store
}

// note is to be deferred where a call begins.
func (s *store) note(call string, err *error) func() {
	began := time.Now()
	return func() {
		s.metrics.callSeconds.WithLabelValues(s.name, call).Observe(time.Since(began).Seconds())
		s.metrics.calls.WithLabelValues(s.name, call, kind(*err)).Inc()
	}
}

func kind(err error) string {
	switch {
	case err == nil:
		return resultOK
	case errors.Is(err, context.Canceled):
		return resultCancelled
	}
	return string(rotation.KindOf(err))
}

func (s *store) Traits() secretstore.Traits { return s.next.Traits() }

func (s *store) Calls(secret secretstore.Ref, base, version string) (secretstore.Calls, error) {
	return s.next.Calls(secret, base, version)
}

func (s *store) Tagged(ctx context.Context, region string, tags map[string]string, after string) (_ secretstore.Tagged, err error) {
	defer s.note("tagged", &err)()
	return s.next.Tagged(ctx, region, tags, after)
}

func (s *store) Versions(ctx context.Context, secret secretstore.Ref) (_ rotation.Versions, err error) {
	defer s.note("versions", &err)()
	return s.next.Versions(ctx, secret)
}

func (s *store) Staged(ctx context.Context, secret secretstore.Ref) (_ rotation.Versions, err error) {
	defer s.note("staged", &err)()
	return s.next.Staged(ctx, secret)
}

func (s *store) Read(ctx context.Context, secret secretstore.Ref, version string) (_ secretstore.Value, err error) {
	defer s.note("read", &err)()
	return s.next.Read(ctx, secret, version)
}

func (s *store) ReadCurrent(ctx context.Context, secret secretstore.Ref) (_ secretstore.Value, err error) {
	defer s.note("read_current", &err)()
	return s.next.ReadCurrent(ctx, secret)
}

func (s *store) PutPending(ctx context.Context, secret secretstore.Ref, version string, data rotation.Secret) (err error) {
	defer s.note("put_pending", &err)()
	return s.next.PutPending(ctx, secret, version, data)
}

func (s *store) MoveCurrent(ctx context.Context, secret secretstore.Ref, from, to string) (err error) {
	defer s.note("move_current", &err)()
	return s.next.MoveCurrent(ctx, secret, from, to)
}

func (s *store) MoveCurrentIf(ctx context.Context, secret secretstore.Ref, from, to string, may func(rotation.Versions) error) (err error) {
	defer s.note("move_current", &err)()
	return s.next.MoveCurrentIf(ctx, secret, from, to, may)
}

func (s *store) RemovePending(ctx context.Context, secret secretstore.Ref, version string) (err error) {
	defer s.note("remove_pending", &err)()
	return s.next.RemovePending(ctx, secret, version)
}

type passwords struct {
	counted *store
	next    secretstore.PasswordMaker
}

func (p passwords) RandomPassword(ctx context.Context, secret secretstore.Ref, length int, exclude string) (_ rotation.Secret, err error) {
	defer p.counted.note("random_password", &err)()
	return p.next.RandomPassword(ctx, secret, length, exclude)
}

type endpoints struct {
	counted *store
	next    secretstore.Endpoints
}

func (e endpoints) Writer(ctx context.Context, region string, place rotation.Place) (_ secretstore.Writer, err error) {
	defer e.counted.note("writer", &err)()
	return e.next.Writer(ctx, region, place)
}
