package pace_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/pace"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// fake is a store that counts, and a clock that stands still but for those who sleep.
type fake struct {
	secretstore.Store
	writes, reads int
	answer        error
	now           time.Time
	slept         []time.Duration
	waited        []time.Duration
	// takes is how long a put takes.
	takes time.Duration
	// panics has the next put panic.
	panics bool
	// interrupted ends every sleep early.
	interrupted bool
}

func (f *fake) PutPending(context.Context, secretstore.Ref, string, rotation.Secret) error {
	f.writes++
	f.now = f.now.Add(f.takes)
	if f.panics {
		f.panics = false
		panic("the SDK")
	}
	return f.answer
}

func (f *fake) MoveCurrent(context.Context, secretstore.Ref, string, string) error {
	f.writes++
	return f.answer
}

func (f *fake) MoveCurrentIf(context.Context, secretstore.Ref, string, string, func(rotation.Versions) error) error {
	f.writes++
	return f.answer
}

func (f *fake) RemovePending(context.Context, secretstore.Ref, string) error {
	f.writes++
	return f.answer
}

func (f *fake) Versions(context.Context, secretstore.Ref) (rotation.Versions, error) {
	f.reads++
	return nil, nil
}

func (f *fake) options(quota, workers int) pace.Options {
	return pace.Options{
		PerSecond: quota, Workers: workers, Setting: "ROTOR_WRITES", Now: func() time.Time { return f.now },
		Waited: func(d time.Duration) { f.waited = append(f.waited, d) },
		Sleep: func(_ context.Context, d time.Duration) error {
			if f.interrupted {
				return context.Canceled
			}
			f.slept = append(f.slept, d)
			f.now = f.now.Add(d)
			return nil
		},
	}
}

var (
	here  = secretstore.Ref{Region: "cn-hangzhou", Name: "orders"}
	there = secretstore.Ref{Region: "cn-beijing", Name: "orders"}
)

func TestWritesWaitForTheirTurn(t *testing.T) {
	f := &fake{now: noon}
	s := pace.Store("kms", f, f.options(10, 1))
	ctx := t.Context()
	for range 5 {
		require.NoError(t, s.PutPending(ctx, here, "v", rotation.Secret{}))
		require.NoError(t, s.MoveCurrent(ctx, here, "u", "v"))
		require.NoError(t, s.MoveCurrentIf(ctx, here, "u", "v", nil))
		require.NoError(t, s.RemovePending(ctx, here, "v"))
	}
	require.Equal(t, 20, f.writes)
	require.Len(t, f.slept, 19, "all but the first, at 9 per second")
	require.InDelta(t, 19.0/9, f.now.Sub(noon).Seconds(), 0.001)
	require.Len(t, f.waited, 20)
	require.Zero(t, f.waited[0])

	before := f.now
	require.NoError(t, s.PutPending(ctx, there, "v", rotation.Secret{}))
	for range 100 {
		_, err := s.Versions(ctx, here)
		require.NoError(t, err)
	}
	require.Equal(t, before, f.now, "another region has a quota of its own, and reads do not wait")
	require.Equal(t, 100, f.reads)
}

func TestALateAnswerHoldsUpTheNextWrite(t *testing.T) {
	f := &fake{now: noon, takes: 600 * time.Millisecond}
	s := pace.Store("kms", f, f.options(1, 1))
	for range 3 {
		require.NoError(t, s.PutPending(t.Context(), here, "v", rotation.Secret{}))
	}
	require.Equal(t, 3800*time.Millisecond, f.now.Sub(noon), "one begins a second after the answer to the one before it")
}

// A panic is recovered outside of the store: the worker lives on, and with it the place that the call had.
func TestAPanicGivesItsPlaceBack(t *testing.T) {
	f := &fake{now: noon, panics: true}
	s := pace.Store("kms", f, f.options(1, 1))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	require.Panics(t, func() { _ = s.PutPending(ctx, here, "v1", rotation.Secret{}) })
	f.now = f.now.Add(10 * time.Second)
	require.NoError(t, s.PutPending(pace.Trying(ctx), here, "v2", rotation.Secret{}))
	require.Equal(t, 2, f.writes)
}

func TestWorkersShareAQuota(t *testing.T) {
	f := &fake{now: noon}
	s := pace.Store("kms", f, f.options(40, 4))
	for range 10 {
		require.NoError(t, s.PutPending(t.Context(), here, "v", rotation.Secret{}))
	}
	require.InDelta(t, 1, f.now.Sub(noon).Seconds(), 0.001, "ten writes of nine per second, one of them at once")
}

func TestWhoGetsNoTurnHasNotTried(t *testing.T) {
	deadline := func(d time.Duration) func(*testing.T) context.Context {
		return func(t *testing.T) context.Context {
			ctx, cancel := context.WithDeadline(t.Context(), noon.Add(d))
			t.Cleanup(cancel)
			return ctx
		}
	}
	for name, tc := range map[string]struct {
		ctx         func(*testing.T) context.Context
		interrupted bool
		refused     bool
	}{
		"time enough":                {ctx: deadline(3 * time.Second)},
		"more than half of its time": {ctx: deadline(2 * time.Second), refused: true},
		"no deadline":                {ctx: (*testing.T).Context},
		"trying only":                {ctx: func(t *testing.T) context.Context { return pace.Trying(t.Context()) }, refused: true},
		"interrupted":                {ctx: (*testing.T).Context, interrupted: true, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{now: noon, interrupted: tc.interrupted}
			s := pace.Store("kms", f, f.options(1, 1))
			ctx := tc.ctx(t)
			require.NoError(t, s.PutPending(ctx, here, "v", rotation.Secret{}))
			err := s.PutPending(ctx, here, "v", rotation.Secret{})
			if !tc.refused {
				require.NoError(t, err)
				require.Equal(t, 2, f.writes)
				return
			}
			require.Equal(t, 1, f.writes, "the store was not called")
			e, ok := errors.AsType[*rotation.Error](err)
			require.True(t, ok)
			require.Equal(t, rotation.Retryable, e.Kind)
			require.True(t, e.Untried)
			require.False(t, e.Unanswered)
			require.Contains(t, e.Text, "ROTOR_WRITES")
			require.Contains(t, e.Text, "orders")
			f.interrupted, f.now = false, noon.Add(1112*time.Millisecond)
			require.NoError(t, s.PutPending(pace.Trying(t.Context()), here, "v", rotation.Secret{}), "its token was given back")
		})
	}
}

func TestARefusalSlowsDown(t *testing.T) {
	for name, tc := range map[string]struct {
		answer error
		rate   float64
	}{
		"throttled":     {&rotation.Error{Kind: rotation.Retryable, Throttled: true}, 9},
		"another error": {&rotation.Error{Kind: rotation.Retryable}, 18},
		"none":          {nil, 18},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{now: noon, answer: tc.answer}
			s := pace.Store("kms", f, f.options(20, 1))
			require.Equal(t, tc.answer, s.PutPending(t.Context(), here, "v", rotation.Secret{}), "the answer stays as it is")
			f.answer = nil
			for range 3 {
				require.NoError(t, s.PutPending(t.Context(), here, "v", rotation.Secret{}))
			}
			require.InDelta(t, 1/tc.rate, f.slept[len(f.slept)-1].Seconds(), 0.002)
		})
	}
}

func TestWhatTheStoreCanDoStays(t *testing.T) {
	type both struct {
		secretstore.Store
		secretstore.PasswordMaker
		secretstore.Endpoints
	}
	type maker struct {
		secretstore.Store
		secretstore.PasswordMaker
	}
	type places struct {
		secretstore.Store
		secretstore.Endpoints
	}
	for name, tc := range map[string]struct {
		store         secretstore.Store
		makes, places bool
	}{
		"nothing more": {store: &fake{}}, "passwords": {store: maker{}, makes: true}, "endpoints": {store: places{}, places: true},
		"both": {store: both{}, makes: true, places: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := pace.Store("x", tc.store, pace.Options{PerSecond: 1})
			_, makes := s.(secretstore.PasswordMaker)
			_, knows := s.(secretstore.Endpoints)
			require.Equal(t, tc.makes, makes)
			require.Equal(t, tc.places, knows)
		})
	}
	f := &fake{}
	require.Same(t, f, pace.Store("x", f, pace.Options{}), "without a quota nothing is between")
}
