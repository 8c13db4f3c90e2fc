package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/cli/watch"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// resolveCall is one call of resolve.
type resolveCall struct {
	*app
	connection
	secretFlags
	reason  string
	timeout time.Duration
	output  *word
	client  client.Client
}

// answerPatience is how long a decision waits for a worker, unless it is said otherwise.
const answerPatience = time.Minute

var choices = []string{rotation.UpdateRetry, rotation.UpdateRollback, rotation.UpdateAbandon}

func (a *app) resolveCommand() *cobra.Command {
	c := &resolveCall{app: a}
	cmd := &cobra.Command{
		Use:   "resolve SECRET --region REGION retry|rollback|abandon --reason TEXT",
		Short: "Decide about a parked rotation, and see what comes of it",
		Long: `resolve decides about a parked rotation; starter describe shows what is wrong and what can be decided.

  retry     ` + whatDecisionsMean[rotation.UpdateRetry] + `
  rollback  ` + whatDecisionsMean[rotation.UpdateRollback] + `
  abandon   ` + whatDecisionsMean[rotation.UpdateAbandon] + `

The reason and who decided stand in the rotation's result. After that, resolve shows the rotation as rotate does.

` + exitCodes,
		Example: `  starter resolve orders/db --region cn-hangzhou retry --reason "the database is back"
  starter resolve orders/db --region cn-hangzhou rollback --reason "wrong instance"`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) != 2:
				return usagef("resolve: wanted SECRET and one of %s; see %s --help", strings.Join(choices, ", "), cmd.CommandPath())
			case !slices.Contains(choices, args[1]):
				return usagef("resolve: unknown decision %q; available: %s", args[1], strings.Join(choices, ", "))
			}
			return nil
		},
		ValidArgs: choices,
		RunE:      func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0], args[1]) },
	}
	c.secretFlags.bind(cmd)
	cmd.Flags().StringVar(&c.reason, "reason", "", "why; it stands in the result")
	cmd.Flags().DurationVar(&c.timeout, "timeout", answerPatience, "how long to wait for a worker that takes the decision")
	c.output = outputFlag(cmd)
	c.connection.bind(cmd)
	// Taken, so that the flags of one command fit another, but of no use here: the rotation has its own.
	_ = cmd.Flags().MarkHidden("task-queue")
	return cmd
}

func (c *resolveCall) run(ctx context.Context, secret, choice string) (err error) {
	req, err := c.secretFlags.request(secret)
	if err != nil {
		return err
	}
	if strings.TrimSpace(c.reason) == "" {
		return usagef("--reason is missing: say why; it stands in the result")
	}
	if c.timeout <= 0 {
		return usagef("--timeout %s: not more than nothing; wanted a duration, like 1m", c.timeout)
	}
	if c.client, err = c.dial(ctx, &c.connection); err != nil {
		return err
	}
	defer c.client.Close()
	s, err := watch.Look(ctx, c.client, c.keys.Converter(), c.id(req), "")
	switch {
	case errors.Is(err, watch.ErrNoRotation):
		if err := c.checkKeys(ctx, c.client); err != nil {
			return err
		}
		return failf("no rotation of secret %s of %s in %s is known; there is nothing to decide", req.Name(), req.Store, req.RegionId)
	case err != nil:
		return c.explain(ctx, "look up the rotation in", err)
	case s.Closing != nil:
		return failf("the latest rotation of secret %s has ended (%s); there is nothing to decide", req.Name(), endedAs(s))
	}
	if err := c.decide(ctx, req, s, choice); err != nil {
		return err
	}
	if c.output.forPeople() {
		c.printf("Accepted: %s.\n\n", choice)
	}
	p := c.printer()
	p.skip(s)
	return c.follow(ctx, c.client, &c.connection, req, s.RunID, c.output, p)
}

func endedAs(s *watch.Snapshot) string {
	if o := s.Outcome(); o != "" {
		return string(o)
	}
	return strings.ToLower(closedWord(s.Closing.Status))
}

// decide sends the update and waits for the workflow's answer, which needs a worker.
func (c *resolveCall) decide(ctx context.Context, req rotation.Request, s *watch.Snapshot, choice string) error {
	updating, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	go c.warnWithoutAnswer(updating, s.TaskQueue)
	handle, err := c.client.UpdateWorkflow(updating, client.UpdateWorkflowOptions{
		WorkflowID: s.WorkflowID, RunID: s.RunID, UpdateName: choice,
		Args:         []any{workflows.Decide{Reason: c.reason, By: c.who()}},
		WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var decided workflows.Decided
	if err == nil {
		err = handle.Get(updating, &decided)
	}
	// Temporal may notice a little earlier than this process that the time is up.
	var timedOut *client.WorkflowUpdateServiceTimeoutOrCanceledError
	late := updating.Err() != nil || errors.As(err, &timedOut)
	cancel()
	var refused *temporal.ApplicationError
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
		return nil
	case errors.As(err, &refused):
		return failf("%s is refused: %s", choice, refused.Message())
	case errors.As(err, &gone):
		return failf("the rotation of secret %s has ended meanwhile; there is nothing to decide", req.Name())
	case ctx.Err() != nil:
		return &exitError{ExitInterrupted, fmt.Errorf("interrupted; whether the decision arrived shows: %s", c.command("describe", req))}
	case late:
		return failf("no worker has answered within %s%s; nothing is decided yet. When one comes to task queue %s (worker --task-queue %s), Temporal may still "+
			"hand it the decision; what became of it shows: %s", c.timeout, notParked(s), s.TaskQueue, s.TaskQueue, c.command("describe", req))
	}
	return c.explain(ctx, "decide in", err)
}

// notParked says of a rotation that does not look parked that there may be nothing to decide.
func notParked(s *watch.Snapshot) string {
	if s.Parked {
		return ""
	}
	return ", and the rotation does not look parked, so there may be nothing to decide"
}

// warnWithoutAnswer says that nobody answers, once that takes long.
func (c *resolveCall) warnWithoutAnswer(ctx context.Context, queue string) {
	t := time.NewTimer(3 * time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
		c.warn(fmt.Sprintf("no worker has taken the decision yet; waiting up to %s (is one running on the rotation's task queue? worker --task-queue %s)",
			c.timeout, queue))
	}
}

// who decides: the user of this machine, as far as the environment says.
func (a *app) who() string {
	user, _ := a.lookup("USER")
	if user == "" {
		user, _ = a.lookup("LOGNAME")
	}
	host, err := os.Hostname()
	if err != nil || user == "" {
		return user
	}
	return user + "@" + host
}
