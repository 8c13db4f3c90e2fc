package workflows

import (
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

// setHandlers answers the status query, and takes what people say. Handlers only note it; the main loop acts.
func (f *fleetRun) setHandlers() error {
	if err := workflow.SetQueryHandler(f.root, rotation.QueryStatus, func() (fleet.Status, error) { return f.status(), nil }); err != nil {
		return err
	}
	for _, h := range []struct {
		update, description string
		refuse              func() string
		do                  func(fleet.Word)
	}{
		{fleet.UpdatePause, "let no further rotation begin until resume; those that are open go on", f.refusePause, func(w fleet.Word) { f.p.Paused = &w }},
		{fleet.UpdateResume, "let rotations begin again, also after a canary or too many others have failed", f.refuseResume, func(fleet.Word) {
			f.p.Paused, f.p.Failing = nil, 0
			// Who lets it go on after the canary has failed takes that for good enough.
			f.p.CanaryOver = f.p.CanaryOver || f.canaryFailed()
		}},
		{fleet.UpdateStop, "let no further rotation begin, and end when those that are open have ended", f.refuseStop, func(w fleet.Word) { f.p.Stopped, f.p.Paused = &w, nil }},
	} {
		err := workflow.SetUpdateHandlerWithOptions(f.root, h.update, func(ctx workflow.Context, say fleet.Say) (fleet.Status, error) {
			h.do(fleet.Word{Reason: say.Reason, By: say.By, At: workflow.Now(ctx)})
			f.show()
			return f.status(), nil
		}, workflow.UpdateHandlerOptions{Description: h.description, Validator: func(workflow.Context, fleet.Say) error { return refusal(h.refuse()) }})
		if err != nil {
			return err
		}
	}
	return workflow.SetUpdateHandlerWithOptions(f.root, fleet.UpdateSpeed, func(_ workflow.Context, speed fleet.Speed) (fleet.Status, error) {
		f.order.Limits = speed.On(f.order.Limits)
		f.show()
		return f.status(), nil
	}, workflow.UpdateHandlerOptions{
		Description: "change how many rotations are open at once, in total, at one target and at one store, and how many may fail",
		Validator: func(_ workflow.Context, speed fleet.Speed) error {
			if f.over {
				return refusal("the fleet is over")
			}
			return refusal(speed.On(f.order.Limits).Problem())
		},
	})
}

func refusal(text string) error {
	if text == "" {
		return nil
	}
	return rotation.Errorf(rotation.Permanent, "%s", text)
}

func (f *fleetRun) refusePause() string {
	switch {
	case f.over || f.p.Stopped != nil:
		return "the fleet is stopping, or over; there is nothing to pause"
	case f.p.Paused != nil:
		return "the fleet is paused already"
	}
	return ""
}

func (f *fleetRun) refuseResume() string {
	if f.p.Paused == nil {
		return "the fleet is not paused"
	}
	return ""
}

func (f *fleetRun) refuseStop() string {
	if f.over || f.p.Stopped != nil {
		return "the fleet is stopping already, or over"
	}
	return ""
}

func (f *fleetRun) canaryFailed() bool { return f.p.Tally.Failures() > 0 }

func (f *fleetRun) state() fleet.State {
	switch {
	case f.over && f.p.Stopped != nil:
		return fleet.Stopped
	case f.over:
		return fleet.Ended
	case f.p.Stopped != nil:
		return fleet.Stopping
	case f.p.Paused != nil:
		return fleet.Paused
	case !f.p.CanaryOver:
		return fleet.Canary
	}
	return fleet.Running
}

func (f *fleetRun) status() fleet.Status {
	s := fleet.Status{
		Name: f.order.Name, State: f.state(), Selected: f.order.Selected(), Tally: f.p.Tally, Open: len(f.open), Busy: len(f.p.Busy),
		Limits: f.order.Limits, Began: f.p.Began, Ended: f.ended, Paused: f.p.Paused, Stopped: f.p.Stopped, Recent: f.p.Recent, Runs: f.p.Runs,
	}
	s.Doing = s.Words()
	return s
}

// show says in the Web UI how the fleet stands; it costs no event.
func (f *fleetRun) show() {
	s := f.status()
	text := s.Doing
	if len(s.Recent) > 0 {
		text += "\n\nThe latest failures:\n"
		for _, r := range s.Recent {
			text += fmt.Sprintf("\n- `%s` of %s in %s: **%s** %s", r.Secret, r.Store, r.Region, r.Outcome, r.Text)
		}
	}
	workflow.SetCurrentDetails(f.root, strings.TrimSpace(text))
}
