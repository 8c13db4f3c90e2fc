package workflows

import (
	"errors"
	"strings"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/rotation"
)

// longestRounds is how often a rotation goes back to Set because privileges changed under it before it gives up.
const longestRounds = 3

// rotate takes the rotation to an outcome, with a person's help where it has to.
func (w *run) rotate() (*rotation.Result, error) {
	if err := w.look(); err != nil {
		w.cancelled = temporal.IsCanceledError(err)
		return w.close(rotation.Refused, failureOf(err))
	}
	err := w.forward()
	for {
		switch {
		case err == nil:
			w.former = w.retireFormer()
			return w.close(rotation.Rotated, nil)
		case temporal.IsCanceledError(err):
			w.cancelled = true
			w.live, _ = workflow.NewDisconnectedContext(w.root)
		}
		done, outcome, reason := w.backward(err)
		for !done {
			decision := w.park(reason)
			if decision.Choice == rotation.UpdateAbandon {
				return w.close(rotation.Abandoned, causeOf(reason))
			}
			w.untroubled()
			if decision.Choice == rotation.UpdateRollback {
				done, outcome, reason = w.tryRollback(reason)
				continue
			}
			break
		}
		if done && outcome != "" {
			return w.close(outcome, causeOf(reason))
		}
		if done {
			// There was no way back. What stopped the rotation may still do so; it goes on without an end, and without haste.
			if err = w.breathe(reason); err != nil {
				continue
			}
		}
		err = w.forward()
	}
}

// forward runs the steps from New to End. Each looks first, so it may begin anywhere.
func (w *run) forward() error {
	if err := w.new(w.live); err != nil {
		return err
	}
	if w.plan.StalePending != "" {
		w.say(w.live, rotation.StateWaiting, "waiting until no attempt of the unfinished rotation of version "+w.plan.StalePending+" can be running any more")
		if err := w.sleep(w.live, w.plan.LongestAttempt, "wait out attempts of an unfinished rotation"); err != nil {
			return err
		}
	}
	if w.plan.Retiring {
		// With a version pending no attempt to retire begins any more.
		w.say(w.live, rotation.StateWaiting, "waiting until no attempt to retire the former credential of the rotation before can be running any more")
		if err := w.sleep(w.live, w.plan.LongestAttempt, "wait out attempts to retire the former credential"); err != nil {
			return err
		}
	}
	for round := 1; ; round++ {
		if err := w.set(w.live); err != nil {
			return err
		}
		differences, err := w.test(w.live)
		if err != nil {
			return err
		}
		if len(differences) == 0 {
			if differences, err = w.finish(); err != nil {
				return err
			}
		}
		if len(differences) == 0 {
			return nil
		}
		if round == longestRounds {
			return &failed{rotation.Failure{Step: rotation.StepTest, Kind: rotation.Permanent,
				Text: "account " + w.plan.Next() + " on " + w.plan.Address + " is not as it must be: " + strings.Join(differences, "; ")}}
		}
	}
}

// finish runs End, on a context that a cancel does not reach: what has passed Test goes forward. Where a move of the stage may
// still be on its way, it keeps the workflow open until that can't be any more, and looks again.
func (w *run) finish() (differences []string, err error) {
	ctx, _ := workflow.NewDisconnectedContext(w.root)
	for {
		result, err := w.endStep(ctx)
		if err != nil || len(result.Differences) > 0 {
			return result.Differences, err
		}
		w.tls, w.proof = result.TLS, result.Proof
		if w.moved.IsZero() {
			w.moved = workflow.Now(ctx)
			if !result.Moved.IsZero() {
				w.moved = result.Moved
			}
		}
		if result.Settle == 0 {
			return nil, nil
		}
		w.uncertain = 0
		w.say(ctx, rotation.StateWaiting, "version "+w.plan.Version+" is current; an earlier request to make it so had no answer and stays open until it can't be carried out any more")
		if err := w.sleep(ctx, result.Settle, "wait out an unanswered move of the stage"); err != nil {
			return nil, err
		}
	}
}

// backward decides what follows a failure: it rolls back, unless the rotation was asked to park, or the failure is a conflict, or
// the stage may have been moved. done is false where a person has to decide; without an outcome, it goes forward again.
func (w *run) backward(err error) (done bool, outcome rotation.Outcome, reason error) {
	var f *failed
	isFailure := errors.As(err, &f)
	switch {
	case w.endFailed && temporal.IsCanceledError(err):
		return true, "", err
	case w.endFailed:
		return false, "", err
	case w.plan.Strategy == rotation.SingleUser:
		// Clients may be locked out. If the new password is set the way is forward, whatever was asked for; Rollback finds out.
	case isFailure && f.Kind == rotation.Conflict && w.setStarted:
		return false, "", err
	case isFailure && w.req.OnFailure == rotation.OnFailurePark && w.setStarted:
		return false, "", err
	}
	return w.tryRollback(err)
}

// breathe waits before the rotation goes forward again after a rollback found no way back, longer each time.
func (w *run) breathe(reason error) error {
	w.breaths = min(max(2*w.breaths, w.timing.FirstPause), w.timing.LongestPause)
	w.say(w.live, rotation.StateWaiting, "There is no way back: the new password is in use, or may be. What stopped the rotation: "+causeOf(reason).Text+". It goes on after "+w.breaths.String()+".")
	w.troubled(causeOf(reason).Step, workflow.Now(w.live))
	return w.sleep(w.live, w.breaths, "go forward again")
}

// tryRollback rolls back; without a proof it is not done.
func (w *run) tryRollback(why error) (done bool, outcome rotation.Outcome, reason error) {
	ctx, _ := workflow.NewDisconnectedContext(w.root)
	result, err := w.rollback(ctx)
	switch {
	case err != nil:
		return false, "", &unproven{why: causeOf(why), rollback: failureOf(err)}
	case result.Forward:
		return true, "", why
	case result.Nothing:
		return true, rotation.Refused, why
	}
	w.notes, w.tls, w.proof = append(w.notes, result.Notes...), result.TLS, result.Proof
	return true, rotation.RolledBack, why
}

// unproven is a rollback that could not be proven, and the failure that it was for.
type unproven struct{ why, rollback *rotation.Failure }

func (u *unproven) Error() string { return u.rollback.Text }

// failureOf describes what ended or parked a rotation; a cancel is described as such.
func failureOf(err error) *rotation.Failure {
	var f *failed
	var u *unproven
	switch {
	case err == nil:
		return nil
	case errors.As(err, &u):
		return u.rollback
	case errors.As(err, &f):
		return &f.Failure
	case temporal.IsCanceledError(err):
		return &rotation.Failure{Kind: rotation.Permanent, Text: "the rotation was cancelled"}
	}
	return &rotation.Failure{Kind: rotation.Permanent, Text: "the rotation failed"}
}

// causeOf describes what came first: not the rollback that could not be proven, but the failure that it was for.
func causeOf(err error) *rotation.Failure {
	var u *unproven
	if errors.As(err, &u) && u.why != nil {
		return u.why
	}
	return failureOf(err)
}

// close gives the outcome its form.
func (w *run) close(outcome rotation.Outcome, reason *rotation.Failure) (*rotation.Result, error) {
	p := w.plan
	result := &rotation.Result{
		Outcome: outcome, Store: w.req.Store, Region: w.req.RegionId, Secret: w.req.Name(), Target: w.req.Target(), Strategy: p.Strategy,
		Address: p.Address, TLS: w.tls, Proof: w.proof, LeftOut: w.leftOut, Reason: reason, Decision: w.decided,
		Notes: append(append([]string{}, p.Notes...), w.notes...), Started: w.started, Ended: workflow.Now(w.root),
	}
	switch outcome {
	case rotation.Rotated:
		result.Version, result.Former, result.Account, result.FormerAccount = p.Version, p.Base, p.Next(), p.Account
		if p.Strategy == rotation.SingleUser {
			result.Exposure = max(w.moved.Sub(w.changed), 0)
		}
		result.FormerCredential = w.former
		if w.created {
			result.Notes = append(result.Notes, "account "+p.Standby+" was created")
		}
	case rotation.RolledBack, rotation.Abandoned:
		result.Version, result.Former, result.Account = p.Version, p.Base, p.Account
	default:
		result.Former, result.Account = p.Base, p.Account
	}
	w.closed(result)
	w.alarm = nil
	w.show(outcome, false)
	if w.watcher != nil && !workflow.IsReplaying(w.root) {
		w.watcher.Ended(*result)
	}
	if w.cancelled && (outcome == rotation.RolledBack || outcome == rotation.Refused) {
		return nil, temporal.NewCanceledError(*result)
	}
	return ended(result)
}
