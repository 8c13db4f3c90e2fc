package model

import (
	"errors"
	"fmt"

	"rotor/activities"
	"rotor/internal/rotation"
)

// Parked is what stands for an outcome where a person would have to decide.
const Parked rotation.Outcome = "parked"

// terminated is a rotation that an operator ended from outside.
const terminated rotation.Outcome = "terminated"

// mostTries is how often a step is tried before its patience has passed; rounds is how often Set is gone back to.
const (
	mostTries  = 4
	mostRounds = 3
)

// course is where one rotation stands: the workflow's part, in the small.
type course struct {
	id  string
	now bool
	// dual asks for strategy dual-password.
	dual bool
	// retired: its former credential\'s retirement has begun.
	retired bool
	step    rotation.Step
	tries   int
	rounds  int
	// forwards counts how often a rollback found no way back.
	forwards int
	outcome  rotation.Outcome
	plan     rotation.Plan

	setStarted, put, putUncertain, endFailed bool
	uncertain                                int
	// before is how the world was when the rotation began.
	before world
	// off is the rule that is done without.
	off Rule
}

func (c course) clone() course { return c }

func (c *course) input() any {
	switch c.step {
	case rotation.StepLook:
		req := rotation.Request{SecretName: secretName, RegionId: "r", Now: c.now}
		if c.dual {
			req.Strategy = rotation.DualPassword
		}
		return activities.LookInput{Version: c.id, Request: req}
	case rotation.StepEnd:
		return activities.EndInput{Plan: c.plan, Uncertain: c.uncertain}
	case rotation.StepRollback:
		in := activities.RollbackInput{Plan: c.plan, SetStarted: c.setStarted, Put: c.put, PutUncertain: c.putUncertain}
		in.SetStarted = in.SetStarted && c.off != KnowsSetStarted || c.off == KnowsSetNotStarted
		return in
	}
	if c.off == OneID && c.step == rotation.StepNew && c.tries > 0 {
		c.plan.Version = fmt.Sprintf("%s, try %d", c.id, c.tries+1)
	}
	return activities.StepInput{Plan: c.plan}
}

// gone says that the attempt of the present step will not answer: it crashed, or it is late.
func (c *course) gone() {
	if c.step == rotation.StepEnd {
		c.endFailed = true
		c.uncertain++
	}
	c.putUncertain = c.putUncertain || c.step == rotation.StepNew
	c.retry(rotation.Errorf(rotation.Retryable, "no answer"))
}

func (c *course) retry(err error) {
	c.tries++
	if c.tries < mostTries || c.step == rotation.StepEnd && c.off != OnlyForwardAfterEnd || c.forwardOnly() {
		return
	}
	c.failed(err)
}

func (c *course) to(step rotation.Step) {
	c.step, c.tries = step, 0
	if step == rotation.StepSet {
		c.setStarted = true
	}
}

// take decides what follows the end of an attempt, as workflows.RotateSecret does.
func (c *course) take(s *state, e *ending) {
	if e.err != nil {
		c.tookError(e.err)
		return
	}
	switch result := e.result.(type) {
	case rotation.Plan:
		c.plan = result
		c.to(rotation.StepNew)
	case activities.NewResult:
		c.put = true
		if c.plan.StalePending != "" && c.off != WaitsOutAttempts {
			s.waitOut(func(a attempt) bool { return a.late })
		}
		c.to(rotation.StepSet)
	case activities.SetResult:
		c.to(rotation.StepTest)
	case activities.TestResult:
		if len(result.Differences) > 0 {
			c.again()
			return
		}
		c.to(rotation.StepEnd)
	case activities.EndResult:
		switch {
		case len(result.Differences) > 0:
			c.again()
		case result.Settle > 0 && c.off != WaitsOutMove:
			s.waitOut(func(a attempt) bool { return a.late && a.step == rotation.StepEnd })
			c.uncertain = 0
			c.to(rotation.StepEnd)
		default:
			c.outcome = rotation.Rotated
		}
	case activities.RollbackResult:
		switch {
		case result.Forward && c.off != GoesForward:
			c.forwards++
			c.to(rotation.StepNew)
		case result.Nothing:
			c.outcome = rotation.Refused
		default:
			c.outcome = rotation.RolledBack
		}
	}
}

func (c *course) again() {
	if c.rounds++; c.rounds == mostRounds {
		c.failed(rotation.Errorf(rotation.Permanent, "not equal"))
		return
	}
	c.to(rotation.StepSet)
}

func (c *course) tookError(err error) {
	var e *rotation.Error
	if c.step == rotation.StepEnd {
		c.endFailed = true
		if errors.As(err, &e) && e.Unanswered {
			c.uncertain++
		}
		if rotation.KindOf(err) != rotation.Conflict && c.off != OnlyForwardAfterEnd {
			c.tries++
			return
		}
	}
	if c.step == rotation.StepNew && errors.As(err, &e) && e.Unanswered {
		c.putUncertain = true
	}
	switch kind := rotation.KindOf(err); {
	case c.forwardOnly() && kind != rotation.Conflict:
		c.tries++
	case kind == rotation.Retryable:
		c.retry(err)
	default:
		c.failed(err)
	}
}

// forwardOnly: the rollback of a single account whose password may have been changed is tried without an end.
func (c *course) forwardOnly() bool {
	return c.step == rotation.StepRollback && c.plan.Strategy == rotation.SingleUser && (c.setStarted || c.plan.Adopted)
}

// failed is what follows a step that was given up.
func (c *course) failed(err error) {
	switch {
	case c.step == rotation.StepLook:
		c.outcome = rotation.Refused
	case c.step == rotation.StepRollback, c.endFailed && c.off != OnlyForwardAfterEnd, c.setStarted && rotation.KindOf(err) == rotation.Conflict && c.plan.Strategy != rotation.SingleUser:
		c.outcome = Parked
	default:
		c.to(rotation.StepRollback)
	}
}

func (c *course) key() string {
	return fmt.Sprintf("%s %t %s %d %d %d %s %t %t %t %d %v", c.id, c.retired, c.step, c.tries, c.rounds, c.forwards, c.outcome, c.setStarted, c.putUncertain, c.endFailed, c.uncertain, c.plan)
}
