package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/payload"
	"rotor/internal/rotation"
)

// steps names the activities; the value is never used.
var steps *activities.Rotation

// failed is the error of a step that was given up.
type failed struct{ rotation.Failure }

func (f *failed) Error() string { return f.Text }

// run is one canonical rotation.
type run struct {
	// root is the workflow's context; live is what steps run on: root until that is cancelled, then one that is not.
	root, live workflow.Context
	timing     Timing
	watcher    Watcher
	known      settled
	req        rotation.Request
	plan       rotation.Plan
	status     rotation.Status
	started    time.Time

	express               express
	setStarted, cancelled bool
	// put: New has put the version.
	put bool
	// putUncertain: an attempt of New got no answer, or came before another; it may still put the version.
	putUncertain bool
	// setUncertain: an attempt of Set succeeded, got no answer, or came before another; it may have changed the target, or may still.
	setUncertain bool
	// endFailed: an End was attempted, or may have been, and gave an error or no answer, so that the stage may have been moved: only forward
	// from here.
	endFailed bool
	// uncertain counts the attempts of End that may have sent a move and got no answer.
	uncertain int
	created   bool
	// stuck and named are what the search attributes say.
	stuck, named bool
	alarm        *alarm
	// breaths is the latest pause before going forward again.
	breaths time.Duration
	// changed is when the password of a single account was changed, at the earliest; moved when the stage was.
	changed, moved time.Time
	tls            string
	// proof is how the outcome was proven.
	proof    string
	leftOut  []string
	former   *rotation.FormerCredential
	notes    []string
	decision *rotation.Decision
	// parks says that a decision is waited for, or will be as soon as it was looked at what is left.
	parks bool
	// situation is what the rotation left when it parked last.
	situation *rotation.Situation
	// decided is the decision that the result reports.
	decided *rotation.Decision
}

// attempt asks for one activity and gives its error as *failed, or as a cancellation.
func attempt(ctx workflow.Context, step rotation.Step, activity, input, result any) error {
	return answer(step, workflow.ExecuteActivity(ctx, activity, input).Get(ctx, result))
}

// answer reads what became of an attempt.
func answer(step rotation.Step, err error) error {
	if err == nil || temporal.IsCanceledError(err) {
		return err
	}
	var app *temporal.ApplicationError
	var f rotation.Failure
	if errors.As(err, &app) && read(app, &f) && f.Text != "" {
		f.Step = step
		return &failed{f}
	}
	return unfinished(step)
}

func unfinished(step rotation.Step) *failed {
	return &failed{rotation.Failure{Step: step, Kind: rotation.Retryable, Unanswered: true,
		Text: "no worker finished step " + string(step) + " in time: it died, or something that it waited for did not answer"}}
}

// read takes the details out of an error, if it has some of this kind. Without the key that they are encrypted with there is nothing to
// decide on: the task fails, until a worker has it.
func read(err interface {
	HasDetails() bool
	Details(...any) error
}, into any) bool {
	return err.HasDetails() && payload.Insist(err.Details(into)) == nil
}

// step runs a step: bursts of attempts with growing pauses between them, until it succeeds, fails for good, or patience
// (0: without an end) has passed.
func (w *run) step(ctx workflow.Context, step rotation.Step, patience time.Duration, try func(workflow.Context) error) error {
	deadline := workflow.Now(ctx).Add(patience)
	w.begin(ctx, step)
	for growing := w.timing.FirstPause; ; growing = min(2*growing, w.timing.LongestPause) {
		w.express.went = false
		err := try(ctx)
		if w.fellOver(step, err) {
			err = try(ctx)
		}
		var f *failed
		pause := growing
		if errors.As(err, &f) && f.Untried {
			// Nothing has failed; others are at work at the same place, and soon done.
			pause /= untriedShare
		}
		if !errors.As(err, &f) || f.Kind != rotation.Retryable || patience > 0 && workflow.Now(ctx).Add(pause).After(deadline) {
			w.end(ctx, step, err)
			return err
		}
		var until time.Time
		if patience > 0 {
			until = deadline
		}
		w.waiting(ctx, f, pause, until)
		if err := w.sleep(ctx, pause, "try "+string(step)+" again"); err != nil {
			w.end(ctx, step, err)
			return err
		}
		w.again(ctx, step)
	}
}

// untriedShare is by how much the pause is shorter for a step that found no slot. It grows like the others, or a history would fill up.
const untriedShare = 5

func (w *run) sleep(ctx workflow.Context, d time.Duration, why string) error {
	return workflow.NewTimerWithOptions(ctx, d, workflow.TimerOptions{Summary: why}).Get(ctx, nil)
}

func (w *run) look() error {
	from := 0
	err := w.step(w.live, rotation.StepLook, w.req.PatienceTime(), func(ctx workflow.Context) error {
		ctx = w.timing.options(ctx, "look at secret "+w.req.Name()+" and its database")
		input := activities.LookInput{Request: w.req, Version: workflow.GetInfo(ctx).OriginalRunID}
		from = workflowTask(ctx)
		return attempt(ctx, rotation.StepLook, steps.Look, input, &w.plan)
	})
	if err == nil {
		w.depart(from)
	}
	return err
}

func (w *run) new(ctx workflow.Context) error {
	return w.step(ctx, rotation.StepNew, w.req.PatienceTime(), func(ctx workflow.Context) error {
		ctx = w.timing.options(ctx, "put a pending version for account "+w.plan.Next())
		var result activities.NewResult
		err := w.attempt(ctx, rotation.StepNew, steps.New, activities.StepInput{Plan: w.plan}, &result)
		var f *failed
		if err != nil && (!errors.As(err, &f) || f.Unanswered || f.Attempt != 1) {
			w.putUncertain = true
		}
		w.put = w.put || err == nil
		return err
	})
}

func (w *run) set(ctx workflow.Context) error {
	return w.step(ctx, rotation.StepSet, w.req.PatienceTime(), func(ctx workflow.Context) error {
		ctx = w.timing.options(ctx, w.setting())
		w.setStarted = true
		asked := workflow.Now(ctx)
		var result activities.SetResult
		err := w.attempt(ctx, rotation.StepSet, steps.Set, activities.StepInput{Plan: w.plan}, &result)
		var f *failed
		if !errors.As(err, &f) || f.Unanswered || f.Attempt != 1 || f.Kind == rotation.Retryable && !f.Untried {
			w.setUncertain = true
		}
		if err == nil {
			w.created = w.created || result.Created
			w.leftOut = result.LeftOut
		}
		if w.changed.IsZero() {
			w.changed = asked
			if err == nil && !result.Changed.IsZero() {
				w.changed = result.Changed
			}
		}
		return err
	})
}

func (w *run) test(ctx workflow.Context) (differences []string, err error) {
	err = w.step(ctx, rotation.StepTest, w.req.PatienceTime(), func(ctx workflow.Context) error {
		ctx = w.timing.options(ctx, "log in as "+w.plan.Next()+" on "+w.plan.Address)
		var result activities.TestResult
		err := w.attempt(ctx, rotation.StepTest, steps.Test, activities.StepInput{Plan: w.plan}, &result)
		differences, w.tls = result.Differences, result.TLS
		return err
	})
	return differences, err
}

// endStep runs End without an end to its patience: what has passed Test goes forward.
func (w *run) endStep(ctx workflow.Context) (result activities.EndResult, err error) {
	err = w.step(ctx, rotation.StepEnd, 0, func(ctx workflow.Context) error {
		ctx = w.timing.endOptions(ctx, "make version "+w.plan.Version+" current")
		result = activities.EndResult{}
		err := w.attempt(ctx, rotation.StepEnd, steps.End, activities.EndInput{Plan: w.plan, Uncertain: w.uncertain}, &result)
		var f *failed
		if errors.As(err, &f) && !f.Untried {
			w.endFailed = true
			if f.Unanswered {
				w.uncertain++
			}
		}
		return notForGood(err)
	})
	return result, err
}

func (w *run) rollback(ctx workflow.Context) (result activities.RollbackResult, err error) {
	w.plan.RollbackBegun = true
	patience := w.req.PatienceTime()
	// With one account whose password may have been changed, clients may be locked out until it is known which way to go: this is
	// tried without an end, like End.
	urgent := w.plan.Strategy == rotation.SingleUser && (w.setStarted || w.plan.Adopted)
	if urgent {
		patience = 0
	}
	err = w.step(ctx, rotation.StepRollback, patience, func(ctx workflow.Context) error {
		ctx = w.timing.options(ctx, "bring "+w.plan.Next()+" on "+w.plan.Address+" and the secret's stages back")
		err := attempt(ctx, rotation.StepRollback, steps.Rollback, activities.RollbackInput{Plan: w.plan, SetStarted: w.setStarted,
			Put: w.put, PutUncertain: w.putUncertain, SetUncertain: w.setUncertain}, &result)
		if urgent {
			return notForGood(err)
		}
		return err
	})
	return result, err
}

// notForGood makes a permanent failure one that is tried again: where giving up would lock clients out, what is permanent now (a
// permission that was taken away) may be mended.
func notForGood(err error) error {
	var f *failed
	if errors.As(err, &f) && f.Kind == rotation.Permanent {
		f.Kind = rotation.Retryable
	}
	return err
}
