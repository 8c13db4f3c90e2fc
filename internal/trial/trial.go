package trial

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"

	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/trial/sqlrelay"
	"rotor/internal/trial/temporalrelay"
)

// Trial is one secret and the ways of its workers to the outside.
type Trial struct {
	*Bench
	ledger
	Kind   Kind
	Secret devstack.Secret
	Queue  string
	// Outset is how things were before the rotation that is tried, and Settled since when.
	Outset  Picture
	Settled time.Time

	// Network is nil unless the kind asks for one.
	Network *Network

	sql      *sqlrelay.Relay
	temporal *temporalrelay.Relay
	unhook   []func()
	workers  []*Worker

	mu sync.Mutex
	// asked are the effects that were begun and not answered, by what asked for them.
	asked map[any]Effect
	// lockedOut says when a client could not log in.
	lockedOut []Lockout
}

// New makes a trial of a kind, up to the rotation that is to be tried. Close ends it.
func (b *Bench) New(ctx context.Context, kind Kind) (t *Trial, err error) {
	name := fmt.Sprintf("t%d", b.Number())
	t = &Trial{Bench: b, Kind: kind, Queue: "trial-" + name, asked: map[any]Effect{}}
	t.Hook(nil)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("trial of %s: %w", kind.Name, err), t.Close())
		}
	}()
	if t.sql, err = sqlrelay.Listen(b.Stack.MySQL.Address(), t.onStatement); err != nil {
		return t, err
	}
	if t.temporal, err = temporalrelay.Listen(b.Stack.Temporal.Address, t.onCall); err != nil {
		return t, err
	}
	port, err := t.reach(kind)
	if err != nil {
		return t, err
	}
	seeder := devstack.Seeder{DB: b.Stack.MySQL.DB(), Host: b.Stack.MySQL.Host, Port: port, Cloud: b.Stack.Cloud}
	if t.Secret, err = kind.Add(seeder, ctx, name); err != nil {
		return t, err
	}
	b.Remember(kind, t.Secret)
	t.unhook = append(t.unhook, b.Stack.Cloud.Before(t.onRequest), b.Stack.Cloud.After(t.onReply))
	if kind.Repeated {
		if _, err := b.RotateOnce(ctx, kind, t.Secret); err != nil {
			return t, err
		}
	}
	return t, t.Again(ctx)
}

// reach gives the port at which workers find the database.
func (t *Trial) reach(kind Kind) (port int, err error) {
	if !kind.Network {
		return t.sql.Port(), nil
	}
	if t.Network, err = NewNetwork(net.JoinHostPort("127.0.0.1", strconv.Itoa(t.sql.Port()))); err != nil {
		return 0, err
	}
	return t.Network.Port()
}

// Again has the trial's secret be rotated again, from how things are now.
func (t *Trial) Again(ctx context.Context) (err error) {
	t.Hook(nil)
	t.Settled = time.Now()
	t.Outset, err = t.Look(ctx, t.Secret)
	return err
}

// RotateOnce rotates a secret undisturbed, on a worker that all trials share, and express, as that takes half of everything.
func (b *Bench) RotateOnce(ctx context.Context, kind Kind, s devstack.Secret) (Ended, error) {
	if err := b.undisturbed(ctx); err != nil {
		return Ended{}, err
	}
	run, err := b.Rotate(ctx, kind.AsExpress(), s, undisturbedQueue)
	if err != nil {
		return Ended{}, err
	}
	ended, err := b.Outcome(ctx, run)
	if err == nil && ended.Result.Outcome != rotation.Rotated {
		err = fmt.Errorf("a rotation that nothing disturbed ended as %s: %v", ended.Result.Outcome, ended.Result.Reason)
	}
	return ended, err
}

// Close ends the workers and the relays.
func (t *Trial) Close() error {
	t.Hook(nil)
	for _, off := range t.unhook {
		off()
	}
	var errs []error
	for _, w := range t.workers {
		errs = append(errs, t.keepMetrics(context.Background(), w), w.Kill())
	}
	errs = append(errs, t.clear())
	if t.temporal != nil {
		errs = append(errs, t.temporal.Close())
	}
	if t.Network != nil {
		t.Network.Close()
	}
	if t.sql != nil {
		errs = append(errs, t.sql.Close())
	}
	return errors.Join(errs...)
}

// clear takes away what would make later trials slow: a rotation that is open still, and accounts, which servers search one by one.
func (t *Trial) clear() error {
	if t.Secret.Name == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), clearPatience)
	defer cancel()
	for _, id := range []string{ID(t.Secret), rotation.RetireWorkflowID(ID(t.Secret))} {
		_ = t.Temporal.TerminateWorkflow(ctx, id, "", "the trial is over") // it is closed, mostly
	}
	db := t.Stack.MySQL.DB()
	_, err := db.ExecContext(ctx, "DROP DATABASE IF EXISTS `"+t.Secret.Database+"`")
	for _, account := range accountsOf(t.Secret) {
		if _, dropping := db.ExecContext(ctx, "DROP USER '"+account+"'@'%'"); !isNumber(dropping, erAccountState) {
			err = errors.Join(err, dropping)
		}
	}
	return err
}

const clearPatience = 30 * time.Second

// StartWorker starts a worker of the trial.
func (t *Trial) StartWorker(ctx context.Context) (*Worker, error) {
	settings := map[string]string{"ROTOR_EXPRESS": strconv.FormatBool(t.Kind.Express)}
	maps.Copy(settings, t.Kind.Settings)
	w, err := t.Bench.StartWorker(ctx, t.temporal.Address, t.Queue, settings)
	if err == nil {
		t.workers = append(t.workers, w)
	}
	return w, err
}

// Linger says whether the database is left without a word of it when a worker goes.
func (t *Trial) Linger(on bool) { t.sql.Linger(on) }

// RefuseDatabase has nobody listen at the database's address, until AcceptDatabase.
func (t *Trial) RefuseDatabase() error { return t.sql.Refuse() }

// AcceptDatabase ends a RefuseDatabase.
func (t *Trial) AcceptDatabase() error { return t.sql.Accept() }

// meet asks the hook, and tries the clients at every change.
func (t *Trial) meet(e Effect, m Moment) Verdict {
	if m == After && e.Changes() && e.Source != Temporal {
		t.tryClients(e.String())
	}
	return t.rule(e, m)
}

// key tells a request from others between the two hooks.
type key struct{ action, resource string }

func (t *Trial) onRequest(r cloudsim.Request) cloudsim.Verdict {
	if !t.concerns(r) {
		return cloudsim.Apply
	}
	if t.meet(t.ask(key{r.Action, r.Resource}, sourceOf(r), nameOf(r, t.Secret)), Before) != Pass {
		return cloudsim.Drop
	}
	return cloudsim.Apply
}

// ofAdmin is added to the name of what is done with the admin secret or as its account.
const ofAdmin = " of the admin"

// TakingOff is added to the name of what only takes a stage off a version.
const TakingOff = ", taking it off"

// nameOf is the name of a request's effect.
func nameOf(r cloudsim.Request, s devstack.Secret) string {
	name := r.Action
	if r.Params["RemoveFromVersion"] != "" && r.Params["MoveToVersion"] == "" {
		name += TakingOff
	}
	return name + of(r, s)
}

// of says which of a trial's secrets a request is about.
func of(r cloudsim.Request, s devstack.Secret) string {
	if s.AdminSecret != "" && r.Resource == s.AdminSecret {
		return ofAdmin
	}
	return ""
}

func (t *Trial) onReply(r cloudsim.Request) {
	if !t.concerns(r) {
		return
	}
	t.meet(t.answered(key{r.Action, r.Resource}), After)
}

// Request asks for the rotation of a secret of a kind.
func Request(k Kind, s devstack.Secret) rotation.Request {
	r := rotation.Request{SecretName: s.Name, RegionId: s.Region, InstanceId: s.Instance, Strategy: k.Strategy, Now: true, Patience: k.Patience}
	if s.Store != rotation.StoreAlibabaKMS {
		r.Store = s.Store
	}
	if k.Retires {
		r.RetireFormer = rotation.RetireNow
	}
	return r
}

// ID is the canonical id of a secret's rotation.
func ID(s devstack.Secret) string { return "rotate/" + s.Store + "/" + s.Region + "/" + s.Name }

// Rotate starts the rotation under its canonical id.
func (b *Bench) Rotate(ctx context.Context, k Kind, s devstack.Secret, queue string) (client.WorkflowRun, error) {
	timeout := taskTimeout
	if k.Express {
		timeout = expressTaskTimeout
	}
	return b.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: ID(s), TaskQueue: queue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowTaskTimeout: timeout,
	}, rotation.WorkflowType, Request(k, s))
}

// taskTimeout is how soon a worker that died in the midst of a decision is noticed. All steps that go express have to end well before.
const (
	taskTimeout        = time.Second
	expressTaskTimeout = 8 * time.Second
)

// Rotate starts the rotation that is tried.
func (t *Trial) Rotate(ctx context.Context) (client.WorkflowRun, error) {
	return t.Bench.Rotate(ctx, t.Kind, t.Secret, t.Queue)
}

// Ended is how a rotation ended.
type Ended struct {
	Run      string
	Result   rotation.Result
	Canceled bool
}

// outcomePatience is longer than any trial takes, on a busy machine, too.
const outcomePatience = 10 * time.Minute

// Outcome waits for the end of a rotation.
func (b *Bench) Outcome(ctx context.Context, run client.WorkflowRun) (Ended, error) {
	ctx, cancel := context.WithTimeout(ctx, outcomePatience)
	defer cancel()
	ended := Ended{Run: run.GetRunID()}
	err := run.Get(ctx, &ended.Result)
	if app, ok := errors.AsType[*sdktemporal.ApplicationError](err); ok {
		b.Heard(app.Error())
		err = app.Details(&ended.Result)
	} else if canceled, ok := errors.AsType[*sdktemporal.CanceledError](err); ok {
		ended.Canceled = true
		err = canceled.Details(&ended.Result)
	}
	if err != nil {
		status, _ := b.Status(context.Background(), run)
		return ended, fmt.Errorf("rotation %s has no outcome; it says %q: %w", run.GetID(), status.Doing, err)
	}
	b.Heard(fmt.Sprintf("%+v %+v", ended.Result, ended.Result.Reason))
	return ended, nil
}

// Status asks a rotation what it does.
func (b *Bench) Status(ctx context.Context, run client.WorkflowRun) (status rotation.Status, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	value, err := b.Temporal.QueryWorkflow(ctx, run.GetID(), run.GetRunID(), rotation.QueryStatus)
	if err == nil {
		err = value.Get(&status)
		b.Heard(fmt.Sprintf("%+v", status))
	}
	return status, err
}
