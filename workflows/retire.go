package workflows

import (
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/rotation"
)

// retireFormer does with the former credential what the request asks for, now or by a workflow of its own, and says what became of it. It comes after
// End: whatever it meets, the outcome is Rotated.
func (w *run) retireFormer() *rotation.FormerCredential {
	former := &rotation.FormerCredential{Valid: w.plan.Strategy != rotation.SingleUser}
	after, wanted := w.req.Retirement(w.plan.Strategy)
	if !wanted {
		return former
	}
	// A cancel does not reach it: the new version is current already, and a credential that somebody else knows is to go.
	ctx, _ := workflow.NewDisconnectedContext(w.root)
	if after == 0 && !w.req.RetireWhenIdle {
		retired, err := w.retireStep(ctx)
		if err == nil {
			former.Valid, former.Retired = retired.Superseded, &retired
			return former
		}
		former.Failure = failureOf(err)
	}
	w.retireLater(ctx, former, after)
	return former
}

func (w *run) retireStep(ctx workflow.Context) (retired rotation.Retired, err error) {
	err = w.step(ctx, rotation.StepRetire, w.req.PatienceTime(), func(ctx workflow.Context) error {
		ctx = w.timing.options(ctx, "retire the former credential of account "+w.plan.Account)
		return attempt(ctx, rotation.StepRetire, steps.Retire, activities.RetireInput{Plan: w.plan, EndSessions: w.req.EndSessions}, &retired)
	})
	return retired, err
}

// retireLater starts the workflow that retires the former credential. It takes the place of the one that the rotation before has started.
func (w *run) retireLater(ctx workflow.Context, former *rotation.FormerCredential, after time.Duration) {
	in := rotation.Retiring{Plan: w.plan, At: workflow.Now(ctx).Add(after), WhenIdle: w.req.RetireWhenIdle, EndSessions: w.req.EndSessions}
	id := rotation.RetireWorkflowID(workflow.GetInfo(ctx).WorkflowExecution.ID)
	child := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:        id,
		ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON,
		//lint:ignore SA1019 children have no conflict policy, which is what it is deprecated for
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_TERMINATE_IF_RUNNING,
		WorkflowTaskTimeout:   w.timing.WorkflowTask,
		StaticSummary:         "retire the former credential of secret " + w.req.Name(),
	}), rotation.RetireWorkflow, in)
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		former.Failure = &rotation.Failure{Step: rotation.StepRetire, Kind: rotation.Retryable, Text: "the workflow " + id + " could not be started"}
		return
	}
	if former.Valid {
		former.Until = in.At
	}
	former.Workflow = id
}

// The pauses between two looks at who uses a former credential grow with the time that is to be waited, because each stands in the history. The
// shortest is some of Timing's first pauses.
const (
	samplesInWait = 50
	firstPauses   = 6
	longestSample = time.Hour
)

// RetireFormer retires the credential that a rotation has replaced, when its time has come, and, if asked, when nobody uses it. The next rotation's
// takes its place; if another version has become current meanwhile, it does nothing.
func (r *Rotations) RetireFormer(ctx workflow.Context, in rotation.Retiring) (*rotation.Retired, error) {
	w := &retiring{ctx: ctx, timing: r.Timing, in: in}
	err := workflow.SetQueryHandler(ctx, rotation.QueryStatus, func() (rotation.Status, error) { return w.status, nil })
	if err != nil {
		return nil, err
	}
	return w.run()
}

type retiring struct {
	ctx    workflow.Context
	timing Timing
	in     rotation.Retiring
	status rotation.Status
}

func (w *retiring) run() (*rotation.Retired, error) {
	if w.in.WhenIdle {
		if superseded, err := w.watch(); err != nil || superseded {
			return w.superseded(), err
		}
	} else if err := w.wait(w.in.At.Sub(workflow.Now(w.ctx)), "until it is retired"); err != nil {
		return nil, err
	}
	var retired rotation.Retired
	err := w.insist(func(ctx workflow.Context) error {
		ctx = w.timing.options(ctx, "retire the former credential of account "+w.in.Plan.Account)
		return attempt(ctx, rotation.StepRetire, steps.Retire, activities.RetireInput{Plan: w.in.Plan, EndSessions: w.in.EndSessions}, &retired)
	})
	if err != nil {
		return nil, w.failed(err)
	}
	if w.in.Seen.Samples > 0 {
		retired.Usage = &w.in.Seen
	}
	w.say(rotation.StateEnded, "Retired: version "+w.in.Plan.Base+" no longer logs in as "+w.in.Plan.Account+".")
	if retired.Superseded {
		w.superseded()
	}
	return &retired, nil
}

func (w *retiring) superseded() *rotation.Retired {
	w.say(rotation.StateEnded, "Nothing was done: another version than "+w.in.Plan.Version+" is current by now.")
	return &rotation.Retired{Account: w.in.Plan.Account, Version: w.in.Plan.Base, Superseded: true, Usage: &w.in.Seen, At: workflow.Now(w.ctx)}
}

// watch looks from time to time who uses the former credential, until the time has come and nobody does.
func (w *retiring) watch() (superseded bool, err error) {
	left := w.in.At.Sub(workflow.Now(w.ctx))
	every := min(max(left/samplesInWait, firstPauses*w.timing.FirstPause, time.Second), longestSample)
	for {
		var sample activities.SampleResult
		err := w.insist(func(ctx workflow.Context) error {
			ctx = w.timing.options(ctx, "see whether account "+w.in.Plan.Account+" is in use")
			return attempt(ctx, rotation.StepRetire, steps.Sample, activities.SampleInput{Plan: w.in.Plan, Seen: w.in.Seen}, &sample)
		})
		if err != nil {
			return false, w.failed(err)
		}
		w.in.Seen = sample.Usage
		now := workflow.Now(w.ctx)
		if sample.Superseded || !sample.InUse && !now.Before(w.in.At) {
			return sample.Superseded, nil
		}
		if workflow.GetInfo(w.ctx).GetContinueAsNewSuggested() {
			return false, workflow.NewContinueAsNewError(w.ctx, rotation.RetireWorkflow, w.in)
		}
		pause := every
		if left := w.in.At.Sub(now); left > 0 {
			pause = min(pause, left)
		}
		if err := w.wait(pause, "until it is looked again whether it is in use; last seen: "+seen(w.in.Seen)); err != nil {
			return false, err
		}
	}
}

func seen(u rotation.Usage) string {
	if u.LastSeen.IsZero() {
		return "never"
	}
	return clock(u.LastSeen)
}

func (w *retiring) wait(d time.Duration, why string) error {
	if d <= 0 {
		return nil
	}
	w.say(rotation.StateWaiting, fmt.Sprintf("The credential of version %s, account %s, still logs in. It is to be retired at %s; this waits %s.", w.in.Plan.Base,
		w.in.Plan.Account, clock(w.in.At), why))
	return workflow.NewTimerWithOptions(w.ctx, d, workflow.TimerOptions{Summary: why}).Get(w.ctx, nil)
}

// insist tries until it succeeds or can't any more, in bursts with growing pauses.
func (w *retiring) insist(try func(workflow.Context) error) error {
	for pause := w.timing.FirstPause; ; pause = min(2*pause, w.timing.LongestPause) {
		err := try(w.ctx)
		var f *failed
		if !errors.As(err, &f) || f.Kind != rotation.Retryable {
			return err
		}
		w.status.Failure = &f.Failure
		w.say(rotation.StateWaiting, fmt.Sprintf("**Retiring version %s does not succeed.** %s. It is tried again after %s.", w.in.Plan.Base, sentenceCase(f.Text), pause))
		if err := workflow.NewTimerWithOptions(w.ctx, pause, workflow.TimerOptions{Summary: "try again"}).Get(w.ctx, nil); err != nil {
			return err
		}
	}
}

// errNotRetired is the error type of a retirement that was given up.
const errNotRetired = "NotRetired"

func (w *retiring) failed(err error) error {
	var f *failed
	if !errors.As(err, &f) {
		return err
	}
	w.status.Failure = &f.Failure
	w.say(rotation.StateEnded, "Not retired: "+f.Text+". Version "+w.in.Plan.Base+" may still log in as "+w.in.Plan.Account+".")
	return temporal.NewNonRetryableApplicationError(f.Text, errNotRetired, nil, f.Failure)
}

func (w *retiring) say(state rotation.State, doing string) {
	w.status.State, w.status.Doing, w.status.Since = state, doing, workflow.Now(w.ctx)
	workflow.SetCurrentDetails(w.ctx, doing)
}
