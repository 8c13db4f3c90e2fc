package workflows

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/rotation"
)

// say sets what the rotation is doing now, for the query and for the Web UI. The details must be set on the root context.
func (w *run) say(ctx workflow.Context, state rotation.State, doing string) {
	w.status.State, w.status.Doing, w.status.Since = state, doing, workflow.Now(ctx)
	w.status.Decisions, w.status.Means, w.status.Situation = nil, nil, nil
	workflow.SetCurrentDetails(w.root, doing)
}

func (w *run) begin(ctx workflow.Context, step rotation.Step) {
	w.status.Steps = append(w.status.Steps, rotation.StepStatus{Step: step, State: rotation.StateRunning, Started: workflow.Now(ctx), Rounds: 1})
	w.status.Failure = nil
	w.say(ctx, rotation.StateRunning, w.sentence(step))
}

func (w *run) again(ctx workflow.Context, step rotation.Step) {
	s := w.present()
	s.State = rotation.StateRunning
	s.Rounds++
	w.say(ctx, rotation.StateRunning, fmt.Sprintf("%s (round %d)", w.sentence(step), s.Rounds))
}

// waiting tells of a step that is tried again later, until the time at which it is given up; the zero time: never.
func (w *run) waiting(ctx workflow.Context, f *failed, pause time.Duration, until time.Time) {
	s := w.present()
	s.State, s.Said = rotation.StateWaiting, f.Text
	w.status.Failure = &f.Failure
	w.troubled(f.Step, s.Started)
	text := fmt.Sprintf("**Step %s does not succeed.** %s. It is tried again after %s, at %s", f.Step, sentenceCase(f.Text), pause,
		clock(workflow.Now(ctx).Add(pause)))
	if until.IsZero() {
		w.say(ctx, rotation.StateWaiting, text+", and so on until it succeeds. "+w.forwardOnly(f.Step))
		return
	}
	w.say(ctx, rotation.StateWaiting, text+", and given up at "+clock(until)+". "+w.afterwards(f.Step))
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// forwardOnly tells why a step is tried without an end, and what that means for clients.
func (w *run) forwardOnly(step rotation.Step) string {
	switch {
	case step != rotation.StepEnd:
		return "Until it is known which password account " + w.plan.Account + " has, clients may be locked out."
	case w.plan.Strategy == rotation.SingleUser:
		return "The test has passed, so the rotation only goes forward. Until the stage is moved, the current version does not log in: clients that read it now are locked out."
	}
	if w.plan.Strategy == rotation.DualPassword {
		return "The test has passed, so the rotation only goes forward. Clients are not affected: " + w.plan.Account + " takes both passwords."
	}
	return "The test has passed, so the rotation only goes forward. Clients are not affected: " + w.plan.Account + " and " + w.plan.Next() + " both log in."
}

// afterwards tells what follows when a step is given up.
func (w *run) afterwards(step rotation.Step) string {
	switch {
	case step == rotation.StepLook:
		return "Nothing was changed so far, and then the rotation is refused."
	case step == rotation.StepRollback:
		return "Then a person has to decide."
	case step == rotation.StepRetire:
		return "Then the rotation ends as Rotated, and a workflow of its own goes on trying."
	case w.req.OnFailure == rotation.OnFailurePark && w.setStarted:
		return "Then a person has to decide."
	}
	return "Then it is rolled back."
}

func (w *run) end(ctx workflow.Context, step rotation.Step, err error) {
	s := w.present()
	s.State, s.Ended, s.Said = rotation.StateEnded, workflow.Now(ctx), ""
	var f *failed
	switch {
	case errors.As(err, &f):
		s.Failed, s.Said = true, f.Text
		w.status.Failure = &f.Failure
	case temporal.IsCanceledError(err):
		s.Failed, s.Said = true, "cancelled"
	}
	if err != nil {
		return
	}
	if w.alarm != nil && w.alarm.step == step {
		w.untroubled()
	}
	if step == rotation.StepLook {
		w.status.Plan = &w.plan
	}
}

func (w *run) present() *rotation.StepStatus { return &w.status.Steps[len(w.status.Steps)-1] }

func (w *run) sentence(step rotation.Step) string {
	p := w.plan
	switch step {
	case rotation.StepLook:
		return "Looking at secret " + w.req.Name() + " and its database; nothing is changed."
	case rotation.StepNew:
		return "Putting a pending version with a new password for account " + p.Next() + "."
	case rotation.StepSet:
		return sentenceCase(w.setting()) + "."
	case rotation.StepTest:
		switch p.Strategy {
		case rotation.DualAccount:
			return "Logging in as " + p.Standby + " on " + p.Address + " and comparing its privileges with those of " + p.Account + "."
		case rotation.DualPassword:
			return "Logging in as " + p.Account + " on " + p.Address + " with the new password, and with the one that clients use."
		}
		return "Logging in as " + p.Account + " on " + p.Address + " with the new password."
	case rotation.StepRetire:
		return "The new version is current. Making the former credential of account " + p.Account + " unusable."
	case rotation.StepEnd:
		return "Making version " + p.Version + " current. The test has passed: from here it only goes forward."
	}
	return "Bringing account " + p.Next() + " on " + p.Address + " and the secret's stages back to where they were."
}

// setting says what Set does.
func (w *run) setting() string {
	switch w.plan.Strategy {
	case rotation.DualAccount:
		return "set standby account " + w.plan.Standby + " on " + w.plan.Address
	case rotation.DualPassword:
		return "give account " + w.plan.Account + " on " + w.plan.Address + " the new password beside the present one"
	}
	return "change the password of account " + w.plan.Account + " on " + w.plan.Address
}

func (w *run) closed(result *rotation.Result) {
	w.status.Result = result
	text := string(result.Outcome) + "."
	switch {
	case result.Outcome == rotation.Rotated:
		text = fmt.Sprintf("Rotated: version %s of secret %s is current and logs in as %s.%s", result.Version, result.Secret, result.Account, formerWords(result))
	case result.Reason != nil:
		text = fmt.Sprintf("%s: %s", result.Outcome, result.Reason.Text)
	}
	if result.Proof == rotation.ProofAPI {
		text = strings.ReplaceAll(text, " and logs in as ", ", for account ") +
			"\n\nProof: `api`. Nobody logged in, because the worker can't reach the server: the cloud's API says that the account is available."
	}
	w.say(w.root, rotation.StateEnded, text)
}

// formerWords say whether the former credential still works.
func formerWords(result *rotation.Result) string {
	f := result.FormerCredential
	switch {
	case f.Retired != nil && !f.Retired.Superseded && result.Strategy != rotation.SingleUser:
		return fmt.Sprintf(" Version %s no longer logs in.", result.Former)
	case f.Failure != nil && f.Valid:
		return fmt.Sprintf(" **Version %s may still log in**: %s.", result.Former, f.Failure.Text)
	case !f.Until.IsZero():
		return fmt.Sprintf(" Version %s logs in until %s, when workflow `%s` retires it.", result.Former, clock(f.Until), f.Workflow)
	}
	return ""
}

func sentenceCase(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
