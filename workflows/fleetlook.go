package workflows

import (
	"slices"

	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

const (
	// mostLooks is how often a rotation is found open before it counts as stuck, where the namespace does not have the search attribute that says so.
	mostLooks = 30
	// busyAtOnce is how many busy secrets are looked at together.
	busyAtOnce = 200
	stuckText  = "it is parked, or one of its steps has failed for long; starter describe tells more"
)

// watch looks from time to time whether a rotation that is open for long is stuck. Such a one may be open for days, and gives its place to others.
func (f *fleetRun) watch(ctx workflow.Context) {
	for {
		// The context can't be cancelled.
		_ = workflow.Await(ctx, func() bool { return len(f.open) > 0 })
		_ = workflow.NewTimerWithOptions(ctx, firstPauses*f.rotations.Timing.FirstPause, workflow.TimerOptions{Summary: "look for stuck ones"}).Get(ctx, nil)
		var old []*opened
		for _, o := range f.open {
			if o.looked++; o.looked > 1 {
				old = append(old, o)
			}
		}
		if len(old) == 0 {
			continue
		}
		var seen activities.SeeResult
		if err := f.ask(ctx, nobodysFleet.SeeRotations, "look for stuck ones", activities.SeeInput{IDs: idsOf(old)}, &seen); err != nil {
			continue
		}
		for i, s := range seen.Rotations {
			if o := old[i]; slices.Contains(f.open, o) && s.Open && f.isStuck(s.Stuck, o.looked) {
				o.stuck = true
				f.release(o)
				f.countStuck(o.Ready)
			}
		}
		f.show()
	}
}

// isStuck takes the rotation's own word, where it can say it.
func (f *fleetRun) isStuck(says bool, looks int) bool {
	return says || looks > mostLooks && !slices.Contains(f.attributes, rotation.AttributeStuck)
}

func (f *fleetRun) countStuck(item activities.Ready) {
	f.p.Tally.Stuck++
	f.fail(item, fleet.Stuck, stuckText)
}

func idsOf(list []*opened) (ids []string) {
	for _, o := range list {
		ids = append(ids, o.ID)
	}
	return ids
}

// turnToBusy looks at secrets that somebody else was rotating. One that is free has its turn, unless the other's outcome is as good.
func (f *fleetRun) turnToBusy() error {
	f.busyPause = min(max(2*f.busyPause, f.rotations.Timing.FirstPause), firstPauses*f.rotations.Timing.FirstPause)
	// The context can't be cancelled.
	_, _ = workflow.AwaitWithTimeout(f.live, f.busyPause, func() bool {
		return f.p.Paused != nil || f.p.Stopped != nil || f.root.Err() != nil || len(f.p.Busy) == 0
	})
	if f.p.Paused != nil || f.p.Stopped != nil || f.root.Err() != nil {
		return nil
	}
	f.busyLooks++
	batch := slices.Clone(f.p.Busy[:min(busyAtOnce, len(f.p.Busy))])
	items, err := f.items(batch)
	if err != nil {
		return err
	}
	var ids []string
	for _, item := range items {
		ids = append(ids, item.ID)
	}
	var seen activities.SeeResult
	if err := f.ask(f.live, nobodysFleet.SeeRotations, "look at secrets that somebody else was rotating", activities.SeeInput{IDs: ids}, &seen); err != nil {
		return err
	}
	f.p.Busy = f.p.Busy[len(batch):]
	for i, s := range seen.Rotations {
		item := items[i]
		switch {
		case s.Open && f.isStuck(s.Stuck, f.busyLooks):
			f.countStuck(item)
		case s.Open:
			f.p.Busy = append(f.p.Busy, item.Index)
		case s.Outcome == rotation.Rotated && s.Ended.After(f.p.Began) && !item.Request.Now:
			// Another rotation right after that one would be refused because of the grace time.
			f.p.Tally.Rotated++
		default:
			f.ready = append(f.ready, item)
		}
	}
	return nil
}
