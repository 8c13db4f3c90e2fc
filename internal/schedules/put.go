package schedules

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/rotation"
)

// Done says what became of a schedule.
type Done string

const (
	Created   Done = "created"
	Changed   Done = "changed"
	Unchanged Done = "unchanged"
	Deleted   Done = "deleted"
)

// Put makes the schedule of a secret, or makes the one that exists as wanted: what differs is changed, and only that.
func (c *Client) Put(ctx context.Context, w Wanted) (Done, []Change, error) {
	lost := false
	err := c.patiently(ctx, func() error {
		_, err := c.Temporal.ScheduleClient().Create(ctx, client.ScheduleOptions{
			ID: c.ID(w.Request), Spec: specOf(w.Rule, phaseFor(nil, w, time.Now(), c.ID(w.Request))), Action: c.action(w), Overlap: overlap,
			CatchupWindow: w.Rule.CatchUp(), Paused: w.Pausing == Paused, Note: note(w.pauseText(), c.record(w)), Memo: c.memo(w),
		})
		lost = lost || Unanswered(err)
		return err
	})
	switch {
	case err == nil:
		return Created, nil, nil
	case !errors.Is(err, temporal.ErrScheduleAlreadyRunning):
		return "", nil, err
	}
	done, list, err := c.update(ctx, w)
	if lost && done == Unchanged {
		done = Created // by the call whose answer was lost
	}
	return done, list, err
}

// pauseText is what a pause that is made now says.
func (w Wanted) pauseText() string {
	switch {
	case w.Pausing != Paused:
		return ""
	case w.Made == MadeByManifest:
		return pausedInManifest
	}
	return pausedByHand
}

// update changes what is not as wanted.
func (c *Client) update(ctx context.Context, w Wanted) (Done, []Change, error) {
	var list []Change
	lost := false
	err := c.patiently(ctx, func() error {
		now, err := c.updateOnce(ctx, w)
		if !lost || len(now) > 0 {
			list = now // after a lost answer, what differs no longer is what that call has changed
		}
		lost = Unanswered(err)
		return err
	})
	switch {
	case err != nil:
		return "", nil, none(err)
	case len(list) == 0:
		return Unchanged, nil, nil
	}
	return Changed, list, nil
}

func (c *Client) updateOnce(ctx context.Context, w Wanted) (list []Change, err error) {
	err = c.Temporal.ScheduleClient().GetHandle(ctx, c.ID(w.Request)).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			was := &in.Description.Schedule
			if !startsRotations(was) {
				return nil, ErrForeign
			}
			record := c.recordOf(&in.Description)
			if list = c.differences(was, record, w); len(list) == 0 && record != nil && record.Spec == c.hash(w) {
				return nil, temporal.ErrSkipScheduleUpdate
			}
			spec := specOf(w.Rule, phaseFor(was.Spec, w, time.Now(), c.ID(w.Request)))
			was.Spec, was.Action = &spec, c.action(w)
			was.Policy.Overlap, was.Policy.CatchupWindow = overlap, w.Rule.CatchUp()
			paused, said := pause(was.State.Paused, was.State.Note, w.Pausing)
			if paused && !was.State.Paused {
				said = w.pauseText()
			}
			was.State.Paused, was.State.Note = paused, note(said, c.record(w))
			return &client.ScheduleUpdate{Schedule: was}, nil
		},
	})
	return list, err
}

func startsRotations(s *client.Schedule) bool {
	action, ok := s.Action.(*client.ScheduleWorkflowAction)
	return ok && action.Workflow == rotation.WorkflowType
}

// compare looks what Put would do with a schedule that exists. stale says that its record is not that of what is wanted.
func (c *Client) compare(ctx context.Context, w Wanted) (list []Change, stale bool, err error) {
	var d *client.ScheduleDescription
	err = c.patiently(ctx, func() (err error) {
		d, err = c.Temporal.ScheduleClient().GetHandle(ctx, c.ID(w.Request)).Describe(ctx)
		return err
	})
	if err != nil {
		return nil, false, none(err)
	}
	if !startsRotations(&d.Schedule) {
		return nil, false, ErrForeign
	}
	record := c.recordOf(d)
	return c.differences(&d.Schedule, record, w), record == nil || record.Spec != c.hash(w), nil
}
