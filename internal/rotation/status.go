package rotation

import "time"

// State says what an open rotation is doing, or that it has ended.
type State string

const (
	// StateRunning: a step is running.
	StateRunning State = "running"
	// StateWaiting: a step failed and is tried again later, or something has to be waited out.
	StateWaiting State = "waiting"
	// StateParked: a person has to decide.
	StateParked State = "parked"
	// StateFollowing: another workflow rotates the secret; this one waits for its outcome.
	StateFollowing State = "following"
	// StateEnded: there is an outcome.
	StateEnded State = "ended"
)

// Status answers the query "status": what a rotation has done, is doing, and waits for.
type Status struct {
	State State
	// Doing says it in a sentence.
	Doing string
	// Steps are in the order in which they began; a step that was taken up again stands there again.
	Steps []StepStatus `json:",omitempty"`
	// Failure is the latest, of the present step or of the one that parked the rotation.
	Failure *Failure `json:",omitempty"`
	// Decisions are what a person can decide now; empty unless parked.
	Decisions []string `json:",omitempty"`
	// Means says of each decision what it would do as things are.
	Means map[string]string `json:",omitempty"`
	// Situation is what a parked rotation has left, as it was seen when it parked.
	Situation *Situation `json:",omitempty"`
	Since     time.Time  `json:",omitzero"`
	Plan      *Plan      `json:",omitempty"`
	Result    *Result    `json:",omitempty"`
}

// StepStatus is one step's part of a status.
type StepStatus struct {
	Step    Step
	State   State
	Started time.Time
	Ended   time.Time `json:",omitzero"`
	// Rounds is how often the step was asked for by the workflow; each round has attempts of its own.
	Rounds int
	Failed bool `json:",omitempty"`
	// Said is what the step reported, or what stopped it.
	Said string `json:",omitempty"`
}
