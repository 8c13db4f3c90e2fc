package workflows

import (
	"go.temporal.io/sdk/workflow"

	"rotor/internal/rotation"
)

// Decide is the argument of the updates "retry", "rollback" and "abandon".
type Decide struct {
	// Reason is why; it stands in the result.
	Reason string
	// By is who decides.
	By string `json:",omitempty"`
}

// Decided answers an update.
type Decided struct{ Accepted string }

// setHandlers answers the status query, and takes decisions. A handler only records the decision: in a cancelled workflow its own
// context is cancelled, so the main loop acts.
func (w *run) setHandlers() error {
	if err := workflow.SetQueryHandler(w.root, rotation.QueryStatus, func() (rotation.Status, error) { return w.status, nil }); err != nil {
		return err
	}
	for _, choice := range []string{rotation.UpdateRetry, rotation.UpdateRollback, rotation.UpdateAbandon} {
		err := workflow.SetUpdateHandlerWithOptions(w.root, choice, func(ctx workflow.Context, d Decide) (Decided, error) {
			w.decision = &rotation.Decision{Choice: choice, Reason: d.Reason, By: d.By, At: workflow.Now(ctx)}
			return Decided{Accepted: choice}, nil
		}, workflow.UpdateHandlerOptions{
			Description: decisionDescriptions[choice],
			Validator:   func(_ workflow.Context, d Decide) error { return w.validate(choice, d) },
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// decisionDescriptions stand beside the updates in the Web UI, whatever state the rotation is in.
var decisionDescriptions = map[string]string{
	rotation.UpdateRetry:    "try to finish the rotation: every step looks at what there is and goes on from that",
	rotation.UpdateRollback: "bring everything back to the version that was current before, and prove it by logging in",
	rotation.UpdateAbandon:  "give up: store and database stay as they are, and the rotation ends as Abandoned",
}

func (w *run) validate(choice string, d Decide) error {
	switch {
	case !w.parks:
		return rotation.Errorf(rotation.Permanent, "the rotation is not parked; there is nothing to decide")
	case w.decision != nil:
		return rotation.Errorf(rotation.Permanent, "%s was decided already", w.decision.Choice)
	case d.Reason == "":
		return rotation.FieldError("Reason", "missing; say why, it stands in the result")
	case choice == rotation.UpdateRollback && w.endFailed:
		return rotation.Errorf(rotation.Permanent, "the stage may have been moved already, so there is no way back; choose retry or abandon")
	}
	return nil
}

// park waits for a person. A cancel that arrives meanwhile counts as the decision to roll back, where that is still possible.
//
// What is decided while it is still being looked at what is left counts, too: a query is answered from all that has arrived, so that somebody can
// see the rotation parked and decide before the workflow has been told that the look is over.
func (w *run) park(reason error) rotation.Decision {
	w.decision, w.parks = nil, true
	defer func() { w.parks = false }()
	wait, _ := workflow.NewDisconnectedContext(w.root)
	w.parked(wait, reason)
	w.show("", true)
	if w.watcher != nil && !workflow.IsReplaying(w.root) {
		w.watcher.Parked(w.req, *failureOf(reason))
	}
	// The context can't be cancelled, so the only way out is a decision.
	_ = workflow.Await(wait, func() bool {
		return w.decision != nil || !w.cancelled && !w.endFailed && w.root.Err() != nil
	})
	if w.decision == nil {
		w.cancelled = true
		w.live = wait
		return rotation.Decision{Choice: rotation.UpdateRollback}
	}
	if d := w.decided; d != nil {
		w.notes = append(w.notes, "an earlier decision: "+d.Choice+byWhom(d)+" ("+d.Reason+")")
	}
	w.decided = w.decision
	w.live = wait
	if w.root.Err() == nil {
		w.live = w.root
	}
	return *w.decision
}

func byWhom(d *rotation.Decision) string {
	if d.By == "" {
		return ""
	}
	return " by " + d.By
}
