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
	w.status.Decisions = nil
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

func (w *run) waiting(ctx workflow.Context, f *failed, pause time.Duration) {
	s := w.present()
	s.State, s.Said = rotation.StateWaiting, f.Text
	w.status.Failure = &f.Failure
	w.say(ctx, rotation.StateWaiting, fmt.Sprintf("**Step %s does not succeed.** %s. It is tried again after %s, at %s.", f.Step, sentenceCase(f.Text), pause,
		workflow.Now(ctx).Add(pause).UTC().Format(time.RFC3339)))
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
	if step == rotation.StepLook && err == nil {
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
		if p.Strategy == rotation.DualAccount {
			return "Logging in as " + p.Standby + " on " + p.Address + " and comparing its privileges with those of " + p.Account + "."
		}
		return "Logging in as " + p.Account + " on " + p.Address + " with the new password."
	case rotation.StepEnd:
		return "Making version " + p.Version + " current. The test has passed: from here it only goes forward."
	}
	return "Bringing account " + p.Next() + " on " + p.Address + " and the secret's stages back to where they were."
}

// parked says what happened, in what state things are, and what each decision would do.
func (w *run) parked(reason error) {
	f := failureOf(reason)
	w.status.Failure = f
	choices := []string{rotation.UpdateRetry}
	if !w.endFailed {
		choices = append(choices, rotation.UpdateRollback)
	}
	choices = append(choices, rotation.UpdateAbandon)

	var b strings.Builder
	b.WriteString("## Parked: a person has to decide\n\n")
	var u *unproven
	if errors.As(reason, &u) {
		if u.why != nil {
			writef(&b, "The rotation of secret `%s` failed: %s.\n\n", w.req.Name(), u.why.Text)
		}
		writef(&b, "It was rolled back, but that the rollback worked could not be proven: %s.\n\n", u.rollback.Text)
	} else {
		writef(&b, "The rotation of secret `%s` stopped in step **%s**: %s.\n\n", w.req.Name(), f.Step, f.Text)
	}
	writef(&b, "- **Store** `%s`, region `%s`: version `%s` was current when the rotation began; it wrote version `%s`%s.\n",
		w.plan.Store, w.plan.Region, w.plan.Base, w.plan.Version, w.stageSentence())
	writef(&b, "- **Target** `%s` at `%s`: %s.\n", w.plan.Target, w.plan.Address, w.targetSentence())
	if w.plan.Strategy == rotation.DualAccount {
		writef(&b, "- **Clients** that use account `%s` of the version that was current were not touched by this rotation.\n", w.plan.Account)
	}
	b.WriteString("\n")
	b.WriteString("Decide with an update of this workflow (argument: `{\"Reason\": \"...\"}`), or with `starter resolve`:\n\n")
	for _, c := range choices {
		writef(&b, "- `%s`: %s\n", c, decisionMeans[c])
	}
	w.say(w.root, rotation.StateParked, b.String())
	w.status.Decisions = choices
}

func (w *run) stageSentence() string {
	if w.endFailed {
		return ", and the current stage may have been moved to it"
	}
	return ", which is not current"
}

func (w *run) targetSentence() string {
	switch {
	case !w.setStarted:
		return "nothing was changed"
	case w.plan.Strategy == rotation.SingleUser:
		return "account `" + w.plan.Account + "` may have the new password; then the current version does not log in until the rotation goes forward"
	case w.plan.StandbyExists:
		return "account `" + w.plan.Standby + "` may have the new password"
	}
	return "account `" + w.plan.Standby + "`, which did not exist before, may have been created"
}

// setting says what Set does.
func (w *run) setting() string {
	if w.plan.Strategy == rotation.DualAccount {
		return "set standby account " + w.plan.Standby + " on " + w.plan.Address
	}
	return "change the password of account " + w.plan.Account + " on " + w.plan.Address
}

func (w *run) closed(result *rotation.Result) {
	w.status.Result = result
	text := string(result.Outcome) + "."
	switch {
	case result.Outcome == rotation.Rotated:
		text = fmt.Sprintf("Rotated: version %s of secret %s is current and logs in as %s.", result.Version, result.Secret, result.Account)
	case result.Reason != nil:
		text = fmt.Sprintf("%s: %s", result.Outcome, result.Reason.Text)
	}
	w.say(w.root, rotation.StateEnded, text)
}

// writef is fmt.Fprintf for what always takes it; the checker of workflows does not know that a Builder does.
func writef(b *strings.Builder, format string, args ...any) {
	b.WriteString(fmt.Sprintf(format, args...))
}

func sentenceCase(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
