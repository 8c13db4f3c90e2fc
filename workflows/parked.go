package workflows

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/rotation"
)

// parked says what happened, in what state things are, and what each decision would do.
func (w *run) parked(ctx workflow.Context, reason error) {
	w.say(ctx, rotation.StateRunning, "The rotation parks: a person will have to decide. What it leaves is being looked at.")
	w.status.Failure = failureOf(reason)
	w.situation = w.inspect(ctx)
	choices := []string{rotation.UpdateRetry, rotation.UpdateRollback, rotation.UpdateAbandon}
	if w.endFailed {
		choices = []string{rotation.UpdateRetry, rotation.UpdateAbandon}
	}
	means := map[string]string{}
	for _, c := range choices {
		means[c] = w.means(c)
	}

	text := "## Parked: a person has to decide\n\n" + w.happened(reason) + "\n\n"
	for _, line := range w.state() {
		text += "- " + line + "\n"
	}
	text += "\n" + w.advice(reason) + "\n\nDecide with an update of this workflow (argument: `{\"Reason\": \"...\"}`), or with `starter resolve`:\n\n"
	for _, c := range choices {
		text += "- `" + c + "`: " + means[c] + "\n"
	}
	w.say(ctx, rotation.StateParked, text)
	w.status.Decisions, w.status.Means, w.status.Situation = choices, means, w.situation
}

// inspect looks at store and target. A person can decide without, so it is not insisted on.
func (w *run) inspect(ctx workflow.Context) *rotation.Situation {
	ctx = w.timing.inspectOptions(ctx, "look at what the parked rotation of secret "+w.req.Name()+" leaves")
	var found rotation.Situation
	err := workflow.ExecuteActivity(ctx, steps.Inspect, activities.InspectInput{Plan: w.plan, SetStarted: w.setStarted || w.plan.Adopted}).Get(ctx, &found)
	if err != nil {
		return &rotation.Situation{Seen: workflow.Now(ctx), Unseen: "no worker could look at it in time"}
	}
	return &found
}

// happened tells what led here.
func (w *run) happened(reason error) string {
	f, secret := failureOf(reason), "The rotation of secret `"+w.req.Name()+"`"
	var u *unproven
	switch {
	case errors.As(reason, &u) && u.why != nil && w.cancelled:
		return fmt.Sprintf("%s was cancelled. It was to be rolled back, and that the rollback worked could not be proven: %s.", secret, u.rollback.Text)
	case errors.As(reason, &u) && u.why != nil:
		return fmt.Sprintf("%s failed in step **%s**: %s.\n\nIt was to be rolled back, and that the rollback worked could not be proven: %s.",
			secret, u.why.Step, u.why.Text, u.rollback.Text)
	case w.endFailed && f.Step != rotation.StepEnd:
		return fmt.Sprintf("%s failed in step **%s**: %s.\n\nIt only goes forward: the stage may have been moved already.", secret, f.Step, f.Text)
	case w.endFailed:
		return fmt.Sprintf("%s has passed its test and only goes forward. Step **%s** met a conflict: %s.", secret, f.Step, f.Text)
	case w.onlyBack():
		return fmt.Sprintf("%s can't go on with step **%s**: %s.", secret, f.Step, f.Text)
	case f.Kind == rotation.Conflict:
		return fmt.Sprintf("%s met a conflict in step **%s**: %s.\n\nNothing is undone beside somebody else.", secret, f.Step, f.Text)
	}
	return fmt.Sprintf("%s failed in step **%s**: %s.\n\nIt was not rolled back, because it was asked to park (OnFailure: park).", secret, f.Step, f.Text)
}

// state tells how store, target and each login are.
func (w *run) state() []string {
	p, s := w.plan, w.situation
	lines := []string{fmt.Sprintf("**Store** `%s`, region `%s`, seen at %s: %s.", p.Store, p.Region, s.Seen.UTC().Format(time.RFC3339), w.stages())}
	lines = append(lines, fmt.Sprintf("**Target** `%s` at `%s`: %s.", p.Target, p.Address, w.changes()))
	for _, l := range s.Logins {
		lines = append(lines, fmt.Sprintf("**Login** `%s`: %s.", l.Account, w.login(l)))
	}
	if len(s.Logins) == 0 {
		lines = append(lines, fmt.Sprintf("**Logins** of `%s`%s: not looked at.", p.Account, alsoStandby(p)))
	}
	return append(lines, "**Clients**: "+w.clients()+".")
}

func alsoStandby(p rotation.Plan) string {
	if p.Standby == "" {
		return ""
	}
	return " and `" + p.Standby + "`"
}

func (w *run) stages() string {
	p, s := w.plan, w.situation
	if s.Unseen != "" {
		return fmt.Sprintf("it could not be looked at: %s. Version `%s` was current when the rotation began; the one that it writes is `%s`", s.Unseen, p.Base, p.Version)
	}
	var text string
	switch s.Current {
	case p.Base:
		text = "version `" + p.Base + "` is current, as when the rotation began"
	case p.Version:
		text = "version `" + p.Version + "`, which this rotation wrote, is current"
	case "":
		text = "no version is current; `" + p.Base + "` was when the rotation began"
	default:
		text = "version `" + s.Current + "` is current, which is neither the one that was when the rotation began (`" + p.Base + "`) nor this rotation's"
	}
	switch {
	case !s.Written:
		text += "; this rotation's version `" + p.Version + "` is not there"
	case s.Pending == p.Version && s.Current != p.Version:
		text += "; this rotation's version `" + p.Version + "` is pending"
	case s.Current != p.Version:
		text += "; this rotation's version `" + p.Version + "` is there and carries no pending stage"
	}
	if s.Pending != "" && s.Pending != p.Version && s.Pending != s.Current {
		text += "; version `" + s.Pending + "` is pending, which is not this rotation's"
	}
	return text
}

// changes tells what the rotation may have done to the target.
func (w *run) changes() string {
	p := w.plan
	switch {
	case p.Adopted:
		return "an unfinished rotation had changed the password of account `" + p.Account + "`"
	case !w.setStarted:
		return "this rotation has changed nothing"
	case p.Strategy == rotation.DualPassword:
		return "this rotation was giving account `" + p.Account + "` the new password beside the present one"
	case p.Strategy != rotation.DualAccount:
		return "this rotation was changing the password of account `" + p.Account + "`"
	case p.StandbyExists:
		return "this rotation was changing the password and the privileges of account `" + p.Standby + "`, and left `" + p.Account + "` alone"
	}
	return "this rotation was creating account `" + p.Standby + "`, and left `" + p.Account + "` alone"
}

func (w *run) login(l rotation.LoginState) string {
	switch {
	case l.Unknown != "":
		return "could not be tried: " + l.Unknown
	case l.ByAPI:
		return "the cloud's API says that the account is there; which password it has can't be seen from here"
	case l.Version != "":
		return "takes the password of version `" + l.Version + "`" + w.which(l.Version)
	case len(l.Refused) == 0:
		return "not tried, because no version that is there is of it"
	}
	text := "takes the password of none of the versions that were tried (`" + strings.Join(l.Refused, "`, `") + "`)"
	if l.Account == w.plan.Standby {
		text += ", or does not exist"
	}
	return text
}

func (w *run) which(version string) string {
	switch version {
	case w.plan.Version:
		return ", this rotation's"
	case w.plan.Base:
		return ", which was current when the rotation began"
	case w.plan.Restore:
		return ", which it had when the rotation began"
	}
	return ""
}

// clients tells what those that read the current version find.
func (w *run) clients() string {
	s := w.situation
	if s.Unseen != "" || s.Current == "" {
		return "whether the current version logs in could not be seen"
	}
	for _, l := range s.Logins {
		switch {
		case l.Version == s.Current:
			return "the current version logs in, as `" + l.Account + "`"
		case slices.Contains(l.Refused, s.Current) && l.Version != "":
			return "the current version does **not** log in as `" + l.Account + "`; version `" + l.Version + "` does. Clients that read the secret now are locked out"
		case slices.Contains(l.Refused, s.Current):
			return "the current version does **not** log in as `" + l.Account + "`. Clients that read the secret now are locked out"
		}
	}
	return "whether the current version logs in could not be seen"
}

// onlyBack: the rollback was begun and has taken the pending stage off, without which nothing goes forward. With one account the password decides.
func (w *run) onlyBack() bool {
	p, s := w.plan, w.situation
	return p.RollbackBegun && p.Strategy != rotation.SingleUser && s.Unseen == "" && s.Current == p.Base && s.Written && s.Pending == "" && !w.endFailed
}

// advice is what to do before any decision.
func (w *run) advice(reason error) string {
	p, s, f := w.plan, w.situation, failureOf(reason)
	switch {
	case s.Unseen == "" && s.Current != "" && s.Current != p.Base && s.Current != p.Version:
		return fmt.Sprintf("Find out who made version `%s` current. If that is to stay, `abandon` this rotation and start another; if not, make `%s` current "+
			"again before any other decision.", s.Current, p.Base)
	case s.Unseen == "" && s.Current != p.Version && !s.Written:
		return "This rotation's version is not there: somebody deleted it, or wrote many others meanwhile. `retry` writes it again, with another password."
	case w.onlyBack():
		return "The rollback was begun, and has taken the pending stage off. Mend what kept it from its end if you can, and let `rollback` finish it."
	case f != nil && f.Kind == rotation.Conflict:
		return "Find out who else changes this secret or these accounts, and have them stop, before you decide."
	}
	return "Look at the reason first, and mend it if you can."
}

// means tells what a decision would do as things are.
func (w *run) means(choice string) string {
	switch {
	case choice == rotation.UpdateRetry && w.onlyBack():
		return "does not help: the pending stage is off, nothing puts it back, and it would stop here again"
	case choice == rotation.UpdateRetry:
		return "go on from what there is: put the version if it is missing, set and test its login, and make version `" + w.plan.Version +
			"` current. It stops here again if what stopped it is still so"
	case choice == rotation.UpdateRollback:
		return w.rollbackMeans()
	}
	return "give up: store and target stay exactly as they are described here, and the rotation ends as Abandoned. The next rotation looks at what it finds"
}

func (w *run) rollbackMeans() string {
	p := w.plan
	proof := "prove by logging in that version `" + p.Base + "` works"
	take := "take the pending stage off version `" + p.Version + "`, and " + proof
	switch {
	case !w.setStarted && !p.Adopted:
		return take
	case p.Strategy == rotation.DualPassword:
		return "leave account `" + p.Account + "` with the password of version `" + p.Base + "` alone, " + take
	case p.Strategy != rotation.DualAccount:
		return "if account `" + p.Account + "` does not have the new password yet, " + take + "; if it has, there is no way back without locking clients out, and it goes forward"
	case !p.StandbyExists:
		return "drop account `" + p.Standby + "` if this rotation created it, " + take
	case p.Restore != "":
		return "give account `" + p.Standby + "` the password of version `" + p.Restore + "` back, " + take
	}
	return "give account `" + p.Standby + "` a random password that is kept nowhere, because no version holds its former one, " + take
}
