package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"rotor/internal/cli/watch"
	"rotor/internal/rotation"
	"rotor/internal/schedules"
	"rotor/workflows"
)

// What rotate does when a rotation of the secret is running.
const (
	ifRunningFollow = "follow"
	ifRunningWait   = "wait"
	ifRunningFail   = "fail"
)

// rotateCall is one call of rotate.
type rotateCall struct {
	*app
	connection
	requestFlags
	// leaked: somebody knows the credential.
	now, noWait, leaked bool
	ifRunning           word
	set                 setFlags
	output              *word
	req                 rotation.Request
	client              client.Client
}

func (a *app) rotateCommand() *cobra.Command {
	c := &rotateCall{app: a, ifRunning: word{ifRunningFollow, []string{ifRunningFollow, ifRunningWait, ifRunningFail}}}
	cmd := &cobra.Command{
		Use:   "rotate SECRET --region REGION | -f FILE...",
		Short: "Rotate a secret now, and show the steps as they happen; or a set of secrets",
		Long: `rotate starts the rotation of a secret, shows its steps as they happen, and ends with its outcome. SECRET is a name or an ARN.

The rotation runs in Temporal and on workers, not here: Ctrl-C only stops looking.

With -f it rotates the entries of manifests, or those of them that --label, --store and --region choose, --parallel at once, and
ends with the gravest exit code of all. More than 50 are a fleet, which goes on if this ends (see starter fleet): its progress is shown
in place of each outcome, --output json prints its status, and starter fleet report has the outcomes. With --if-running they are
rotated from here, however many they are.

` + exitCodes,
		Example: `  starter rotate orders/db --region cn-hangzhou
  starter rotate orders/db --region cn-hangzhou --now
  starter rotate orders/db --region cn-hangzhou --leaked
  starter rotate orders/db --region cn-hangzhou --if-running fail --output json
  starter rotate -f rotations.yaml --label team=orders --parallel 20
  starter rotate --payload request.json
  echo '{"SecretName": "orders/db", "RegionId": "cn-hangzhou"}' | starter rotate --payload -`,
		Args: atMostSecret,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	c.requestFlags.bind(cmd)
	cmd.Flags().BoolVar(&c.now, "now", false, "rotate although clients may still hold the credential that was current before")
	cmd.Flags().BoolVar(&c.leaked, "leaked", false, "somebody knows the credential: rotate now, make the former one unusable at once, and end its sessions")
	cmd.Flags().BoolVar(&c.noWait, "no-wait", false, "start the rotation and don't wait for it")
	c.set.bind(cmd)
	c.ifRunning.flag(cmd, "if-running", "", "if a rotation of the secret is running: take its outcome, wait for its end and start another, or fail")
	c.output = outputFlag(cmd)
	c.connection.bind(cmd)
	cmd.ValidArgsFunction = a.completeSecrets(&c.connection, &c.secretFlags, false)
	return cmd
}

func (c *rotateCall) run(cmd *cobra.Command, args []string) error {
	if c.noWait && c.ifRunning.value == ifRunningWait {
		return usagef("--no-wait and --if-running wait contradict each other")
	}
	if cmd.Flags().Changed("file") {
		return c.runSet(cmd, args)
	}
	if cmd.Flags().Changed("label") || cmd.Flags().Changed("parallel") {
		return usagef("--label and --parallel go with --file")
	}
	asked, err := c.requestFlags.request(cmd, c.Stdin, args)
	if err != nil {
		return err
	}
	if cmd.Flags().Changed("now") {
		asked.Now = c.now
	}
	if c.leaked {
		for _, other := range []string{"retire-former", "retire-when-idle", "end-sessions"} {
			if cmd.Flags().Changed(other) {
				return usagef("--leaked says what is done with the former credential; leave --%s out", other)
			}
		}
		asked = answerLeak(asked)
	}
	if c.req, err = asked.Validate(); err != nil {
		return c.refused(err)
	}
	ctx := cmd.Context()
	if c.client, err = c.dial(ctx, &c.connection); err != nil {
		return err
	}
	defer c.client.Close()
	return c.rotate(ctx)
}

// answerLeak asks for what a credential that somebody knows needs.
func answerLeak(req rotation.Request) rotation.Request {
	req.Now, req.RetireFormer, req.RetireWhenIdle, req.EndSessions = true, rotation.RetireNow, false, true
	return req
}

// refused is what the workflow would say, without starting one.
func (c *rotateCall) refused(problem error) error {
	failure := rotation.Failure{Kind: rotation.Permanent, Text: problem.Error()}
	var e *rotation.Error
	if errors.As(problem, &e) {
		failure = rotation.FailureOf(rotation.StepLook, e)
	}
	if !c.output.forPeople() {
		err := c.print(c.output, Report{Secret: c.req.SecretName, Store: c.req.Store, Region: c.req.RegionId, State: rotation.StateEnded,
			Outcome: rotation.Refused, Failure: &failure})
		return errors.Join(err, exit(ExitRefused))
	}
	c.printf("%s: %s\n", c.paint(red, string(rotation.Refused)), failure.Text)
	return exit(ExitRefused)
}

func (c *rotateCall) rotate(ctx context.Context) error {
	id := c.id(c.req)
	for {
		run, err := c.start(ctx, id)
		var running *serviceerror.WorkflowExecutionAlreadyStarted
		switch {
		case err == nil:
			return c.started(ctx, run.GetRunID(), "Rotating secret %s of %s in %s.")
		case !errors.As(err, &running):
			return c.explain(ctx, "start the rotation in", err)
		}
		switch c.ifRunning.value {
		case ifRunningFail:
			return failf("a rotation of secret %s is running already; look at it with: %s", c.req.Name(), c.command("describe", c.req))
		case ifRunningFollow:
			c.warnOtherwise(ctx, id, running.RunId)
			return c.started(ctx, running.RunId, "A rotation of secret %s of %s in %s is running already; this is its progress.")
		}
		if err := c.waitFor(ctx, id, running.RunId); err != nil {
			return err
		}
	}
}

func (c *rotateCall) start(ctx context.Context, id string) (client.WorkflowRun, error) {
	return c.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       id,
		TaskQueue:                c.queue,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		// Without it the SDK hands out the running one as if it had just been started.
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            workflows.Summary(c.req),
		StaticDetails:                            workflows.Details(c.req),
		WorkflowTaskTimeout:                      c.taskTimeout,
		TypedSearchAttributes:                    workflows.StartAttributes(c.keys.Shown(searchAttributes(ctx, c.client, c.options.Namespace)), c.req),
	}, rotation.WorkflowType, c.req)
}

// warnOtherwise says what was asked for here that the rotation which is running was not asked for.
func (c *rotateCall) warnOtherwise(ctx context.Context, id, runID string) {
	theirs, err := watch.RequestOf(ctx, c.client, c.keys.Converter(), id, runID)
	if err != nil {
		c.warn("what the rotation that is running was asked for can't be seen; it goes on as it was")
		return
	}
	asked, has := schedules.FieldsOf(&c.req), schedules.FieldsOf(&theirs)
	var list []string
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		// What names the secret is the same, maybe in other words.
		if slices.Contains([]string{"SecretName", "RegionId", "Store"}, name) || asked[name] == has[name] {
			continue
		}
		list = append(list, fmt.Sprintf("%s is %s, not %s", name, cmp.Or(has[name], "not given"), asked[name]))
	}
	if len(list) > 0 {
		c.warn("the rotation that is running was asked for otherwise, and goes on as it was: " + strings.Join(list, "; ") +
			"; for a rotation of your own, wait for its end with --if-running wait")
	}
}

// started goes on with a run that was started, or was found running.
func (c *rotateCall) started(ctx context.Context, runID, text string) error {
	if c.output.forPeople() {
		c.printf(text+"\n", c.req.Name(), c.req.Store, c.req.RegionId)
		c.printf("Workflow %s, run %s\n\n", c.id(c.req), runID)
	}
	if !c.noWait {
		return c.follow(ctx, c.client, &c.connection, c.req, runID, c.output, c.printer())
	}
	if !c.output.forPeople() {
		return c.print(c.output, Report{Secret: c.req.Name(), Store: c.req.Store, Region: c.req.RegionId, WorkflowID: c.id(c.req), RunID: runID,
			State: rotation.StateRunning})
	}
	c.printf("Not waiting for it. Look at it with:\n  %s\n", c.command("describe", c.req))
	return nil
}

// waitFor waits for the end of a rotation that somebody else started.
func (c *rotateCall) waitFor(ctx context.Context, id, runID string) error {
	c.warn(fmt.Sprintf("a rotation of secret %s is running already (run %s); waiting for its end", c.req.Name(), runID))
	f := watch.Follower{Client: c.client, Payloads: c.keys.Converter(), Seen: func(*watch.Snapshot) {}, Warn: c.warn}
	s, err := f.Follow(ctx, id, runID)
	switch {
	case err != nil:
		return c.stopped(ctx, &c.connection, c.req, err)
	case s.Parked:
		c.warn("the running rotation is parked: until a person decides about it, no other one can start")
		return c.finish(c.req, s, c.output)
	}
	return nil
}

// follow shows a rotation until it ends or parks, and gives the exit code that says which.
func (a *app) follow(ctx context.Context, temporal client.Client, c *connection, req rotation.Request, runID string, output *word, p *printer) error {
	seen := p.show
	if !output.forPeople() {
		seen = func(*watch.Snapshot) {}
	}
	f := watch.Follower{Client: temporal, Payloads: c.keys.Converter(), Seen: seen, Warn: func(text string) {
		p.clear()
		a.warn(text)
	}}
	s, err := f.Follow(ctx, c.id(req), runID)
	p.clear()
	if err != nil {
		return a.stopped(ctx, c, req, err)
	}
	if output.forPeople() {
		a.printf("\n")
	}
	return a.finish(req, s, output)
}

func (a *app) finish(req rotation.Request, s *watch.Snapshot, output *word) error {
	if !output.forPeople() {
		return errors.Join(a.print(output, a.report(req, s)), exit(exitCode(s)))
	}
	a.conclude(req, s)
	return exit(exitCode(s))
}

// stopped ends following before the rotation has ended.
func (a *app) stopped(ctx context.Context, c *connection, req rotation.Request, err error) error {
	lookAgain := a.command("describe", req)
	if ctx.Err() != nil {
		return &exitError{ExitInterrupted, fmt.Errorf("detached; the rotation goes on. Look at it with: %s", lookAgain)}
	}
	if errors.Is(err, watch.ErrNoAnswer) {
		return usagef("Temporal at %s has not answered for %s; the rotation may go on. Look at it with: %s", c.options.HostPort,
			2*time.Minute, lookAgain)
	}
	return c.explain(ctx, "follow the rotation in", err)
}
