package cli

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/fleet"
)

const fleetExits = `Exit codes: 0 all are Rotated (status and report: shown), 1 some are Refused, Abandoned or left no outcome, or the fleet was stopped, or is
not there, 2 wrong command line or no connection, 3 some are RolledBack, 4 the fleet has paused itself, or rotations are stuck, and a
person has to decide, 5 some are Rotated and the former credential not retired as asked, 130 Ctrl-C (the fleet goes on).`

func (a *app) fleetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "fleet",
		Short: "Rotate thousands of secrets in a night, and tell what became of each",
		Long: `fleet rotates the secrets of manifests, as many as there are: first a canary of a few, and if all of these are Rotated, so many at
once until the last one. The fleet is a workflow: it goes on whatever ends here, on workers, and in Temporal. Each secret is rotated
by its own rotation, as starter rotate does it; one that somebody else is rotating has its turn again at the end; one that is parked is
left to a person and keeps no other from its turn.

A fleet pauses by itself when one of the canary fails, or when so many have failed as --max-failures says, and goes on when somebody
says resume.

` + fleetExits,
		Example: `  starter fleet start -f rotations.yaml --canary 5 --parallel 50
  starter fleet start -f rotations.yaml --label team=orders --leaked --name orders-leak
  starter fleet status orders-leak
  starter fleet report orders-leak --output csv > report.csv`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	cmd.AddCommand(a.fleetStartCommand(), a.fleetStatusCommand(), a.fleetPauseCommand(), a.fleetResumeCommand(), a.fleetSpeedCommand(), a.fleetStopCommand(),
		a.fleetReportCommand())
	return cmd
}

// fleetCall is a call about one fleet.
type fleetCall struct {
	*app
	connection
	output *word
	name   string
	client client.Client
}

var fleetName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

func checkFleetName(name string) error {
	if !fleetName.MatchString(name) {
		return usagef("%q is no fleet's name: lower-case letters, digits and ._-, 63 at most", name)
	}
	return nil
}

// oneFleet wants exactly one argument, the fleet.
func oneFleet(cmd *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("%s: one FLEET, the name that fleet start has said; starter fleet status lists them", cmd.CommandPath())
	}
	return checkFleetName(args[0])
}

// open connects and takes the name.
func (c *fleetCall) open(ctx context.Context, name string) (err error) {
	c.name = name
	c.client, err = c.dial(ctx, &c.connection)
	return err
}

// tell sends an update to the fleet, and gives its answer. Between two runs of the fleet's workflow an update may find nobody, so it is sent again.
func (c *fleetCall) tell(ctx context.Context, update string, arg any) (status fleet.Status, err error) {
	patience, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	for attempt := 1; ; attempt++ {
		var handle client.WorkflowUpdateHandle
		handle, err = c.client.UpdateWorkflow(patience, client.UpdateWorkflowOptions{
			WorkflowID: fleet.WorkflowID(c.name), UpdateName: update, Args: []any{arg}, WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = handle.Get(patience, &status)
		}
		var gone *serviceerror.NotFound
		if !errors.As(err, &gone) || attempt == updateAttempts || !c.isOpen(patience) {
			break
		}
	}
	var refused *temporal.ApplicationError
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
		return status, nil
	case errors.As(err, &refused):
		return status, failf("%s is refused: %s", update, refused.Message())
	case errors.As(err, &gone):
		return status, failf("no fleet %s is running; %s fleet status lists them", c.name, c.Program)
	case patience.Err() != nil && ctx.Err() == nil:
		return status, failf("no worker has answered within %s; is one running on the fleet's task queue? What became of it shows: %s fleet status %s%s", answerPatience,
			c.Program, c.name, c.where)
	}
	return status, c.explain(ctx, "reach the fleet in", err)
}

const updateAttempts = 5

func (c *fleetCall) isOpen(ctx context.Context) bool {
	described, err := c.client.DescribeWorkflowExecution(ctx, fleet.WorkflowID(c.name), "")
	return err == nil && described.GetWorkflowExecutionInfo().GetCloseTime() == nil
}

// fleetChange is one call of pause, resume, speed or stop.
type fleetChange struct {
	fleetCall
	reason                                     string
	parallel, perTarget, perStore, maxFailures int
}

func (c *fleetChange) command(use, short, long, example string, run func(cmd *cobra.Command) (fleet.Status, error)) *cobra.Command {
	cmd := &cobra.Command{
		Use: use + " FLEET", Short: short, Long: long + "\n\nExit codes: 0 done, 1 the fleet refuses, or is not there, 2 wrong command line or no connection.", Example: example,
		Args: oneFleet,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(cmd.Context(), args[0]); err != nil {
				return err
			}
			defer c.client.Close()
			status, err := run(cmd)
			if err != nil {
				return err
			}
			if !c.output.forPeople() {
				return c.print(c.output, status)
			}
			c.printf("%s\n", status.Doing)
			return nil
		},
	}
	c.output = outputFlag(cmd)
	c.connection.bind(cmd)
	_ = cmd.Flags().MarkHidden("task-queue") // taken, so that the flags of one command fit another
	return cmd
}

// saying makes a command that tells the fleet something and why.
func (a *app) saying(use, update, short, long, example string) *cobra.Command {
	c := &fleetChange{fleetCall: fleetCall{app: a}}
	cmd := c.command(use, short, long, example, func(cmd *cobra.Command) (fleet.Status, error) {
		return c.tell(cmd.Context(), update, fleet.Say{Reason: strings.Join(strings.Fields(c.reason), " "), By: c.who()})
	})
	cmd.Flags().StringVar(&c.reason, "reason", "", "why; it is shown with the fleet")
	return cmd
}

func (a *app) fleetPauseCommand() *cobra.Command {
	return a.saying("pause", fleet.UpdatePause, "Let no further rotation of a fleet begin until resume", "pause lets no further rotation begin; those that are open go to their ends.",
		`  starter fleet pause tonight --reason "a release"`)
}

func (a *app) fleetResumeCommand() *cobra.Command {
	return a.saying("resume", fleet.UpdateResume, "Let a paused fleet go on", `resume lets a fleet go on that was paused, or has paused itself: after a canary that failed the others follow, and after too many
failures these are counted anew.`, `  starter fleet resume tonight`)
}

func (a *app) fleetStopCommand() *cobra.Command {
	return a.saying("stop", fleet.UpdateStop, "End a fleet when the rotations that are open have ended", `stop lets no further rotation begin. Those that are open go to their ends, then the fleet is over; its report says which have not
had their turn.`, `  starter fleet stop tonight --reason "it was no leak"`)
}

func (a *app) fleetSpeedCommand() *cobra.Command {
	c := &fleetChange{fleetCall: fleetCall{app: a}}
	cmd := c.command("speed", "Change how many rotations of a fleet run at once", `speed changes the limits of a fleet that runs; what is not given stays. Rotations that are open beyond a lower limit go to their ends.`,
		"  starter fleet speed tonight --parallel 100 --per-target 5", func(cmd *cobra.Command) (fleet.Status, error) {
			speed := fleet.Speed{By: c.who()}
			changes := 0
			for _, flag := range []struct {
				name string
				from *int
				to   **int
			}{{"parallel", &c.parallel, &speed.Parallel}, {"per-target", &c.perTarget, &speed.PerTarget}, {"per-store", &c.perStore, &speed.PerStore},
				{"max-failures", &c.maxFailures, &speed.MaxFailures}} {
				if cmd.Flags().Changed(flag.name) {
					*flag.to = flag.from
					changes++
				}
			}
			if changes == 0 {
				return fleet.Status{}, usagef("speed: nothing to change; wanted: --parallel, --per-target, --per-store or --max-failures")
			}
			return c.tell(cmd.Context(), fleet.UpdateSpeed, speed)
		})
	limitFlags(cmd, &c.parallel, &c.perTarget, &c.perStore, &c.maxFailures)
	return cmd
}

func limitFlags(cmd *cobra.Command, parallel, perTarget, perStore, maxFailures *int) {
	flags := cmd.Flags()
	flags.IntVar(parallel, "parallel", fleetAtOnce, fmt.Sprintf("how many rotations are open at once, %d at most", fleet.MostOpen))
	flags.IntVar(perTarget, "per-target", 0, "how many of them at one target, as far as the target is known (see fleet start); 0: no bound")
	flags.IntVar(perStore, "per-store", 0, "how many of them at one store in one region; 0: no bound")
	flags.IntVar(maxFailures, "max-failures", fleetFailures, "pause after so many failures; 0: never")
}

const (
	fleetAtOnce   = 50
	fleetFailures = 20
)
