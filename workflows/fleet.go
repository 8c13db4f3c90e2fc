package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

// RotateFleet rotates many secrets, each by its canonical rotation as a child: a canary first, then so many at once, until the selection is at its
// end. It pauses by itself where too much fails, and otherwise completes, whatever became of the secrets: its result counts them, and RotorFleet
// finds each one's rotation. Before its history gets long it waits until no child is open and continues as a new run.
//
// A secret that somebody else is rotating has its turn at the end again. One that is stuck, which may be so for days, frees its place.
func (r *Rotations) RotateFleet(ctx workflow.Context, order fleet.Order) (*fleet.Status, error) {
	f := &fleetRun{rotations: r, root: ctx, order: order, atTarget: map[string]int{}, atStore: map[string]int{}}
	// A cancel is a word to stop. What is open goes on to its end, so nothing runs on the context that is cancelled.
	f.live, _ = workflow.NewDisconnectedContext(ctx)
	if order.Progress != nil {
		f.p = *order.Progress
	} else {
		f.p = fleet.Progress{Began: workflow.Now(ctx), CanaryOver: order.Canary == 0}
	}
	if err := f.setHandlers(); err != nil {
		return nil, err
	}
	again, err := f.run()
	if err != nil {
		return nil, err
	}
	// A handler that is still answering would be lost with this run.
	if err := workflow.Await(f.live, func() bool { return workflow.AllHandlersFinished(f.live) }); err != nil {
		return nil, err
	}
	if again {
		return nil, workflow.NewContinueAsNewError(ctx, fleet.WorkflowType, f.handOver())
	}
	status := f.close()
	if ctx.Err() != nil {
		return nil, temporal.NewCanceledError(*status)
	}
	return status, nil
}

// fleetRun is one run of a fleet.
type fleetRun struct {
	rotations *Rotations
	// live is never cancelled. What people see has to be set on root.
	root, live workflow.Context
	order      fleet.Order
	p          fleet.Progress

	// ready have been read and have not begun; open have begun and hold a place.
	ready []activities.Ready
	open  []*opened
	// restored says that ready has those that the run before had.
	restored          bool
	atTarget, atStore map[string]int
	// attributes are the search attributes that rotations may have.
	attributes []string
	// busyPause grows as secrets stay busy; busyLooks counts.
	busyPause time.Duration
	busyLooks int
	over      bool
	ended     time.Time
}

// lowWater is below how many ready ones another part is read: enough that one slow target does not keep the others waiting.
const lowWater = fleet.MostOpen

// errNotBegun is the error type of a fleet whose selection is not there.
const errNotBegun = "NotBegun"

// move is what a fleet does next.
type move int

const (
	moveNone move = iota
	moveRestore
	moveRead
	moveStart
	moveBusy
	moveAgain
	moveEnd
)

// run moves until the fleet is over, or has to go on in another run.
func (f *fleetRun) run() (again bool, err error) {
	if f.order.Progress == nil {
		if err := f.ask(f.live, nobodysFleet.ClaimParts, "tell the parts of the selection that the fleet is there", f.parts(), nil); err != nil {
			return false, temporal.NewNonRetryableApplicationError(failureOf(err).Text, errNotBegun, nil)
		}
	}
	workflow.Go(f.live, f.watch)
	for {
		var next move
		// The context can't be cancelled.
		_ = workflow.Await(f.live, func() bool {
			next = f.next()
			return next != moveNone
		})
		switch next {
		case moveRestore:
			err = f.restore()
		case moveRead:
			err = f.read()
		case moveStart:
			f.start(f.fitting())
		case moveBusy:
			err = f.turnToBusy()
		case moveAgain:
			return true, nil
		case moveEnd:
			return false, f.ask(f.live, nobodysFleet.EndParts, "let the parts of the selection end", f.parts(), nil)
		}
		if err != nil {
			f.pause(fleet.Word{Reason: failureOf(err).Text})
		}
		f.show()
	}
}

// next decides from what is there alone, so it may be asked any time.
func (f *fleetRun) next() move {
	if f.root.Err() != nil && f.p.Stopped == nil {
		f.p.Stopped = &fleet.Word{Reason: "the workflow was cancelled", At: workflow.Now(f.live)}
		f.show()
	}
	idle := len(f.open) == 0
	read := f.restored && f.p.Part == len(f.order.Parts)
	left := !read || len(f.ready) > 0 || len(f.p.Busy) > 0
	switch {
	case idle && (f.p.Stopped != nil || !left):
		return moveEnd
	case f.p.Stopped != nil:
		return moveNone
	case workflow.GetInfo(f.root).GetContinueAsNewSuggested():
		// Children are drained first: the next run would not hear of their ends.
		if idle {
			return moveAgain
		}
		return moveNone
	case f.p.Paused != nil:
		return moveNone
	case !f.restored:
		return moveRestore
	case !read && len(f.ready) < lowWater:
		return moveRead
	}
	f.judgeCanary(idle)
	switch {
	case f.fitting() >= 0:
		return moveStart
	case read && len(f.ready) == 0 && len(f.p.Busy) > 0:
		return moveBusy
	}
	return moveNone
}

// judgeCanary lets the others follow when all of the canary have ended well; one that did not has paused the fleet.
func (f *fleetRun) judgeCanary(idle bool) {
	if !f.p.CanaryOver && idle && (f.p.Canaries >= f.order.Canary || len(f.ready) == 0) {
		f.p.CanaryOver = true
		f.show()
	}
}

// fitting gives the first that may begin now, -1 for none.
func (f *fleetRun) fitting() int {
	limits := f.order.Limits
	if len(f.open) >= limits.Parallel || !f.p.CanaryOver && f.p.Canaries >= f.order.Canary {
		return -1
	}
	for i, item := range f.ready {
		if (limits.PerStore == 0 || f.atStore[item.Place()] < limits.PerStore) &&
			(limits.PerTarget == 0 || item.Target == "" || f.atTarget[item.Target] < limits.PerTarget) {
			return i
		}
	}
	return -1
}

// pause has the fleet wait for a person.
func (f *fleetRun) pause(why fleet.Word) {
	if f.p.Paused == nil && f.p.Stopped == nil {
		why.At = workflow.Now(f.live)
		f.p.Paused = &why
	}
	f.show()
}

// handOver is the next run's input.
func (f *fleetRun) handOver() fleet.Order {
	if f.restored {
		f.p.Ready = nil
		for _, item := range f.ready {
			f.p.Ready = append(f.p.Ready, item.Index)
		}
	}
	f.p.Runs++
	next := f.order
	next.Progress = &f.p
	return next
}

func (f *fleetRun) close() *fleet.Status {
	f.over, f.ended, f.p.Paused = true, workflow.Now(f.live), nil
	f.show()
	status := f.status()
	return &status
}

func (f *fleetRun) parts() activities.PartsInput {
	return activities.PartsInput{Fleet: f.order.Name, Parts: len(f.order.Parts)}
}

// FleetPart keeps a part of a fleet's selection, which is its input, until the fleet is over. One that no fleet claims ends by itself.
func (r *Rotations) FleetPart(ctx workflow.Context, part fleet.Part) error {
	workflow.SetCurrentDetails(ctx, "It keeps names for workflow `"+fleet.WorkflowID(part.Fleet)+"` to read, and does nothing itself.")
	unclaimed := workflow.NewTimerWithOptions(ctx, unclaimedPart, workflow.TimerOptions{Summary: "end if no fleet claims it"})
	claimed := false
	selector := workflow.NewSelector(ctx)
	selector.AddReceive(workflow.GetSignalChannel(ctx, fleet.SignalClaim), func(channel workflow.ReceiveChannel, _ bool) {
		channel.Receive(ctx, nil)
		claimed = true
	})
	selector.AddReceive(workflow.GetSignalChannel(ctx, fleet.SignalEnd), func(workflow.ReceiveChannel, bool) {})
	selector.AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {})
	selector.AddFuture(unclaimed, func(workflow.Future) {})
	selector.Select(ctx)
	if claimed {
		workflow.GetSignalChannel(ctx, fleet.SignalEnd).Receive(ctx, nil)
	}
	return ctx.Err()
}

// unclaimedPart is longer than a selection takes to be put into Temporal.
const unclaimedPart = time.Hour

// FleetSummary says in one line what a fleet is about.
func FleetSummary(order fleet.Order) string {
	return "rotate the secrets of fleet " + order.Name
}

// FleetAttributes are the search attributes of a fleet itself, of those that the namespace has.
func FleetAttributes(has []string, name string) temporal.SearchAttributes {
	for _, attribute := range has {
		if attribute == rotation.AttributeFleet {
			return temporal.NewSearchAttributes(keyFleet.ValueSet(name))
		}
	}
	return temporal.NewSearchAttributes()
}
