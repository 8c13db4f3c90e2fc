package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"rotor/internal/payload"
	"rotor/internal/rotation"
	"rotor/workflows"
)

const (
	// checksAtOnce is how many secrets are checked side by side.
	checksAtOnce = 8
	// checkPatience bounds one check, whatever its worker does.
	checkPatience = 5 * time.Minute
	// workerPatience is how long a check may wait before it is asked whether anybody polls the task queue.
	workerPatience = 2 * time.Second
)

// CheckReport is what check prints with --output json.
type CheckReport struct {
	// Fine says whether every secret is.
	Fine   bool
	Checks []SecretCheck
	// Unchecked are those that no worker has checked (plan --check).
	Unchecked []UncheckedEntry `json:",omitempty"`
}

// UncheckedEntry is an entry of a manifest that no worker has checked. TaskQueue is the one on which it was tried.
type UncheckedEntry struct{ Secret, Store, Region, TaskQueue string }

// SecretCheck is the check of one secret.
type SecretCheck struct {
	Fine bool
	// WorkflowID and RunID are absent where nothing was started.
	WorkflowID string `json:",omitempty"`
	RunID      string `json:",omitempty"`
	rotation.Check
}

// checkCall is one call of check.
type checkCall struct {
	*app
	connection
	requestFlags
	now    bool
	output *word
	client client.Client
}

func (a *app) checkCommand() *cobra.Command {
	c := &checkCall{app: a}
	cmd := &cobra.Command{
		Use:   "check SECRET... --region REGION",
		Short: "Find out what a rotation would meet and do, without changing anything",
		Long: `check has a worker look at secrets and their databases as a rotation would: documents, versions, logins and their TLS, the
admin's rights, names, password policies, the standby account. It says what is wrong and what to do, and lists the statements
and API calls that a rotation would make. It changes nothing. SECRET is a name or an ARN; the flags are those of rotate.

Exit codes: 0 a rotation of each secret would be let begin (there may be warnings), 1 of at least one it would be Refused,
2 wrong command line, no connection or no worker, 130 Ctrl-C.`,
		Example: `  starter check orders/db --region cn-hangzhou
  starter check orders/db carts/db users/db --region cn-hangzhou --output json
  starter check --payload request.json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	c.requestFlags.bind(cmd)
	for _, name := range []string{"on-failure", "patience"} { // a check neither fails half-way nor tries long
		_ = cmd.Flags().MarkHidden(name) // fails for a flag that does not exist only
	}
	cmd.Flags().BoolVar(&c.now, "now", false, "check for a rotation with --now: the grace time does not count")
	c.output = outputFlag(cmd)
	c.connection.bind(cmd)
	return cmd
}

func (c *checkCall) run(cmd *cobra.Command, args []string) error {
	if len(args) > 1 && c.payload != "" {
		return usagef("--payload has one request; give one SECRET at most with it")
	}
	if len(args) == 0 {
		args = []string{""}
	}
	requests := make([]rotation.Request, len(args))
	for i, secret := range args {
		var given []string
		if secret != "" || len(args) > 1 {
			given = []string{secret}
		}
		req, err := c.requestFlags.request(cmd, c.Stdin, given)
		if err != nil {
			return err
		}
		if cmd.Flags().Changed("now") {
			req.Now = c.now
		}
		requests[i] = req
	}
	checks, err := c.all(cmd.Context(), requests)
	if err != nil {
		return err
	}
	return c.tell(checks)
}

// all checks the secrets side by side. What is wrong with a request is said without a worker.
func (c *checkCall) all(ctx context.Context, requests []rotation.Request) ([]SecretCheck, error) {
	checks := make([]SecretCheck, len(requests))
	var valid []int
	for i, req := range requests {
		whole, err := req.Validate()
		var e *rotation.Error
		if errors.As(rotation.Named(rotation.FindingRequest, err), &e) {
			checks[i].Check = rotation.Check{Store: whole.Store, Region: whole.RegionId, Secret: whole.SecretName, Findings: []rotation.Finding{rotation.FindingOf(e)}, At: time.Now()}
			continue
		}
		requests[i] = whole
		valid = append(valid, i)
	}
	if len(valid) == 0 {
		return checks, nil
	}
	temporal, err := c.dial(ctx, &c.connection)
	if err != nil {
		return nil, err
	}
	defer temporal.Close()
	c.client = temporal
	group, within := errgroup.WithContext(ctx)
	// One goroutine looks for workers.
	group.SetLimit(checksAtOnce + 1)
	answered := make(chan struct{})
	heard := sync.OnceFunc(func() { close(answered) })
	group.Go(func() error { return mustPoll(within, c.client, c.queue, answered, "nothing was checked") })
	for _, i := range valid {
		group.Go(func() (err error) {
			checks[i], err = c.one(within, requests[i])
			heard()
			return err
		})
	}
	err = group.Wait()
	if ctx.Err() != nil {
		return nil, &exitError{ExitInterrupted, errors.New("interrupted; checks change nothing, so nothing is left")}
	}
	return checks, err
}

// mustPoll gives an error if nothing is answered and no worker polls the task queue.
func mustPoll(ctx context.Context, c client.Client, queue string, answered <-chan struct{}, nothing string) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-answered:
			return nil
		case <-time.After(workerPatience):
		}
		d, err := c.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
		if err == nil && len(d.GetPollers()) == 0 {
			return usagef("no worker polls task queue %s, so %s; start one: worker --task-queue %s", queue, nothing, queue)
		}
	}
}

// one checks one secret. A check that is given up is ended, so that it does not begin when nobody waits for it any more.
func (c *checkCall) one(ctx context.Context, req rotation.Request) (SecretCheck, error) {
	run, err := c.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "check/" + strings.ToLower(rand.Text()), TaskQueue: c.queue, StaticSummary: workflows.CheckSummary(req),
		WorkflowExecutionTimeout: checkPatience, WorkflowTaskTimeout: c.taskTimeout,
	}, rotation.CheckWorkflowType, req)
	if err != nil {
		return SecretCheck{}, c.explain(ctx, "start the check in", err)
	}
	found := SecretCheck{WorkflowID: run.GetID(), RunID: run.GetRunID()}
	if err := run.Get(ctx, &found.Check); err != nil {
		if payload.IsUnreadable(err) {
			return found, c.explain(ctx, "read the check in", err)
		}
		if ctx.Err() != nil {
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), workerPatience)
			defer cancel()
			_ = c.client.TerminateWorkflow(ending, run.GetID(), run.GetRunID(), "nobody waits for the check any more")
			return found, ctx.Err()
		}
		return found, failf("the check of secret %s (workflow %s) had no result within %s; is the worker that polls task queue %s of this version, and alive?",
			req.Name(), run.GetID(), checkPatience, c.queue)
	}
	found.Fine = found.Check.Fine()
	return found, nil
}

// tell prints the checks, and gives the exit code.
func (c *checkCall) tell(checks []SecretCheck) error {
	report := CheckReport{Fine: !slices.ContainsFunc(checks, func(one SecretCheck) bool { return !one.Fine }), Checks: checks}
	code := ExitOK
	if !report.Fine {
		code = ExitRefused
	}
	if !c.output.forPeople() {
		return errors.Join(c.print(c.output, report), exit(code))
	}
	fine := 0
	for i, one := range checks {
		if i > 0 {
			c.printf("\n")
		}
		c.tellCheck(one.Check)
		if one.Fine {
			fine++
		}
	}
	if len(checks) > 1 {
		c.printf("\n%d secrets: %d fine, %d not.\n", len(checks), fine, len(checks)-fine)
	}
	return exit(code)
}
