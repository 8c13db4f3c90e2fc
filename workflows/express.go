package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/rotation"
)

// express is the way of a rotation that nothing disturbs: the steps after Look run one after the other as local activities, inside the
// workflow task that Look's result came with. That costs one event each, and nobody has to be asked for the next. What it takes in return:
// until that task is answered nothing of them is in history. If it is lost, because the worker dies, or because a cancel or a signal came
// in between, the workflow can't see what they did. Then it has to reckon with all of it; see doubt.
type express struct {
	on bool
	// went says of the latest attempt of a step that it went express.
	went bool
	// began is when the first step may have begun, and budget what they may take together.
	began  time.Time
	budget time.Duration
	// task is the workflow task in which it all has to happen.
	task int
}

const (
	// longestExpress bounds one local activity.
	longestExpress = 2 * time.Second
	// expressShare is the part of a workflow task's time that local activities may take together. After four fifths the SDK answers the task
	// for the time being, and history fills up.
	expressShare = 0.75
	// leastExpress is the part of the budget that has to be left for a step to be begun: one that is cut short leaves more doubt than it
	// saves time.
	leastExpress = 0.25

	// undisturbed is how many events lie between the two workflow tasks if all goes well: the first is completed, the marker of the settings,
	// Look is scheduled, started, completed, the next task is scheduled and started.
	undisturbed = 7
	// lost is how many a task leaves, at least, that was started and not answered: started, failed or timed out, and the next is scheduled. One
	// that no worker took up, because the one that had the workflow in memory was gone, leaves two.
	lost = 3
)

// workflowTask tells one workflow task from another: it is the number of the event with which the present one was started, also where it is
// replayed.
func workflowTask(ctx workflow.Context) int { return workflow.GetInfo(ctx).GetCurrentHistoryLength() }

// depart decides, right after Look, whether the steps go express. from is the workflow task in which Look was asked for. A Look that took
// more than one round has them go as usual, and so would an earlier attempt of the same task have decided.
func (w *run) depart(from int) {
	// The RDS API carries changes out after it has answered: waiting for that takes longer than a step may take here.
	if !w.known.Express || w.present().Rounds != 1 || w.plan.Target == rotation.TargetApsaraRDS {
		return
	}
	task := workflowTask(w.root)
	if task-from >= undisturbed+lost {
		w.doubt()
		return
	}
	share := time.Duration(expressShare * float64(workflow.GetInfo(w.root).WorkflowTaskTimeout))
	// A rotation that takes over an unfinished one waits for the longest attempt, so all of it has to be over by then.
	w.express = express{on: true, began: workflow.Now(w.root), budget: min(share, w.plan.LongestAttempt), task: task}
}

// doubt reckons with what steps may have done, or may still do, of which no trace is left: a workflow task was lost in which they may have
// run. They ran once each at most, because this one does not go express.
func (w *run) doubt() {
	w.putUncertain = true
	w.setStarted, w.setUncertain = true, true
	w.changed = w.present().Started
	w.uncertain = 1
	// With one account, Rollback finds out by a login which way to go: a stage that may have been moved is one of a password that works.
	w.endFailed = w.plan.Strategy != rotation.SingleUser
}

// left is how long the next step may take express; 0: it has to go as usual.
func (e *express) left(ctx workflow.Context) time.Duration {
	if !e.on || ctx.Err() != nil || workflowTask(ctx) != e.task {
		return 0
	}
	left := e.budget - workflow.Now(ctx).Sub(e.began)
	if left < time.Duration(leastExpress*float64(e.budget)) {
		return 0
	}
	return min(left, longestExpress)
}

// attempt runs a step once: express, if it may be, or else as an activity.
func (w *run) attempt(ctx workflow.Context, step rotation.Step, activity, input, result any) error {
	left := w.express.left(ctx)
	if w.express.went = left > 0; !w.express.went {
		w.express.on = false
		return attempt(ctx, step, activity, input, result)
	}
	// A cancel would leave it running, and be seen by the next step anyway.
	local, _ := workflow.NewDisconnectedContext(ctx)
	local = workflow.WithLocalActivityOptions(local, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: left, RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
		Summary: workflow.GetActivityOptions(ctx).Summary,
	})
	switch in := input.(type) {
	case activities.StepInput:
		in.Fresh = true
		input = in
	case activities.EndInput:
		in.Fresh = true
		input = in
	}
	err := answer(step, workflow.ExecuteLocalActivity(local, activity, input).Get(local, result))
	if workflowTask(ctx) == w.express.task {
		return err
	}
	// The workflow task was answered meanwhile, so this answer may be that of a second attempt, after a worker died with the first.
	if step == rotation.StepEnd {
		w.uncertain++
	}
	return unfinished(step)
}

// fellOver says that a step failed express, and is to be tried as an activity, at once. So are those after it: what keeps one mostly keeps the
// next, too, and a workflow task after this one could be lost without a trace in its turn.
func (w *run) fellOver(step rotation.Step, err error) bool {
	var f *failed
	if !w.express.went || !errors.As(err, &f) || f.Kind != rotation.Retryable {
		return false
	}
	w.express.on, w.express.went = false, false
	if step == rotation.StepNew && !f.Untried {
		w.putUncertain = true
	}
	return true
}
