// Package fleet has the words of fleets: many secrets that are rotated together, each by its own canonical rotation. It knows neither Temporal nor
// a store.
package fleet

import (
	"time"

	"rotor/internal/rotation"
)

// Names in Temporal.
const (
	WorkflowType     = "RotateFleet"
	PartWorkflowType = "FleetPart"

	UpdatePause  = "pause"
	UpdateResume = "resume"
	UpdateSpeed  = "speed"
	UpdateStop   = "stop"

	// SignalClaim tells a part that its fleet is there, SignalEnd that it is over.
	SignalClaim = "claim"
	SignalEnd   = "end"
)

// MostOpen is how many rotations a fleet has open at once at most, whatever it is asked for: a workflow with more children gets slow.
const MostOpen = 500

// Item is one secret of a fleet.
type Item struct {
	// Request is valid.
	Request rotation.Request
	// Queue is the task queue of the workers that reach the secret, "" for the fleet's own.
	Queue string `json:",omitempty"`
	// Target is where the secret's account is, as far as that is known before anybody has read it; "" if it is not.
	Target string `json:",omitempty"`
}

// Place is the store that an item's calls go to.
func (i Item) Place() string { return i.Request.Store + "/" + i.Request.RegionId }

// Part is the input of the workflow that keeps a part of the selection: 100,000 names don't fit into one.
type Part struct {
	Fleet  string
	Number int
	Items  []Item
}

// Limits are what can be changed while a fleet runs.
type Limits struct {
	// Parallel is how many rotations are open at once.
	Parallel int
	// PerTarget and PerStore are how many of them at one target, and at one store in one region; 0: as many as Parallel.
	PerTarget int `json:",omitempty"`
	PerStore  int `json:",omitempty"`
	// MaxFailures is after how many failures the fleet pauses by itself; 0: never.
	MaxFailures int `json:",omitempty"`
}

// Problem says what is wrong with the limits, "" for nothing.
func (l Limits) Problem() string {
	switch {
	case l.Parallel < 1 || l.Parallel > MostOpen:
		return "Parallel: wanted: 1 to 500"
	case l.PerTarget < 0 || l.PerStore < 0 || l.MaxFailures < 0:
		return "PerTarget, PerStore, MaxFailures: wanted: 0 (no bound) or more"
	}
	return ""
}

// Order is the input of RotateFleet.
type Order struct {
	Name string
	// Parts are how many secrets each part of the selection has.
	Parts  []int
	Limits Limits
	// Canary is how many secrets are rotated first. If one of them fails, no other begins.
	Canary int    `json:",omitempty"`
	By     string `json:",omitempty"`
	// Progress is how far earlier runs of this fleet have come; a fleet that begins has none.
	Progress *Progress `json:",omitempty"`
}

// Selected is how many secrets there are.
func (o Order) Selected() (n int) {
	for _, size := range o.Parts {
		n += size
	}
	return n
}

// Progress is what one run of the workflow hands to the next: counts and places, not results. A secret is named by its place in the selection.
type Progress struct {
	Began time.Time
	// Part is the next part to be read. Of those before, Ready are the secrets that have not begun, Busy those that somebody else was rotating.
	Part  int
	Ready []int `json:",omitempty"`
	Busy  []int `json:",omitempty"`

	Tally Tally
	// Canaries is how many of the canary have begun, CanaryOver that the others may follow.
	Canaries   int  `json:",omitempty"`
	CanaryOver bool `json:",omitempty"`
	// Failing counts failures since the fleet began, or since a person let it go on.
	Failing int      `json:",omitempty"`
	Paused  *Word    `json:",omitempty"`
	Stopped *Word    `json:",omitempty"`
	Recent  []Failed `json:",omitempty"`
	// Runs is how many runs of the workflow there were before.
	Runs int `json:",omitempty"`
}

// Word is what somebody said, or the fleet itself.
type Word struct {
	Reason string
	// By is who, "" for the fleet itself.
	By string `json:",omitempty"`
	At time.Time
}

// Tally counts what became of secrets.
type Tally struct {
	Rotated, RolledBack, Refused, Abandoned int
	// NotRetired are Rotated ones of which the former credential could not be made unusable, as was asked for.
	NotRetired int
	// Stuck are open still: they are parked, or one of their steps has failed for long. The fleet does not wait for them.
	Stuck int
	// NoOutcome are rotations that were terminated or could not be started.
	NoOutcome int
}

// Failures are those that need somebody.
func (t Tally) Failures() int {
	return t.RolledBack + t.Refused + t.Abandoned + t.NotRetired + t.Stuck + t.NoOutcome
}

// Done are all that the fleet has done with.
func (t Tally) Done() int { return t.Rotated + t.Failures() }

// Failed is one that needs somebody.
type Failed struct {
	Secret, Store, Region string
	// Outcome is the rotation's, or NotRetired, Stuck or NoOutcome.
	Outcome string
	Text    string `json:",omitempty"`
}

// What Failed.Outcome and reports say beside the outcomes of rotations.
const (
	NotRetired = "NotRetired"
	Stuck      = "Stuck"
	NoOutcome  = "NoOutcome"
	// NotStarted is for a secret whose turn has not come.
	NotStarted = "NotStarted"
	// Open is for a secret that is being rotated.
	Open = "Open"
)

// State says what a fleet does.
type State string

const (
	// Canary: only the first few are rotated.
	Canary State = "canary"
	// Running: rotations begin as others end.
	Running State = "running"
	// Paused: none begins until somebody says so.
	Paused State = "paused"
	// Stopping: none begins any more; those that are open go to their ends.
	Stopping State = "stopping"
	// Stopped and Ended: it is over.
	Stopped State = "stopped"
	Ended   State = "ended"
)

// Over says that nothing will happen any more.
func (s State) Over() bool { return s == Stopped || s == Ended }

// Status answers the query "status"; the last one is the workflow's result.
type Status struct {
	Name  string
	State State
	// Doing says it in words.
	Doing    string
	Selected int
	Tally    Tally
	// Open are rotations that run; Busy are secrets that somebody else was rotating when their turn came.
	Open, Busy int
	Limits     Limits
	Began      time.Time
	Ended      time.Time `json:",omitzero"`
	// Paused is why, if it is.
	Paused  *Word `json:",omitempty"`
	Stopped *Word `json:",omitempty"`
	// Recent are the latest failures.
	Recent []Failed `json:",omitempty"`
	// Runs is how many runs of the workflow there were before this one.
	Runs int `json:",omitempty"`
}

// Say is the argument of pause, resume and stop.
type Say struct {
	// Reason is why, in words of that person.
	Reason string
	// By is who says so.
	By string `json:",omitempty"`
}

// Speed is the argument of speed; what is absent stays.
type Speed struct {
	// Parallel is how many rotations are open at once.
	Parallel *int `json:",omitempty"`
	// PerTarget and PerStore are how many of them at one target, and at one store in one region; 0: as many as Parallel.
	PerTarget *int `json:",omitempty"`
	PerStore  *int `json:",omitempty"`
	// MaxFailures is after how many failures the fleet pauses by itself; 0: never.
	MaxFailures *int `json:",omitempty"`
	// By is who says so.
	By string `json:",omitempty"`
}

// On gives the limits as they are with the speed.
func (s Speed) On(l Limits) Limits {
	for _, change := range []struct{ from, to *int }{{s.Parallel, &l.Parallel}, {s.PerTarget, &l.PerTarget}, {s.PerStore, &l.PerStore}, {s.MaxFailures, &l.MaxFailures}} {
		if change.from != nil {
			*change.to = *change.from
		}
	}
	return l
}
