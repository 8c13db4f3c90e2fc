package cli

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"

	"rotor/internal/fleet"
)

// FleetRow is what fleet status prints for each fleet with --output json, where none is named.
type FleetRow struct {
	Name    string
	Started time.Time
	Ended   time.Time `json:",omitzero"`
	// Closed is Temporal's word for how it ended, absent while it is open.
	Closed string `json:",omitempty"`
}

func (a *app) fleetStatusCommand() *cobra.Command {
	c := &fleetCall{app: a}
	var wait bool
	cmd := &cobra.Command{
		Use:   "status [FLEET]",
		Short: "Show how far a fleet is, or list the fleets",
		Long: `status shows how far a fleet is, and the latest of its failures; --watch stays until it is over, or has paused itself. Without a name it
lists the fleets that Temporal still knows.

` + fleetExits,
		Example: `  starter fleet status
  starter fleet status tonight
  starter fleet status tonight --watch`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneFleet(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			if len(args) == 0 {
				args = []string{""}
			}
			if err := c.open(ctx, args[0]); err != nil {
				return err
			}
			defer c.client.Close()
			switch {
			case c.name == "":
				return c.list(ctx)
			case wait:
				return c.follow(ctx)
			}
			status, err := c.look(ctx)
			if errors.Is(err, errNoWorker) {
				return failf("%w", err)
			}
			if err != nil {
				return err
			}
			if !c.output.forPeople() {
				return c.print(c.output, status)
			}
			c.printFleet(status)
			return nil
		},
	}
	cmd.Flags().BoolVarP(&wait, "watch", "w", false, "show how far it is until it is over")
	c.output = outputFlag(cmd)
	c.connection.bind(cmd)
	_ = cmd.Flags().MarkHidden("task-queue") // taken, so that the flags of one command fit another
	return cmd
}

// printFleet tells people how a fleet stands.
func (c *fleetCall) printFleet(s fleet.Status) {
	colour := green
	if s.Tally.Failures() > 0 || s.State == fleet.Paused || s.State == fleet.Stopped {
		colour = yellow
	}
	took := shortDuration(time.Since(s.Began)) + " ago"
	if !s.Ended.IsZero() {
		took = "took " + shortDuration(s.Ended.Sub(s.Began))
	}
	c.printf("Fleet %s: %s\n", s.Name, c.paint(colour, s.Doing))
	c.printf("  began %s, %s; %d at once", s.Began.UTC().Format(time.RFC3339), took, s.Limits.Parallel)
	for _, bound := range []struct {
		n    int
		text string
	}{{s.Limits.PerTarget, "%d at one target"}, {s.Limits.PerStore, "%d at one store"}, {s.Limits.MaxFailures, "pauses after %d failures"}} {
		if bound.n > 0 {
			c.printf(", "+bound.text, bound.n)
		}
	}
	c.printf("\n")
	for _, f := range s.Recent {
		c.printf("  %s  %s  %s %s: %s\n", c.paint(red, f.Outcome), f.Secret, f.Store, f.Region, f.Text)
	}
	switch {
	case waitsForPerson(s):
		c.printf("A person has to decide: %s fleet resume %s, or %s fleet stop %s%s\n", c.Program, s.Name, c.Program, s.Name, c.where)
	case s.State.Over():
		c.printf("What became of each: %s fleet report %s%s\n", c.Program, s.Name, c.where)
	}
}

// mostFleets is how many are listed.
const mostFleets = 100

func (c *fleetCall) list(ctx context.Context) error {
	page, err := c.client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.options.Namespace, PageSize: mostFleets, Query: "WorkflowType = '" + fleet.WorkflowType + "' AND ExecutionStatus != 'ContinuedAsNew'",
	})
	if err != nil {
		return c.explain(ctx, "look up the fleets in", err)
	}
	rows := []FleetRow{}
	for _, run := range page.GetExecutions() {
		row := FleetRow{Name: fleet.NameIn(run.GetExecution().GetWorkflowId()), Started: run.GetStartTime().AsTime()}
		if run.GetCloseTime() != nil {
			row.Ended, row.Closed = run.GetCloseTime().AsTime(), run.GetStatus().String()
		}
		if row.Name != "" {
			rows = append(rows, row)
		}
	}
	if !c.output.forPeople() {
		return c.print(c.output, rows)
	}
	if len(rows) == 0 {
		c.printf("No fleet is known.\n")
		return nil
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "FLEET\tBEGAN\tSTATE")
	for _, row := range rows {
		state := "open"
		if row.Closed != "" {
			state = row.Closed + " " + row.Ended.UTC().Format(time.RFC3339)
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", row.Name, row.Started.UTC().Format(time.RFC3339), state)
	}
	return w.Flush()
}
