package cli

import (
	"context"

	"go.temporal.io/sdk/client"

	"rotor/internal/canary"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// Audit searches as the demo does at its end.
func Audit(ctx context.Context, stack *devstack.Stack, c client.Client, workerLog string) (passwords int, found []canary.Finding, err error) {
	d := &demo{local: &local{Stack: stack, client: c}, said: &record{}, logged: &record{}}
	_, _ = d.logged.Write([]byte(workerLog))
	return d.audit(ctx)
}

// LogIn logs in once as the demo's client does.
func LogIn(ctx context.Context, store secretstore.Store, ref secretstore.Ref) error {
	return (&application{store: store, ref: ref}).logIn(ctx)
}

// Verdict is the demo's exit code after rotations with these outcomes.
func Verdict(outcomes []rotation.Outcome, found int, failed int64) int {
	return verdict([]row{{outcomes: outcomes}}, found, failed)
}

// LogInSingle logs in once as the demo's client of a single account does, and gives how many logins met the moment between the change
// and the move.
func LogInSingle(ctx context.Context, store secretstore.Store, ref secretstore.Ref) (exposed int64, err error) {
	p := &application{store: store, ref: ref, single: true}
	err = p.logIn(ctx)
	return p.exposed.Load(), err
}

// Gravest is the exit code of a set of rotations that end with these.
func Gravest(codes []int) int { return gravest(codes) }
