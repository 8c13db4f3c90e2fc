package schedules

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"rotor/internal/rotation"
)

// Schedule is what is known of one.
type Schedule struct {
	ID string
	// Store, Region and Secret name the secret.
	Store, Region, Secret string
	// When says in words when it runs, TimeZone in which zone.
	When, TimeZone string
	// Every is the interval; of a calendar, the longest time between two rotations.
	Every  time.Duration
	Paused bool
	// Said is what somebody said about a pause.
	Said string
	// Next is when it is due, Last when it last started a rotation; zero where it is not known.
	Next, Last time.Time
	// Record is nil where somebody else made it.
	Record *Record

	spec *client.ScheduleSpec
	note string
	// fromMemo says that Record is that with which the schedule was made, because the note has none any more.
	fromMemo bool
}

// List gives all schedules of rotations in the namespace, by secret.
func (c *Client) List(ctx context.Context) ([]Schedule, error) {
	var list []Schedule
	err := c.patiently(ctx, func() (err error) {
		list, err = c.listOnce(ctx)
		return err
	})
	return list, err
}

func (c *Client) listOnce(ctx context.Context) ([]Schedule, error) {
	found, err := c.Temporal.ScheduleClient().List(ctx, client.ScheduleListOptions{PageSize: 1000})
	if err != nil {
		return nil, err
	}
	var list []Schedule
	for found.HasNext() {
		entry, err := found.Next()
		if err != nil {
			return nil, err
		}
		if s, ours := c.listed(entry); ours {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Schedule) int {
		return cmp.Or(strings.Compare(a.Secret, b.Secret), strings.Compare(a.Store, b.Store), strings.Compare(a.Region, b.Region))
	})
	return list, nil
}

// listed reads an entry of a list; false if it is no schedule of a secret's.
func (c *Client) listed(e *client.ScheduleListEntry) (Schedule, bool) {
	s := Schedule{ID: e.ID, Paused: e.Paused, spec: e.Spec, note: e.Note}
	if e.WorkflowType.Name != rotation.WorkflowType {
		return s, false
	}
	made, id := readMemo(c.converter(), e.Memo)
	if s.Said, s.Record = readNote(e.Note); s.Record == nil {
		s.Record, s.fromMemo = made, true
	}
	switch parts := strings.SplitN(e.ID, "/", 4); {
	case id != nil:
		s.Store, s.Region, s.Secret = id.Store, id.Region, id.Secret
	case len(parts) == 4 && strings.HasPrefix(e.ID, prefix):
		s.Store, s.Region, s.Secret = parts[1], parts[2], parts[3]
	default:
		return s, false
	}
	s.describe(e.NextActionTimes, e.RecentActions)
	return s, true
}

func (s *Schedule) describe(next []time.Time, recent []client.ScheduleActionResult) {
	window := ""
	if s.Record != nil {
		window = s.Record.Window
	}
	s.When = whenText(s.spec, window)
	if rule, _, ok := ruleOf(s.spec); ok {
		_, s.Every = rule.Gaps()
		s.TimeZone = rule.TimeZone
	}
	if len(next) > 0 && !s.Paused {
		s.Next = next[0]
	}
	if len(recent) > 0 {
		s.Last = recent[len(recent)-1].ActualTime
	}
}

// Request names the schedule's secret.
func (s *Schedule) Request() rotation.Request {
	return rotation.Request{SecretName: s.Secret, RegionId: s.Region, Store: s.Store}
}

// Detail is a schedule with the request that it starts rotations with.
type Detail struct {
	Schedule
	// Request is nil where it can't be read.
	Request *rotation.Request
	Queue   string
}

// Describe looks at the schedule of a secret; ErrNone if it has none.
func (c *Client) Describe(ctx context.Context, req rotation.Request) (*Detail, error) {
	d, err := c.Temporal.ScheduleClient().GetHandle(ctx, c.ID(req)).Describe(ctx)
	if err != nil {
		return nil, none(err)
	}
	detail := &Detail{Schedule: Schedule{
		ID: c.ID(req), Store: req.Store, Region: req.RegionId, Secret: req.Name(), Paused: d.Schedule.State.Paused, Record: c.recordOf(d),
		spec: d.Schedule.Spec, note: d.Schedule.State.Note,
	}}
	detail.Said, _ = readNote(d.Schedule.State.Note)
	detail.describe(d.Info.NextActionTimes, d.Info.RecentActions)
	if action, ok := d.Schedule.Action.(*client.ScheduleWorkflowAction); ok {
		detail.Request, detail.Queue = c.RequestOf(action), action.TaskQueue
	}
	return detail, nil
}

// ErrForeign says that a schedule with the id of a secret's starts something else than rotations.
var ErrForeign = errors.New("the schedule exists, and starts something else than rotations")
