package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/rotation"
)

// ReadAges reads how old the current versions of some secrets are. It changes nothing and takes no lock. Who asks waits for it, and can do
// without: it is not tried again.
func (r *Rotations) ReadAges(ctx workflow.Context, req rotation.AgesRequest) (*rotation.Ages, error) {
	if n := len(req.Secrets); n > rotation.MostAges {
		return nil, rotation.FieldError("Secrets", "%d secrets; wanted: %d at most", n, rotation.MostAges)
	}
	found := &rotation.Ages{}
	options := r.Timing.agesOptions(ctx, AgesSummary(req))
	err := workflow.ExecuteActivity(options, steps.Ages, activities.AgesInput{Secrets: req.Secrets}).Get(ctx, found)
	return found, err
}

// AgesSummary says in one line what is asked. It names no secret: there may be a hundred.
func AgesSummary(req rotation.AgesRequest) string {
	if len(req.Secrets) == 1 {
		return "read the age of 1 secret"
	}
	return fmt.Sprintf("read the ages of %d secrets", len(req.Secrets))
}
