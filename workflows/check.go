package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/rotation"
)

// CheckSecret looks at a secret and its database, as the rotation that the request asks for would, and says what it finds and what that
// rotation would change. It changes nothing and takes no lock, so any number of them may run, beside a rotation too. What is wrong is its
// result; it fails only where it was cancelled.
func (r *Rotations) CheckSecret(ctx workflow.Context, req rotation.Request) (*rotation.Check, error) {
	found := &rotation.Check{Store: req.Store, Region: req.RegionId, Secret: req.SecretName, At: workflow.Now(ctx)}
	name := req.SecretName
	if valid, err := req.Validate(); err == nil {
		name = valid.Name()
	}
	err := workflow.ExecuteActivity(r.Timing.checkOptions(ctx, "check secret "+name+" and its database"), steps.Check, activities.CheckInput{Request: req}).Get(ctx, found)
	if temporal.IsCanceledError(err) {
		return nil, err
	}
	if err != nil {
		found.Findings = append(found.Findings, rotation.FindingOf(notChecked(err)))
	}
	workflow.SetCurrentDetails(ctx, checked(found))
	return found, nil
}

// notChecked is for a check that no worker brought to its end.
func notChecked(err error) *rotation.Error {
	var app *temporal.ApplicationError
	var f rotation.Failure
	if errors.As(err, &app) && read(app, &f) && f.Text != "" {
		return rotation.Errorf(rotation.Retryable, "the check did not come to its end: %s", f.Text)
	}
	return rotation.Errorf(rotation.Retryable, "no worker finished the check in time: it died, or something that it waited for did not answer")
}

// checked says in a line how a check ended.
func checked(found *rotation.Check) string {
	problems, warnings := 0, 0
	for _, f := range found.Findings {
		if f.Severity == rotation.Problem {
			problems++
		} else {
			warnings++
		}
	}
	return fmt.Sprintf("problems: %d, warnings: %d, planned changes: %d; the result has them", problems, warnings, len(found.Changes))
}

// CheckSummary says in one line what a check is about.
func CheckSummary(req rotation.Request) string {
	return "check secret " + req.Name() + " of " + req.Store + " in " + req.RegionId
}
