package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cli/watch"
	"rotor/internal/rotation"
)

// PastRotation is what history prints for each rotation with --output json.
type PastRotation struct {
	RunID   string
	Started time.Time
	Ended   time.Time `json:",omitzero"`
	Seconds float64   `json:",omitempty"`
	// Outcome is absent while it is open, and where it left none; Closed is Temporal's word for how it ended.
	Outcome rotation.Outcome `json:",omitempty"`
	Closed  string           `json:",omitempty"`
	// By is schedule, or the id of the workflow that started it; absent where it was started by its own id.
	By     string           `json:",omitempty"`
	Reason string           `json:",omitempty"`
	Result *rotation.Result `json:",omitempty"`
}

// historyCall is one call of history.
type historyCall struct {
	*app
	connection
	secretFlags
	limit  int
	output *word
}

func (a *app) historyCommand() *cobra.Command {
	c := &historyCall{app: a}
	cmd := &cobra.Command{
		Use:   "history SECRET --region REGION",
		Short: "Show the past rotations of a secret, the latest first",
		Long: `history shows the rotations of a secret that Temporal still knows (it keeps closed workflows for the namespace's retention time), the
latest first: how long they took, how they ended and why, who started them.

Exit codes: 0 there are some, 1 there are none, 2 wrong command line or no connection.`,
		Example: `  starter history orders/db --region cn-hangzhou
  starter history orders/db --region cn-hangzhou --limit 100 --output json`,
		Args: oneSecret,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd.Context(), args[0]) },
	}
	c.secretFlags.bind(cmd)
	cmd.Flags().IntVar(&c.limit, "limit", 20, "how many at most")
	c.output = tableFlag(cmd)
	c.connection.bind(cmd)
	_ = cmd.Flags().MarkHidden("task-queue") // taken, so that the flags of one command fit another
	cmd.ValidArgsFunction = a.completeSecrets(&c.connection, &c.secretFlags, false)
	return cmd
}

func (c *historyCall) run(ctx context.Context, secret string) error {
	req, err := c.request(secret)
	if err != nil {
		return err
	}
	if c.limit < 1 {
		return usagef("--limit %d: wanted: at least 1", c.limit)
	}
	temporal, err := c.dial(ctx, &c.connection)
	if err != nil {
		return err
	}
	defer temporal.Close()
	list, err := c.past(ctx, temporal, req)
	if err != nil {
		return c.explain(ctx, "look up the rotations in", err)
	}
	if len(list) == 0 {
		return failf("no rotation of secret %s of %s in %s is known (closed ones are kept for the namespace's retention time)", req.Name(), req.Store, req.RegionId)
	}
	if !c.output.forPeople() {
		return c.print(c.output, list)
	}
	return c.table(list)
}

// past gives the latest runs of a workflow id.
func (c *historyCall) past(ctx context.Context, temporal client.Client, req rotation.Request) ([]PastRotation, error) {
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: c.options.Namespace, PageSize: int32(min(c.limit, 1000)), Query: "WorkflowId = '" + c.id(req) + "'",
	}
	var runs []*workflowpb.WorkflowExecutionInfo
	for {
		page, err := temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		runs = append(runs, page.GetExecutions()...)
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 || len(runs) >= c.limit {
			break
		}
	}
	slices.SortStableFunc(runs, func(a, b *workflowpb.WorkflowExecutionInfo) int {
		return b.GetStartTime().AsTime().Compare(a.GetStartTime().AsTime())
	})
	runs = runs[:min(len(runs), c.limit)]
	list := make([]PastRotation, len(runs))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(applyAtOnce)
	for i, run := range runs {
		group.Go(func() (err error) {
			list[i], err = c.pastRotation(within, temporal, req, run)
			return err
		})
	}
	return list, group.Wait()
}

func (c *historyCall) pastRotation(ctx context.Context, temporal client.Client, req rotation.Request, run *workflowpb.WorkflowExecutionInfo) (PastRotation, error) {
	p := PastRotation{RunID: run.GetExecution().GetRunId(), Started: run.GetStartTime().AsTime(), By: run.GetParentExecution().GetWorkflowId()}
	if strings.HasPrefix(p.By, c.schedules(temporal).WorkflowID(req)+"-") {
		p.By = "schedule"
	}
	if run.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING {
		return p, nil
	}
	p.Ended, p.Closed = run.GetCloseTime().AsTime(), run.GetStatus().String()
	p.Seconds = p.Ended.Sub(p.Started).Seconds()
	how, err := watch.Ending(ctx, temporal, c.keys.Converter(), run.GetExecution().GetWorkflowId(), p.RunID)
	if err != nil || how == nil {
		return p, err
	}
	p.Outcome, p.Result, p.Reason = rotation.Outcome(how.Outcome()), how.Result, how.Text
	switch {
	case how.Result != nil && how.Result.Reason != nil:
		p.Reason = how.Result.Reason.Text
	case p.Outcome == rotation.Rotated:
		p.Reason = ""
	}
	return p, nil
}

func (c *historyCall) table(list []PastRotation) error {
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "STARTED\tTOOK\t"+c.paint(plain, "OUTCOME")+"\tACCOUNT\tBY\tREASON")
	for _, p := range list {
		took, outcome, account := "-", string(p.Outcome), "-"
		switch {
		case p.Ended.IsZero():
			outcome = "open"
		default:
			took = shortDuration(p.Ended.Sub(p.Started))
			if outcome == "" {
				outcome = p.Closed
			}
		}
		colour := outcomeColour(p.Outcome)
		if p.Ended.IsZero() {
			colour = yellow
		}
		if p.Result != nil && p.Result.Account != "" {
			account = p.Result.Account
		}
		by := p.By
		if by == "" {
			by = "its own id"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Started.UTC().Format(time.RFC3339), took, c.paint(colour, outcome), account, by, p.Reason)
	}
	if err := w.Flush(); err != nil {
		return failf("the table can't be written")
	}
	return nil
}
