package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"rotor/internal/cli/watch"
	"rotor/internal/rotation"
)

func (a *app) describeCommand() *cobra.Command {
	var flags secretFlags
	var c connection
	var output *word
	cmd := &cobra.Command{
		Use:   "describe SECRET --region REGION",
		Short: "Show what the rotation of a secret is doing, or how the latest one ended",
		Long: `describe shows the running rotation of a secret, else the latest: step by step, with attempts, the last failure and when the
next try is due. Of a parked one it shows what is wrong and what can be decided. It needs no running worker.

Exit codes: 0 there is a rotation, 1 there is none, 2 wrong command line or no connection.`,
		Example: `  starter describe orders/db --region cn-hangzhou
  starter describe orders/db --region cn-hangzhou --output json
  starter describe acs:kms:cn-hangzhou:1234567890:secret/orders/db`,
		Args: oneSecret,
		RunE: func(cmd *cobra.Command, args []string) error {
			req, err := flags.request(args[0])
			if err != nil {
				return err
			}
			temporal, err := a.dial(cmd.Context(), &c)
			if err != nil {
				return err
			}
			defer temporal.Close()
			return a.describe(cmd.Context(), temporal, &c, req, output)
		},
	}
	flags.bind(cmd)
	output = outputFlag(cmd)
	c.bind(cmd)
	cmd.ValidArgsFunction = a.completeSecrets(&c, &flags, false)
	// Taken, so that the flags of one command fit another, but of no use here.
	_ = cmd.Flags().MarkHidden("task-queue")
	return cmd
}

func (a *app) describe(ctx context.Context, temporal client.Client, c *connection, req rotation.Request, output *word) error {
	s, err := watch.Look(ctx, temporal, c.keys.Converter(), c.id(req), "")
	schedule, noSchedule := c.describeSchedule(ctx, temporal, req)
	if noSchedule != nil && ctx.Err() == nil && !noNamespace(noSchedule) {
		// Not everybody who may look at workflows may look at schedules.
		a.warn("the schedule can't be looked up: Temporal answered " + code(noSchedule))
	}
	if errors.Is(err, watch.ErrNoRotation) {
		if err := c.checkKeys(ctx, temporal); err != nil {
			return err
		}
		return a.neverRotated(req, schedule)
	}
	if err != nil {
		return c.explain(ctx, "look up the rotation in", err)
	}
	if !output.forPeople() {
		r := a.report(req, s)
		r.Schedule = schedule
		return a.print(output, r)
	}
	a.heading(req, s)
	if schedule != nil {
		a.printf("schedule  %s\n", schedule.words(s.At))
	}
	a.printf("\n")
	a.steps(s)
	a.printf("\n")
	switch {
	case s.Closing != nil || s.Parked:
		a.conclude(req, s)
	default:
		a.underWay(s)
	}
	return nil
}

func (a *app) neverRotated(req rotation.Request, schedule *ScheduleReport) error {
	text := ""
	if schedule != nil {
		text = "; its schedule: " + schedule.words(time.Now())
	}
	return failf("no rotation of secret %s of %s in %s is known (closed ones are kept for the namespace's retention time)%s", req.Name(), req.Store,
		req.RegionId, text)
}

func (a *app) heading(req rotation.Request, s *watch.Snapshot) {
	a.printf("secret    %s, store %s, region %s\n", a.paint(bold, req.Name()), req.Store, req.RegionId)
	a.printf("workflow  %s\nrun       %s\n", s.WorkflowID, s.RunID)
	a.printf("started   %s, %s ago\n", s.Started.UTC().Format(time.RFC3339), shortDuration(s.At.Sub(s.Started)))
	if s.Closing != nil {
		a.printf("ended     %s, %s ago\n", s.Closing.At.UTC().Format(time.RFC3339), shortDuration(s.At.Sub(s.Closing.At)))
	}
	if p := s.Plan; p != nil {
		accounts := p.Account
		if p.Standby != "" {
			accounts += " -> " + p.Standby
		}
		a.printf("target    %s at %s, %s: %s\n", p.Target, p.Address, p.Strategy, accounts)
	}
}

// steps prints all of them, the one under way with what its attempts met.
func (a *app) steps(s *watch.Snapshot) {
	marks := s.Marks
	for i, step := range s.Steps {
		for len(marks) > 0 && marks[0].AfterSteps <= i {
			a.printf("  %s\n", marks[0].Text)
			marks = marks[1:]
		}
		if step.State == rotation.StateEnded {
			a.printf("%s\n", a.stepLine(step, s))
			continue
		}
		a.printf("  %-9s%7s  %s\n", step.Step, shortDuration(step.Duration(s.At)), a.paint(bold, openStep(step, s)))
	}
	for _, m := range marks {
		a.printf("  %s\n", m.Text)
	}
}

// openStep says what a step that has not ended is at.
func openStep(step watch.Step, s *watch.Snapshot) string {
	if step.Failed && step.Failure != nil {
		return "failed: " + step.Failure.Text
	}
	if step.State == rotation.StateWaiting {
		return fmt.Sprintf("waiting after %s%s", tries(step.Attempts), again(step.NextTry, s.At))
	}
	if s.Attempt == nil {
		return "running"
	}
	number := step.Attempts + s.Attempt.Number
	if s.Attempt.Started {
		return fmt.Sprintf("attempt %d is running", number)
	}
	if s.Attempt.NextTry.After(s.At) {
		return fmt.Sprintf("attempt %d is due%s", number, again(s.Attempt.NextTry, s.At))
	}
	return fmt.Sprintf("attempt %d waits for a worker", number)
}

// underWay says what an open rotation that nobody has to care about is doing.
func (a *app) underWay(s *watch.Snapshot) {
	timer, waits := s.Waits()
	switch {
	case waits:
		a.printf("%s: %s, until %s.\n", a.paint(yellow, "Waiting"), timer.Why, timer.Until.UTC().Format(time.RFC3339))
	case len(s.Steps) == 0:
		a.printf("%s: no step has begun.\n", a.paint(green, "Running"))
	case s.Steps[len(s.Steps)-1].State == rotation.StateEnded:
		a.printf("%s: step %s has ended, and what follows is under way.\n", a.paint(green, "Running"), s.Steps[len(s.Steps)-1].Step)
	default:
		a.printf("%s: step %s.\n", a.paint(green, "Running"), s.Steps[len(s.Steps)-1].Step)
	}
	if f := failure(s); f != nil {
		a.printf("  last failure: %s\n", reasonText(f))
	}
	if s.Status == nil {
		a.printf("  No worker answers; this is what Temporal itself knows.\n")
	}
}
