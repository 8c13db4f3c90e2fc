package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

const (
	fleetPoll = 500 * time.Millisecond
	// fleetSilence is how long nobody answers before that is said.
	fleetSilence = 5 * time.Second
	// queryPatience is how long one answer is waited for.
	queryPatience = 3 * time.Second
	// plainLine is how often a pipe gets a line, at least.
	plainLine = 30 * time.Second
)

// errNoWorker says that a fleet is open and that no worker answers for it.
var errNoWorker = errors.New("no worker answers")

// look asks a fleet how it stands; one that is over has left its word.
func (c *fleetCall) look(ctx context.Context) (status fleet.Status, err error) {
	id := fleet.WorkflowID(c.name)
	described, err := c.client.DescribeWorkflowExecution(ctx, id, "")
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return status, failf("no fleet %s is known; %s fleet status lists them", c.name, c.Program)
	case err != nil:
		return status, c.explain(ctx, "look up the fleet in", err)
	}
	switch closed := described.GetWorkflowExecutionInfo().GetStatus(); closed {
	case enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		asking, cancel := context.WithTimeout(ctx, queryPatience)
		defer cancel()
		answer, err := c.client.QueryWorkflow(asking, id, "", rotation.QueryStatus)
		if err == nil {
			err = answer.Get(&status)
		}
		if err != nil {
			return status, fmt.Errorf("%w for fleet %s on task queue %s", errNoWorker, c.name, described.GetExecutionConfig().GetTaskQueue().GetName())
		}
		return status, nil
	default:
		err := c.client.GetWorkflow(ctx, id, described.GetWorkflowExecutionInfo().GetExecution().GetRunId()).Get(ctx, &status)
		var canceled *temporal.CanceledError
		if errors.As(err, &canceled) && canceled.HasDetails() {
			err = canceled.Details(&status)
		}
		var app *temporal.ApplicationError
		switch {
		case errors.As(err, &app):
			return status, failf("fleet %s failed: %s", c.name, app.Message())
		case err != nil:
			return status, failf("fleet %s was %s; the rotations that were open went on: %s fleet report %s%s", c.name, closedWord(closed), c.Program, c.name, c.where)
		}
		return status, nil
	}
}

// follow shows how far the fleet is, until it is over, or has paused itself.
func (c *fleetCall) follow(ctx context.Context) error {
	show := &fleetProgress{fleetCall: c, bar: c.progress("rotating", c.output), said: time.Now()}
	defer show.bar.end()
	tick := time.NewTicker(fleetPoll)
	defer tick.Stop()
	silent, warned := time.Time{}, false
	for {
		status, err := c.look(ctx)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, errNoWorker):
			if silent.IsZero() {
				silent = time.Now()
			}
			if !warned && time.Since(silent) > fleetSilence {
				warned = true
				show.bar.end()
				c.warn(err.Error() + "; waiting for one")
			}
		case err != nil:
			return err
		default:
			silent = time.Time{}
			show.show(status)
			if status.State.Over() || waitsForPerson(status) {
				show.bar.end()
				return c.conclude(status)
			}
		}
		select {
		case <-ctx.Done():
			return &exitError{ExitInterrupted, fmt.Errorf("detached; the fleet goes on. Look at it with: %s fleet status %s%s", c.Program, c.name, c.where)}
		case <-tick.C:
		}
	}
}

// waitsForPerson says that the fleet has paused itself and that what was open has ended.
func waitsForPerson(s fleet.Status) bool {
	return s.State == fleet.Paused && s.Paused != nil && s.Paused.By == "" && s.Open == 0
}

// conclude says how a fleet stands when it is not followed any more, and ends with the exit code that tells it.
func (c *fleetCall) conclude(s fleet.Status) error {
	if !c.output.forPeople() {
		return errors.Join(c.print(c.output, s), exit(fleetExit(s)))
	}
	c.printFleet(s)
	return exit(fleetExit(s))
}

// fleetExit is the gravest of all that a fleet tells.
func fleetExit(s fleet.Status) int {
	t := s.Tally
	switch {
	case waitsForPerson(s) || t.Stuck > 0:
		return ExitParked
	case t.RolledBack > 0:
		return ExitRolledBack
	case t.Refused+t.Abandoned+t.NoOutcome > 0 || s.State == fleet.Stopped:
		return ExitRefused
	case t.NotRetired > 0:
		return ExitNotRetired
	}
	return ExitOK
}

// fleetProgress shows a bar on a terminal, and lines elsewhere.
type fleetProgress struct {
	*fleetCall
	bar *progress
	// samples are how many were done when, of the last minute.
	samples []sample
	state   fleet.State
	said    time.Time
	saidOf  int
}

type sample struct {
	at   time.Time
	done int
}

// rateOver is how long is looked back for the rate.
const rateOver = time.Minute

// rate is how many are done a second, 0 where that is not known yet.
func (p *fleetProgress) rate(now time.Time, done int) float64 {
	p.samples = append(p.samples, sample{now, done})
	for len(p.samples) > 2 && now.Sub(p.samples[0].at) > rateOver {
		p.samples = p.samples[1:]
	}
	first := p.samples[0]
	if took := now.Sub(first.at); took >= time.Second && done > first.done {
		return float64(done-first.done) / took.Seconds()
	}
	return 0
}

func (p *fleetProgress) show(s fleet.Status) {
	if !p.output.forPeople() {
		return
	}
	now, done := time.Now(), s.Tally.Done()
	text := fmt.Sprintf("%d of %d, %d open", done, s.Selected, s.Open)
	if failed := s.Tally.Failures(); failed > 0 {
		text += fmt.Sprintf(", %d failed", failed)
	}
	if rate := p.rate(now, done); rate > 0 && s.State == fleet.Running {
		left := time.Duration(float64(s.Selected-done) / rate * float64(time.Second))
		text += fmt.Sprintf(", %.1f a second, about %s left", rate, shortDuration(left.Round(time.Second)))
	}
	if s.State != fleet.Running {
		text += ", " + string(s.State)
	}
	if p.bar.on {
		p.bar.tell(done, s.Selected, text)
		return
	}
	const parts = 20 // a line for each of them
	if s.State != p.state || now.Sub(p.said) > plainLine || (done-p.saidOf)*parts >= max(s.Selected, 1) {
		p.state, p.said, p.saidOf = s.State, now, done
		p.printf("%s\n", text)
	}
}
