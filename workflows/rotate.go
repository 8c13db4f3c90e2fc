package workflows

import (
	"cmp"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/activities"
	"rotor/internal/rotation"
)

// Rotations has the workflows.
type Rotations struct {
	Timing Timing
	// ID hides a workflow id that names a secret, where names are to be hidden; nil: ids stay as they are.
	ID func(string) string
	// Attributes are the search attributes that the namespace has; only these are used.
	Attributes []string
	// StuckAfter is how long one step fails before its rotation counts as stuck; 0: DefaultStuckAfter.
	StuckAfter time.Duration
	// Express runs the steps of a rotation that nothing disturbs as local activities.
	Express bool
	// Watcher is told what becomes of rotations. It may be nil.
	Watcher Watcher
}

// Watcher is told, outside of replays, what becomes of canonical rotations. It must return at once.
type Watcher interface {
	Parked(rotation.Request, rotation.Failure)
	Ended(rotation.Result)
}

// memoDelegated marks a rotation that another RotateSecret started under the canonical id.
const memoDelegated = "rotor-delegated"

// RotateSecret rotates one secret: look, new, set, test, end. Rotated completes it. RolledBack, Refused and Abandoned fail it with an
// ApplicationError of that type, whose details are the Result; a cancelled one rolls back and ends Canceled. One that has neither
// an outcome nor a way to one by itself stays open, parked.
//
// Its canonical id excludes a second rotation of the secret. Whatever id it was started with, only the run of the canonical id
// rotates; another one starts that as its child, or follows it where it is running.
func (r *Rotations) RotateSecret(ctx workflow.Context, req rotation.Request) (*rotation.Result, error) {
	started := workflow.Now(ctx)
	valid, err := req.Validate()
	if err != nil {
		return refuse(&rotation.Result{Secret: req.SecretName, Region: req.RegionId, Store: req.Store, Started: started, Ended: started}, err)
	}
	known, err := r.settle(ctx, valid)
	if err != nil {
		return nil, err
	}
	id := known.ID
	info := workflow.GetInfo(ctx)
	if info.WorkflowExecution.ID != id {
		if info.Memo != nil && info.Memo.Fields[memoDelegated] != nil {
			return refuse(&rotation.Result{Secret: valid.Name(), Region: valid.RegionId, Store: valid.Store, Started: started, Ended: started},
				rotation.Errorf(rotation.Permanent, "the rotation %s was started under another id", id))
		}
		return r.delegate(ctx, known, valid)
	}
	w := &run{root: ctx, live: ctx, timing: r.Timing, watcher: r.Watcher, known: known, req: valid, started: started}
	if err := w.setHandlers(); err != nil {
		return nil, err
	}
	result, err := w.rotate()
	// A handler that is still answering would be lost with the workflow.
	drain, _ := workflow.NewDisconnectedContext(ctx)
	if err := workflow.Await(drain, func() bool { return workflow.AllHandlersFinished(drain) }); err != nil {
		return nil, err
	}
	return result, err
}

// settle puts into history what must stay as it is while the rotation is open: whether names are hidden, and what can be searched for.
func (r *Rotations) settle(ctx workflow.Context, req rotation.Request) (known settled, err error) {
	err = workflow.SideEffect(ctx, func(workflow.Context) any {
		now := settled{ID: req.WorkflowID(), Attributes: r.Attributes, StuckAfter: cmp.Or(r.StuckAfter, DefaultStuckAfter), Express: r.Express}
		if r.ID != nil {
			now.ID = r.ID(now.ID)
		}
		return now
	}).Get(&known)
	return known, err
}

// delegate runs the canonical rotation as a child that outlives this workflow, or follows it if it is running.
func (r *Rotations) delegate(ctx workflow.Context, known settled, req rotation.Request) (*rotation.Result, error) {
	id := known.ID
	status := rotation.Status{State: rotation.StateFollowing, Since: workflow.Now(ctx)}
	say := func(doing string) {
		status.Doing = doing
		workflow.SetCurrentDetails(ctx, doing)
	}
	say("The rotation runs as workflow `" + id + "`, which this one has started. It waits for the outcome; cancelling it cancels that one, too.")
	if err := workflow.SetQueryHandler(ctx, rotation.QueryStatus, func() (rotation.Status, error) { return status, nil }); err != nil {
		return nil, err
	}
	child := r.canonicalChild(ctx, id, req, known.childAttributes(ctx, req))
	result := &rotation.Result{}
	err := workflow.ExecuteChildWorkflow(child, rotation.WorkflowType, req).Get(ctx, result)
	switch {
	case err == nil:
		return result, nil
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		say("The rotation runs as workflow `" + id + "` already. This one waits for its outcome; cancelling it leaves that one alone.")
		return r.follow(ctx, id)
	}
	var failed *temporal.ApplicationError
	var canceled *temporal.CanceledError
	var terminated *temporal.TerminatedError
	switch {
	case errors.As(err, &failed) && read(failed, result):
		return ended(result)
	case errors.As(err, &canceled) && ctx.Err() == nil && read(canceled, result):
		return ended(result)
	case errors.As(err, &terminated):
		return nil, noOutcome(id, "terminated")
	}
	return nil, err
}

// canonicalChild is a context for the canonical rotation as a child that outlives the workflow that starts it.
func (r *Rotations) canonicalChild(ctx workflow.Context, id string, req rotation.Request, attributes temporal.SearchAttributes) workflow.Context {
	return workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            id,
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WaitForCancellation:   true,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowTaskTimeout:   r.Timing.WorkflowTask,
		Memo:                  map[string]any{memoDelegated: workflow.GetInfo(ctx).WorkflowExecution.ID},
		StaticSummary:         Summary(req),
		StaticDetails:         Details(req),
		TypedSearchAttributes: attributes,
	})
}

func noOutcome(id, closed string) error {
	return temporal.NewApplicationError("the rotation "+id+" that this workflow waited for was "+closed+" and left no outcome", "NoOutcome")
}

func (r *Rotations) follow(ctx workflow.Context, id string) (*rotation.Result, error) {
	var followed activities.FollowResult
	var nobody *activities.Follower
	err := workflow.ExecuteActivity(r.Timing.followOptions(ctx, "wait for the rotation "+id), nobody.Follow, activities.FollowInput{WorkflowID: id}).Get(ctx, &followed)
	if err != nil {
		return nil, err
	}
	if followed.Closed != "" {
		return nil, noOutcome(id, followed.Closed)
	}
	return ended(&followed.Result)
}

// ended turns a result into what the workflow returns.
func ended(result *rotation.Result) (*rotation.Result, error) {
	if result.Outcome == rotation.Rotated {
		return result, nil
	}
	text := "secret " + result.Secret
	if result.Reason != nil {
		text = result.Reason.Text
	}
	return nil, temporal.NewNonRetryableApplicationError(text, string(result.Outcome), nil, result)
}

func refuse(result *rotation.Result, err error) (*rotation.Result, error) {
	var e *rotation.Error
	if !errors.As(err, &e) {
		e = rotation.Errorf(rotation.Permanent, "the request can't be read")
	}
	failure := rotation.FailureOf(rotation.StepLook, e)
	result.Outcome, result.Reason = rotation.Refused, &failure
	return ended(result)
}

// Summary says in one line what a rotation is about; it is the workflow's static summary in the Web UI.
func Summary(req rotation.Request) string {
	return "rotate secret " + req.Name() + " of " + req.Store + " in " + req.RegionId
}

// Details say what was asked for, in Markdown; they are the workflow's static details in the Web UI.
func Details(req rotation.Request) string {
	strategy := "as the document says"
	if req.Strategy != "" {
		strategy = "`" + string(req.Strategy) + "`"
	}
	lines := []string{
		"Store: `" + req.Store + "`, region `" + req.RegionId + "`", "Target: `" + req.Target() + "`", "Strategy: " + strategy,
		"If it fails before its test has passed: " + req.OnFailure, "Grace time of a credential: " + req.GraceTime().String(),
	}
	if req.Now {
		lines[4] += ", not waited for (Now)"
	}
	return "- " + strings.Join(lines, "\n- ")
}
