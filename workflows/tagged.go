package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/rotation"
)

// ListTagged lists secrets that bear tags, a part of the list at a time: names, and nothing of their values. It changes nothing and takes no lock. That there
// is no list is its result; it fails only where it was cancelled.
func (r *Rotations) ListTagged(ctx workflow.Context, req rotation.TaggedRequest) (*rotation.Tagged, error) {
	found := &rotation.Tagged{}
	err := workflow.ExecuteActivity(r.Timing.checkOptions(ctx, TaggedSummary(req)), steps.Tagged, req).Get(ctx, found)
	if temporal.IsCanceledError(err) {
		return nil, err
	}
	if err != nil {
		found.Problem = failureOf(answer("list", err))
	}
	return found, nil
}

// TaggedSummary says in one line what is asked.
func TaggedSummary(req rotation.TaggedRequest) string {
	return "list secrets by tags in store " + req.Store + " in " + req.Region
}
