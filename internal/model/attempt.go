package model

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"rotor/activities"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/target"
)

// attempt is one run of a step that has not ended: what it was asked, and what it has been told so far. It is advanced by running
// the step's own code from the start, over the answers that it has had.
type attempt struct {
	number   int
	rotation int
	step     rotation.Step
	input    any
	log      []response
	// next is the call that it would make next.
	next string
	// late attempts have been given up; they still run.
	late bool
}

func (a attempt) clone() attempt {
	a.log = slices.Clone(a.log)
	return a
}

// plan is what the step was asked to go by; Look has none.
func (a *attempt) plan() rotation.Plan {
	switch in := a.input.(type) {
	case activities.RetireInput:
		return in.Plan
	case activities.EndInput:
		return in.Plan
	case activities.RollbackInput:
		return in.Plan
	case activities.StepInput:
		return in.Plan
	}
	return rotation.Plan{}
}

// ending is how an attempt ended.
type ending struct {
	result any
	err    error
}

// advance carries out the next call of the attempt on the world. It returns nil while the attempt goes on.
func (a *attempt) advance(w *world, f fault) *ending {
	return a.run(&port{w: w, a: a, fault: f})
}

// begin runs the attempt up to its first call.
func (a *attempt) begin(w *world) *ending {
	return a.run(&port{w: w, a: a, applied: true})
}

func (a *attempt) run(p *port) (end *ending) {
	defer func() {
		if r := recover(); r != nil {
			s, ok := r.(stop)
			if !ok {
				panic(r)
			}
			a.next, end = s.call, nil
		}
	}()
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[:], uint64(a.number))
	steps := &activities.Rotation{
		Stores:         map[string]secretstore.Store{rotation.StoreAlibabaKMS: p},
		Targets:        map[string]target.Target{rotation.TargetMySQL: targetPort{p}},
		Random:         rand.NewChaCha8(seed),
		Now:            func() time.Time { return now },
		Pause:          func(context.Context, time.Duration) error { return nil },
		LongestAttempt: time.Minute,
	}
	ctx := context.Background()
	switch in := a.input.(type) {
	case activities.LookInput:
		return ended(steps.Look(ctx, in))
	case activities.RetireInput:
		return ended(steps.Retire(ctx, in))
	case activities.EndInput:
		return ended(steps.End(ctx, in))
	case activities.RollbackInput:
		return ended(steps.Rollback(ctx, in))
	case activities.StepInput:
		switch a.step {
		case rotation.StepNew:
			return ended(steps.New(ctx, in))
		case rotation.StepSet:
			return ended(steps.Set(ctx, in))
		case rotation.StepTest:
			return ended(steps.Test(ctx, in))
		}
	}
	panic("unknown step")
}

func ended[R any](result R, err error) *ending { return &ending{result, err} }
