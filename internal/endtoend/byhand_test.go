package endtoend

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/target"
	"rotor/internal/wiring"
)

// byHand makes the steps of rotations of one secret without Temporal, on the real store and database, so that a test can hold one attempt
// where it likes and let others go on.
type byHand struct {
	*testing.T
	secret   devstack.Secret
	strategy rotation.Strategy
}

// newVersion is an id as runs have them.
func newVersion() string { return uuid.NewString() }

// attempt gives the steps for one attempt, as a worker of its own has them; what surrounds store and database may be changed.
func (h byHand) attempt(around ...func(*activities.Rotation)) *activities.Rotation {
	h.Helper()
	steps, err := wiring.Steps(settings(queue))
	require.NoError(h, err)
	for _, change := range around {
		change(steps)
	}
	return steps
}

func (h byHand) request() rotation.Request {
	req := rotation.Request{SecretName: h.secret.Name, RegionId: h.secret.Region, Strategy: h.strategy, Now: true}
	if h.secret.Store != rotation.StoreAlibabaKMS {
		req.Store = h.secret.Store
	}
	return req
}

// begin looks and writes the version.
func (h byHand) begin(around ...func(*activities.Rotation)) rotation.Plan {
	h.Helper()
	plan := h.look(around...)
	h.new(plan, around...)
	return plan
}

// look looks, and changes nothing.
func (h byHand) look(around ...func(*activities.Rotation)) rotation.Plan {
	h.Helper()
	plan, err := h.attempt(around...).Look(h.Context(), activities.LookInput{Request: h.request(), Version: newVersion()})
	require.NoError(h, err)
	return plan
}

// new writes the version.
func (h byHand) new(plan rotation.Plan, around ...func(*activities.Rotation)) {
	h.Helper()
	_, err := h.attempt(around...).New(h.Context(), activities.StepInput{Plan: plan})
	require.NoError(h, err)
}

// set sets what begin has put.
func (h byHand) set(plan rotation.Plan, around ...func(*activities.Rotation)) {
	h.Helper()
	_, err := h.attempt(around...).Set(h.Context(), activities.StepInput{Plan: plan})
	require.NoError(h, err)
}

// rotate is a whole rotation in which nothing goes wrong.
func (h byHand) rotate(around ...func(*activities.Rotation)) rotation.Plan {
	h.Helper()
	plan := h.begin(around...)
	h.set(plan, around...)
	h.end(plan, around...)
	return plan
}

// end tests and ends.
func (h byHand) end(plan rotation.Plan, around ...func(*activities.Rotation)) {
	h.Helper()
	steps := h.attempt(around...)
	tested, err := steps.Test(h.Context(), activities.StepInput{Plan: plan})
	require.NoError(h, err)
	require.Empty(h, tested.Differences)
	ended, err := steps.End(h.Context(), activities.EndInput{Plan: plan})
	require.NoError(h, err)
	require.Empty(h, ended.Differences)
}

// rollBack rolls back, with a proof.
func (h byHand) rollBack(plan rotation.Plan, around ...func(*activities.Rotation)) {
	h.Helper()
	result, err := h.attempt(around...).Rollback(h.Context(), activities.RollbackInput{Plan: plan, SetStarted: true, SetUncertain: true})
	require.NoError(h, err)
	require.False(h, result.Forward)
	require.Equal(h, rotation.ProofLogin, result.Proof)
}

// gate holds an attempt that comes to it.
type gate struct{ reached, opened chan struct{} }

func newGate() *gate { return &gate{make(chan struct{}), make(chan struct{})} }

func (g *gate) pass() {
	close(g.reached)
	<-g.opened
}

func (g *gate) open() { close(g.opened) }

// late begins a step on another goroutine, and comes back when it is held at the gate. What it gives opens the gate and gives the step's
// error.
func (h byHand) late(g *gate, step func() error) (letGo func() error) {
	h.Helper()
	ended := make(chan error, 1)
	go func() { ended <- step() }()
	select {
	case <-g.reached:
	case err := <-ended:
		require.FailNow(h, "the step ended before it came to where it is to be held", "%v", err)
	case <-time.After(2 * time.Minute):
		require.FailNow(h, "the step did not come to where it is to be held")
	}
	return func() error {
		g.open()
		return <-ended
	}
}

// heldAtChange holds the attempt when it has looked, under the lock, at everything that it looks at, and is about to change an account.
func heldAtChange(g *gate) func(*activities.Rotation) {
	return func(r *activities.Rotation) {
		r.Targets = map[string]target.Target{rotation.TargetMySQL: heldTarget{r.Targets[rotation.TargetMySQL], g}}
	}
}

type heldTarget struct {
	target.Target
	at *gate
}

func (t heldTarget) Lock(ctx context.Context, by target.Login, pair rotation.Pair) (target.Session, error) {
	session, err := t.Target.Lock(ctx, by, pair)
	if err != nil {
		return nil, err
	}
	return heldSession{session, t.at}, nil
}

type heldSession struct {
	target.Session
	at *gate
}

func (s heldSession) Create(ctx context.Context, account, like string, password rotation.Secret) (target.Change, error) {
	s.at.pass()
	return s.Session.Create(ctx, account, like, password)
}

func (s heldSession) SetPassword(ctx context.Context, account string, password rotation.Secret) error {
	s.at.pass()
	return s.Session.SetPassword(ctx, account, password)
}

func (s heldSession) Renew(ctx context.Context, account, like string, password rotation.Secret) (target.Change, error) {
	s.at.pass()
	return s.Session.Renew(ctx, account, like, password)
}

func (s heldSession) SetOwnPassword(ctx context.Context, old, new rotation.Secret) error {
	s.at.pass()
	return s.Session.SetOwnPassword(ctx, old, new)
}

func (s heldSession) Drop(ctx context.Context, account string) error {
	s.at.pass()
	return s.Session.Drop(ctx, account)
}

// unfenced lets the sessions from the nth on hold locks that nobody else asks for: they keep nobody out, and end nobody's session.
func unfenced(nth int) func(*activities.Rotation) {
	return func(r *activities.Rotation) {
		r.Targets = map[string]target.Target{rotation.TargetMySQL: &unfencedTarget{Target: r.Targets[rotation.TargetMySQL], nth: nth}}
	}
}

type unfencedTarget struct {
	target.Target
	nth, locks int
}

func (t *unfencedTarget) Lock(ctx context.Context, by target.Login, pair rotation.Pair) (target.Session, error) {
	if t.locks++; t.locks >= t.nth {
		pair = rotation.Pair{Base: uuid.NewString(), Suffixed: uuid.NewString()}
	}
	return t.Target.Lock(ctx, by, pair)
}

// heldStore holds the attempt when it is about to write to the store.
type heldStore struct {
	secretstore.Store
	at *gate
	// namesHolder: End's swap names the version that is current now, and not the base version, as the one that the stage leaves.
	namesHolder bool
}

func around(name string, change func(secretstore.Store) secretstore.Store) func(*activities.Rotation) {
	return func(r *activities.Rotation) {
		r.Stores = map[string]secretstore.Store{name: change(r.Stores[name])}
	}
}

func (s heldStore) RemovePending(ctx context.Context, ref secretstore.Ref, version string) error {
	s.at.pass()
	return s.Store.RemovePending(ctx, ref, version)
}

func (s heldStore) MoveCurrent(ctx context.Context, ref secretstore.Ref, from, to string) error {
	s.at.pass()
	if s.namesHolder {
		seen, err := s.Versions(ctx, ref)
		if err != nil {
			return err
		}
		from = seen.Holder(rotation.Current)
	}
	return s.Store.MoveCurrent(ctx, ref, from, to)
}
