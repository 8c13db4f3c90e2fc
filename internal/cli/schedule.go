package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/recurrence"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// ScheduleReport is what schedule prints with --output json, and the part of a report that tells of a schedule.
type ScheduleReport struct {
	ID string
	// Done is created, changed, unchanged or deleted; absent where it was only looked at.
	Done string `json:",omitempty"`
	// Changes say what is different now, field by field.
	Changes []string          `json:",omitempty"`
	Every   string            `json:",omitempty"`
	Jitter  string            `json:",omitempty"`
	Paused  bool              `json:",omitempty"`
	Note    string            `json:",omitempty"`
	Next    time.Time         `json:",omitzero"`
	Request *rotation.Request `json:",omitempty"`
}

func (r *ScheduleReport) words(now time.Time) string {
	text := "every " + r.Every
	if r.Jitter != "" {
		text += ", up to " + r.Jitter + " later"
	}
	switch {
	case r.Paused && r.Note != "":
		text += ", paused (" + r.Note + ")"
	case r.Paused:
		text += ", paused"
	case !r.Next.IsZero():
		text += fmt.Sprintf(", next at %s (in %s)", r.Next.UTC().Format(time.RFC3339), shortDuration(r.Next.Sub(now)))
	}
	return text
}

// scheduleID and scheduledID name the schedule of a secret, and the workflows that it starts; Temporal adds a time to the latter.
func scheduleID(req rotation.Request) string {
	return "rotor/" + req.Store + "/" + req.RegionId + "/" + req.Name()
}

func scheduledID(req rotation.Request) string {
	return "scheduled/" + req.Store + "/" + req.RegionId + "/" + req.Name()
}

// scheduleCall is one call of schedule.
type scheduleCall struct {
	*app
	connection
	requestFlags
	every, jitter  interval
	paused, remove bool
	// pausedSet says that --paused was given; otherwise a schedule that somebody paused stays so.
	pausedSet bool
	// attributes are the search attributes of the namespace.
	attributes []string
	output     *word
	req        rotation.Request
	client     client.Client
}

func (a *app) scheduleCommand() *cobra.Command {
	c := &scheduleCall{app: a}
	cmd := &cobra.Command{
		Use:   "schedule SECRET --region REGION --every 30d",
		Short: "Rotate a secret regularly",
		Long: `schedule puts a Temporal Schedule on a secret, or changes the one that it has: it can be run again and again.

The first rotation comes one interval after the schedule was made. One that is still running when the next is due makes that one
be skipped. One that was missed while Temporal was down is made up for once. Intervals: 1h to 365d, and in KMS, which keeps
ten versions of a secret, 21h at least (` + minIntervalEnv + ` lowers the bounds).

Exit codes: 0 it is as asked, 1 there is none to delete, or the rotation would be refused, 2 wrong command line or no connection.`,
		Example: `  starter schedule orders/db --region cn-hangzhou --every 30d
  starter schedule orders/db --region cn-hangzhou --every 2d --jitter 30m --grace 6h
  starter schedule orders/db --region cn-hangzhou --every 30d --paused
  starter schedule orders/db --region cn-hangzhou --delete`,
		Args: atMostSecret,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	c.requestFlags.bind(cmd)
	cmd.Flags().Var(&c.every, "every", "interval between two rotations")
	cmd.Flags().Var(&c.jitter, "jitter", "start up to so much later, so that not all schedules start at once")
	cmd.Flags().BoolVar(&c.paused, "paused", false, "pause the schedule; --paused=false lets it go on")
	cmd.Flags().BoolVar(&c.remove, "delete", false, "delete the schedule; a rotation that runs goes on")
	c.output = outputFlag(cmd)
	c.connection.bind(cmd)
	return cmd
}

func (c *scheduleCall) run(cmd *cobra.Command, args []string) error {
	c.pausedSet = cmd.Flags().Changed("paused")
	if err := c.check(); err != nil {
		return err
	}
	asked, err := c.requestFlags.request(cmd, c.Stdin, args)
	if err != nil {
		return err
	}
	if c.req, err = asked.Validate(); err != nil {
		return failf("%s: %w", rotation.Refused, err)
	}
	if err := c.checkRule(); err != nil {
		return err
	}
	if grace := c.req.GraceTime(); !c.remove && c.every.Duration <= grace && c.req.Strategy != rotation.SingleUser && !c.req.Now {
		c.warn(fmt.Sprintf("with two accounts that take turns, every rotation would be refused: --every %s is not longer than the grace time of %s; "+
			"shorten that with --grace", c.every.String(), recurrence.IntervalText(grace)))
	}
	ctx := cmd.Context()
	if c.client, err = c.dial(ctx, &c.connection); err != nil {
		return err
	}
	defer c.client.Close()
	if c.remove {
		return c.delete(ctx)
	}
	c.attributes = searchAttributes(ctx, c.client, c.options.Namespace)
	return c.put(ctx)
}

// check looks at what the command line alone can have wrong.
func (c *scheduleCall) check() error {
	switch {
	case c.remove && (c.every.set || c.jitter.set || c.pausedSet):
		return usagef("--delete goes with neither --every nor --jitter nor --paused")
	case c.remove:
		return nil
	case !c.every.set:
		return usagef("--every is missing: the interval, like 30d (or --delete)")
	}
	return nil
}

// checkRule sees that the store bears the interval.
func (c *scheduleCall) checkRule() error {
	if c.remove {
		return nil
	}
	bounds, err := c.bounds()
	if err != nil {
		return err
	}
	providers, err := c.providers()
	if err != nil {
		return err
	}
	rule := recurrence.Rule{Every: c.every.Duration, Jitter: c.jitter.Duration}
	for _, problem := range rule.Problems(bounds, cmp.Or(providers[c.req.Store], c.req.Store)) {
		return usagef("--%s %s", problem.Field, problem.Text)
	}
	return nil
}

func (c *scheduleCall) delete(ctx context.Context) error {
	id := scheduleID(c.req)
	err := c.client.ScheduleClient().GetHandle(ctx, id).Delete(ctx)
	var missing *serviceerror.NotFound
	switch {
	case errors.As(err, &missing):
		return failf("secret %s of %s in %s has no schedule", c.req.Name(), c.req.Store, c.req.RegionId)
	case err != nil:
		return c.explain(ctx, "delete the schedule in", err)
	}
	return c.done(&ScheduleReport{ID: id, Done: "deleted"})
}

// put makes the schedule, or makes the one that exists as asked.
func (c *scheduleCall) put(ctx context.Context) error {
	done, changes := "created", []string(nil)
	_, err := c.client.ScheduleClient().Create(ctx, client.ScheduleOptions{
		ID: scheduleID(c.req), Spec: c.spec(offset(time.Now(), c.every.Duration)), Action: c.action(),
		Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: c.every.Duration, Paused: c.paused, Note: c.note(),
	})
	if errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		done, changes, err = c.update(ctx)
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit
	}
	if err != nil {
		return c.explain(ctx, "put the schedule into", err)
	}
	r, err := describeSchedule(ctx, c.client, c.req)
	if err != nil || r == nil {
		return c.explain(ctx, "look up the schedule in", err)
	}
	r.Done, r.Changes = done, changes
	return c.done(r)
}

// offset lets the interval begin now: Temporal counts intervals from 1970, all in step with each other.
func offset(now time.Time, every time.Duration) time.Duration {
	return time.Duration(now.Unix()) * time.Second % every
}

func (c *scheduleCall) spec(offset time.Duration) client.ScheduleSpec {
	return client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: c.every.Duration, Offset: offset}}, Jitter: c.jitter.Duration}
}

func (c *scheduleCall) action() *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: scheduledID(c.req), Workflow: rotation.WorkflowType, Args: []any{c.req}, TaskQueue: c.queue, StaticSummary: workflows.Summary(c.req),
		WorkflowTaskTimeout: c.taskTimeout, TypedSearchAttributes: workflows.StartAttributes(c.attributes, c.req),
	}
}

func (c *scheduleCall) note() string {
	if c.paused {
		return "paused with starter schedule"
	}
	return ""
}

// update changes what is not as asked, and only that.
func (c *scheduleCall) update(ctx context.Context) (done string, changes []string, err error) {
	err = c.client.ScheduleClient().GetHandle(ctx, scheduleID(c.req)).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			was := &in.Description.Schedule
			if action, ok := was.Action.(*client.ScheduleWorkflowAction); !ok || action.Workflow != rotation.WorkflowType {
				return nil, failf("the schedule %s exists, and starts something else than rotations", scheduleID(c.req))
			}
			if changes = c.differences(was); len(changes) == 0 {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			begin := offset(time.Now(), c.every.Duration)
			if every, begun, ok := intervalOf(was.Spec); ok && every == c.every.Duration {
				begin = begun
			}
			spec := c.spec(begin)
			was.Spec, was.Action = &spec, c.action()
			was.Policy.Overlap, was.Policy.CatchupWindow = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, c.every.Duration
			if c.pausedSet {
				was.State.Paused, was.State.Note = c.paused, c.note()
			}
			return &client.ScheduleUpdate{Schedule: was}, nil
		},
	})
	if err == nil && len(changes) == 0 {
		return "unchanged", nil, nil
	}
	return "changed", changes, err
}

// differences between the schedule and what is asked.
func (c *scheduleCall) differences(was *client.Schedule) (list []string) {
	differ := func(what, from, to string) {
		if from != to {
			list = append(list, fmt.Sprintf("%s: %s -> %s", what, from, to))
		}
	}
	every, _, ok := intervalOf(was.Spec)
	from := recurrence.IntervalText(every)
	if !ok {
		from = "a calendar"
	}
	differ("every", from, c.every.String())
	differ("jitter", recurrence.IntervalText(was.Spec.Jitter), recurrence.IntervalText(c.jitter.Duration))
	differ("overlap", was.Policy.Overlap.String(), enumspb.SCHEDULE_OVERLAP_POLICY_SKIP.String())
	differ("catch-up window", recurrence.IntervalText(was.Policy.CatchupWindow), recurrence.IntervalText(c.every.Duration))
	if c.pausedSet {
		differ("paused", fmt.Sprint(was.State.Paused), fmt.Sprint(c.paused))
	}
	action := was.Action.(*client.ScheduleWorkflowAction)
	differ("task queue", action.TaskQueue, c.queue)
	differ("workflow id", action.ID, scheduledID(c.req))
	differ("workflow task timeout", recurrence.IntervalText(action.WorkflowTaskTimeout), recurrence.IntervalText(c.taskTimeout))
	differ("search attributes", attributesText(action.TypedSearchAttributes), attributesText(c.action().TypedSearchAttributes))
	before, now := fieldsOf(requestOf(action)), fieldsOf(&c.req)
	names := maps.Clone(before)
	maps.Copy(names, now)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		differ("request, "+name, cmp.Or(before[name], "none"), cmp.Or(now[name], "none"))
	}
	return list
}

// attributesText writes search attributes as text.
func attributesText(attributes temporal.SearchAttributes) string {
	var words []string
	for key, value := range attributes.GetUntypedValues() {
		words = append(words, fmt.Sprintf("%s=%v", key.GetName(), value))
	}
	slices.Sort(words)
	return cmp.Or(strings.Join(words, ", "), "none")
}

func intervalOf(spec *client.ScheduleSpec) (every, offset time.Duration, ok bool) {
	if spec == nil || len(spec.Intervals) != 1 || len(spec.Calendars) > 0 || len(spec.CronExpressions) > 0 {
		return 0, 0, false
	}
	return spec.Intervals[0].Every, spec.Intervals[0].Offset, true
}

// requestOf reads the request that a schedule starts rotations with; nil if it can't be read.
func requestOf(action *client.ScheduleWorkflowAction) *rotation.Request {
	if len(action.Args) != 1 {
		return nil
	}
	payload, ok := action.Args[0].(*commonpb.Payload)
	var req rotation.Request
	if !ok || converter.GetDefaultDataConverter().FromPayload(payload, &req) != nil {
		return nil
	}
	return &req
}

// fieldsOf writes the fields of a request that are not empty as text.
func fieldsOf(req *rotation.Request) map[string]string {
	fields := map[string]string{}
	var raw map[string]json.RawMessage
	data, err := json.Marshal(req)
	if err != nil || json.Unmarshal(data, &raw) != nil {
		return fields // of a request that can't be read, nothing is known
	}
	for name, value := range raw {
		fields[name] = strings.Trim(string(value), `"`)
	}
	return fields
}

func (c *scheduleCall) done(r *ScheduleReport) error {
	if c.output.value == outputJSON {
		return c.printJSON(r)
	}
	c.printf("Schedule %s %s", r.ID, c.paint(green, r.Done))
	if r.Every != "" {
		c.printf(": %s", r.words(time.Now()))
	}
	c.printf(".\n")
	for _, change := range r.Changes {
		c.printf("  %s\n", change)
	}
	return nil
}

// describeSchedule gives the schedule of a secret; nil if it has none.
func describeSchedule(ctx context.Context, c client.Client, req rotation.Request) (*ScheduleReport, error) {
	d, err := c.ScheduleClient().GetHandle(ctx, scheduleID(req)).Describe(ctx)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := &ScheduleReport{ID: scheduleID(req), Every: "by a calendar", Paused: d.Schedule.State.Paused, Note: d.Schedule.State.Note}
	if every, _, ok := intervalOf(d.Schedule.Spec); ok {
		r.Every = recurrence.IntervalText(every)
	}
	if d.Schedule.Spec.Jitter > 0 {
		r.Jitter = recurrence.IntervalText(d.Schedule.Spec.Jitter)
	}
	if action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction); ok {
		r.Request = requestOf(action)
	}
	if next := d.Info.NextActionTimes; len(next) > 0 && !r.Paused {
		r.Next = next[0]
	}
	return r, nil
}
