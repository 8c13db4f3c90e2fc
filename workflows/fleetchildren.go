package workflows

import (
	"errors"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

// nobodysFleet names the fleet's activities; the value is never used.
var nobodysFleet *activities.Fleet

// opened is a secret whose rotation has begun.
type opened struct {
	activities.Ready
	// looked is how often it was open when the fleet looked; stuck says that the fleet does not wait for it any more.
	looked int
	stuck  bool
}

// ask runs an activity of the fleet. They only ask Temporal, so they are tried until it answers.
func (f *fleetRun) ask(ctx workflow.Context, activity any, summary string, in, out any) error {
	return attempt(f.rotations.Timing.followOptions(ctx, summary), rotation.StepLook, activity, in, out)
}

// read reads the next part of the selection.
func (f *fleetRun) read() error {
	part := f.p.Part
	if err := f.readPart(part, nil, &f.ready); err != nil {
		return err
	}
	f.p.Part++
	return nil
}

// restore reads again what the run before had read.
func (f *fleetRun) restore() error {
	ready, err := f.items(f.p.Ready)
	if err != nil {
		return err
	}
	f.ready, f.p.Ready, f.restored = ready, nil, true
	return nil
}

// items reads secrets by their places in the selection, in that order as far as they are of one part.
func (f *fleetRun) items(indexes []int) (items []activities.Ready, err error) {
	for len(indexes) > 0 {
		part, _ := fleet.Find(f.order.Parts, indexes[0])
		var picks, others []int
		for _, index := range indexes {
			if of, within := fleet.Find(f.order.Parts, index); of == part {
				picks = append(picks, within)
			} else {
				others = append(others, index)
			}
		}
		if err := f.readPart(part, picks, &items); err != nil {
			return nil, err
		}
		indexes = others
	}
	return items, nil
}

func (f *fleetRun) readPart(part int, picks []int, into *[]activities.Ready) error {
	var result activities.ReadPartResult
	in := activities.ReadPartInput{Fleet: f.order.Name, Part: part, First: fleet.First(f.order.Parts, part), Picks: picks}
	if err := f.ask(f.live, nobodysFleet.ReadPart, "read whose turn comes", in, &result); err != nil {
		return err
	}
	f.attributes = result.Attributes
	*into = append(*into, result.Items...)
	return nil
}

// start begins the rotation of one that is ready.
func (f *fleetRun) start(i int) {
	o := &opened{Ready: f.ready[i]}
	f.ready = slices.Delete(f.ready, i, i+1)
	f.open = append(f.open, o)
	f.atStore[o.Place()]++
	f.atTarget[o.Target]++
	if !f.p.CanaryOver {
		f.p.Canaries++
	}
	workflow.Go(f.live, func(ctx workflow.Context) {
		f.rotate(ctx, o)
		f.show()
	})
}

func (f *fleetRun) rotate(ctx workflow.Context, o *opened) {
	known := settled{ID: o.ID, Attributes: f.attributes}
	attributes := StartAttributes(f.attributes, o.Request)
	if known.has(rotation.AttributeFleet) {
		attributes = temporal.NewSearchAttributes(attributes.Copy(), keyFleet.ValueSet(f.order.Name))
	}
	ctx = f.rotations.canonicalChild(ctx, o.ID, o.Request, attributes)
	if o.Queue != "" {
		ctx = workflow.WithTaskQueue(ctx, o.Queue)
	}
	result := &rotation.Result{}
	err := workflow.ExecuteChildWorkflow(ctx, rotation.WorkflowType, o.Request).Get(ctx, result)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		f.release(o)
		if !f.p.CanaryOver {
			f.p.Canaries-- // another takes its place
		}
		f.p.Busy = append(f.p.Busy, o.Index)
		return
	}
	var failed *temporal.ApplicationError
	var canceled *temporal.CanceledError
	switch {
	case err == nil:
	case errors.As(err, &failed) && read(failed, result):
	case errors.As(err, &canceled) && read(canceled, result):
	default:
		result = &rotation.Result{Reason: &rotation.Failure{Text: "it left no outcome"}}
	}
	if o.stuck {
		f.forgive(o)
	} else {
		f.release(o)
	}
	f.count(o.Ready, result)
}

// release gives the place of one to another.
func (f *fleetRun) release(o *opened) {
	f.open = slices.DeleteFunc(f.open, func(other *opened) bool { return other == o })
	f.atStore[o.Place()]--
	f.atTarget[o.Target]--
}

// count takes in how a rotation ended.
func (f *fleetRun) count(item activities.Ready, result *rotation.Result) {
	t, word, text := &f.p.Tally, string(result.Outcome), ""
	if result.Reason != nil {
		text = result.Reason.Text
	}
	switch former := result.FormerCredential; {
	case result.Outcome == rotation.Rotated && former != nil && former.Failure != nil:
		t.NotRetired++
		word, text = fleet.NotRetired, former.Failure.Text
	case result.Outcome == rotation.Rotated:
		t.Rotated++
		return
	case result.Outcome == rotation.RolledBack:
		t.RolledBack++
	case result.Outcome == rotation.Refused:
		t.Refused++
	case result.Outcome == rotation.Abandoned:
		t.Abandoned++
	default:
		t.NoOutcome++
		word = fleet.NoOutcome
	}
	f.fail(item, word, text)
}

// mostRecent is how many failures the status names; the report has all.
const mostRecent = 20

// fail notes one that needs somebody, and pauses the fleet where that was the last straw.
func (f *fleetRun) fail(item activities.Ready, word, text string) {
	req := item.Request
	f.p.Recent = append(f.p.Recent, fleet.Failed{Secret: req.Name(), Store: req.Store, Region: req.RegionId, Outcome: word, Text: text})
	f.p.Recent = f.p.Recent[max(0, len(f.p.Recent)-mostRecent):]
	f.p.Failing++
	switch most := f.order.Limits.MaxFailures; {
	case !f.p.CanaryOver:
		f.pause(fleet.Word{Reason: "secret " + req.Name() + " of the canary ended as " + word})
	case most > 0 && f.p.Failing >= most:
		f.pause(fleet.Word{Reason: "as many have failed as may (MaxFailures)"})
	}
}

// forgive takes back that one is stuck.
func (f *fleetRun) forgive(o *opened) {
	f.p.Tally.Stuck--
	f.p.Failing = max(0, f.p.Failing-1)
	f.p.Recent = slices.DeleteFunc(f.p.Recent, func(r fleet.Failed) bool {
		return r.Outcome == fleet.Stuck && r.Secret == o.Request.Name() && r.Store == o.Request.Store && r.Region == o.Request.RegionId
	})
}
