package cli

import (
	"context"

	"go.temporal.io/sdk/client"

	"rotor/internal/canary"
	"rotor/internal/devstack"
)

// Audit searches as the demo does at its end.
func Audit(ctx context.Context, stack *devstack.Stack, c client.Client, workerLog string) (passwords int, found []canary.Finding, err error) {
	d := &demo{local: &local{Stack: stack, client: c}, said: &record{}, logged: &record{}}
	_, _ = d.logged.Write([]byte(workerLog))
	return d.audit(ctx)
}
