package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"rotor/internal/recurrence"
	"rotor/internal/rotation"
	"rotor/internal/schedules"
)

// ScheduleReport is what schedule prints with --output json, and the part of a report that tells of a schedule.
type ScheduleReport struct {
	ID string
	// Done is created, changed, unchanged or deleted; absent where it was only looked at.
	Done schedules.Done `json:",omitempty"`
	// Changes say what is different now, field by field.
	Changes []schedules.Change `json:",omitempty"`
	// When says in words when it runs.
	When     string `json:",omitempty"`
	TimeZone string `json:",omitempty"`
	Paused   bool   `json:",omitempty"`
	// Note is what was said about a pause.
	Note     string            `json:",omitempty"`
	Next     time.Time         `json:",omitzero"`
	KeptBy   string            `json:",omitempty"`
	Owner    string            `json:",omitempty"`
	Labels   map[string]string `json:",omitempty"`
	Request  *rotation.Request `json:",omitempty"`
	location *time.Location
}

func (r *ScheduleReport) words(now time.Time) string {
	text := r.When
	switch {
	case r.Paused && r.Note != "":
		text += ", paused (" + r.Note + ")"
	case r.Paused:
		text += ", paused"
	case !r.Next.IsZero():
		text += fmt.Sprintf(", next at %s (in %s)", r.Next.In(r.location).Format(time.RFC3339), shortDuration(r.Next.Sub(now)))
	}
	return text
}

// schedules gives the way to the namespace's schedules.
func (c *connection) schedules(temporal client.Client) *schedules.Client {
	return &schedules.Client{Temporal: temporal, Converter: c.options.DataConverter, Hide: c.keys.Hide}
}

// keeper is the way to the schedules for who makes some: it knows the namespace's search attributes.
func (c *connection) keeper(ctx context.Context, temporal client.Client) *schedules.Client {
	keeper := c.schedules(temporal)
	keeper.Attributes = c.keys.Shown(searchAttributes(ctx, temporal, c.options.Namespace))
	return keeper
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
	output    *word
	req       rotation.Request
	client    client.Client
}

func (a *app) scheduleCommand() *cobra.Command {
	c := &scheduleCall{app: a}
	cmd := &cobra.Command{
		Use:   "schedule SECRET --region REGION --every 30d",
		Short: "Rotate a secret regularly",
		Long: `schedule puts a Temporal Schedule on a secret, or changes the one that it has: it can be run again and again. For many secrets, and
for calendars and maintenance windows, there are manifests: see starter apply.

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
	cmd.ValidArgsFunction = a.completeSecrets(&c.connection, &c.secretFlags, false)
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

func (c *scheduleCall) rule() recurrence.Rule {
	return recurrence.Rule{Every: c.every.Duration, Jitter: c.jitter.Duration}
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
	for _, problem := range c.rule().Problems(bounds, cmp.Or(providers[c.req.Store], c.req.Store)) {
		return usagef("--%s %s", cmp.Or(problem.Field, "every"), problem.Text)
	}
	return nil
}

func (c *scheduleCall) delete(ctx context.Context) error {
	keeper := c.schedules(c.client)
	id := keeper.ID(c.req)
	switch err := keeper.Delete(ctx, id); {
	case errors.Is(err, schedules.ErrNone):
		return noSchedule(c.req)
	case errors.Is(err, schedules.ErrForeign):
		return failf("%s", foreign(id))
	case err != nil:
		return c.explain(ctx, "delete the schedule in", err)
	}
	return c.done(&ScheduleReport{ID: id, Done: schedules.Deleted})
}

func noSchedule(req rotation.Request) error {
	return failf("secret %s of %s in %s has no schedule", req.Name(), req.Store, req.RegionId)
}

// put makes the schedule, or makes the one that exists as asked.
func (c *scheduleCall) put(ctx context.Context) error {
	keeper := c.keeper(ctx, c.client)
	wanted := schedules.Wanted{Request: c.req, Rule: c.rule(), Queue: c.queue, TaskTimeout: c.taskTimeout, Made: schedules.MadeByHand}
	if c.pausedSet {
		wanted.Pausing = schedules.Resumed
		if c.paused {
			wanted.Pausing = schedules.Paused
		}
	}
	done, changes, err := keeper.Put(ctx, wanted)
	switch {
	case errors.Is(err, schedules.ErrForeign):
		return failf("%s", foreign(keeper.ID(c.req)))
	case err != nil:
		return c.explain(ctx, "put the schedule into", err)
	}
	r, err := c.describeSchedule(ctx, c.client, c.req)
	if err != nil || r == nil {
		return c.explain(ctx, "look up the schedule in", err)
	}
	r.Done, r.Changes = done, changes
	for _, change := range changes {
		if change.Field == "kept by" && strings.HasPrefix(change.From, "manifest ") {
			c.warn("the schedule was kept by " + change.From + "; if the secret still stands there, the next apply takes it back")
		}
	}
	return c.done(r)
}

func (c *scheduleCall) done(r *ScheduleReport) error {
	if !c.output.forPeople() {
		return c.print(c.output, r)
	}
	c.printf("Schedule %s %s", r.ID, c.paint(green, string(r.Done)))
	if r.When != "" {
		c.printf(": %s", r.words(time.Now()))
	}
	c.printf(".\n")
	for _, change := range r.Changes {
		c.printf("  %s\n", change)
	}
	return nil
}

// describeSchedule gives the schedule of a secret; nil if it has none.
func (c *connection) describeSchedule(ctx context.Context, temporal client.Client, req rotation.Request) (*ScheduleReport, error) {
	d, err := c.schedules(temporal).Describe(ctx, req)
	if errors.Is(err, schedules.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r := scheduleReport(&d.Schedule)
	r.Request = d.Request
	return r, nil
}

func scheduleReport(s *schedules.Schedule) *ScheduleReport {
	r := &ScheduleReport{ID: s.ID, When: s.When, TimeZone: s.TimeZone, Paused: s.Paused, Note: s.Said, Next: s.Next,
		location: recurrence.Rule{TimeZone: s.TimeZone}.Location()}
	if s.Record != nil {
		r.KeptBy, r.Owner, r.Labels = s.Record.KeptBy(), s.Record.Owner, s.Record.Labels
	}
	return r
}
