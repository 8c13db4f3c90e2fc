package schedules

import (
	"context"
	"errors"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

// pausedInManifest is what a pause that a manifest made says.
const pausedInManifest = "paused in the manifest"

// pausedByHand is what one that starter schedule made says.
const pausedByHand = "paused with starter schedule"

// pause gives what becomes of a pause, and what is said about it.
func pause(paused bool, note string, p Pausing) (bool, string) {
	said, _ := readNote(note)
	byManifest := strings.HasPrefix(said, pausedInManifest)
	switch {
	case p == Paused && !paused:
		return true, ""
	case paused && (p == Resumed || p == NotByManifest && byManifest), !paused && byManifest:
		return false, ""
	}
	return paused, said
}

// ErrNone says that a secret has no schedule.
var ErrNone = errors.New("there is no schedule")

// Pause pauses a schedule, and says why. What it was made of stays with it. ErrForeign if it starts something else than rotations.
func (c *Client) Pause(ctx context.Context, id, said string) error {
	return c.patch(ctx, id, func(h client.ScheduleHandle, r *Record) error {
		return h.Pause(ctx, client.SchedulePauseOptions{Note: withRecord(said, r)})
	})
}

// Resume lets a paused schedule go on.
func (c *Client) Resume(ctx context.Context, id, said string) error {
	return c.patch(ctx, id, func(h client.ScheduleHandle, r *Record) error {
		return h.Unpause(ctx, client.ScheduleUnpauseOptions{Note: withRecord(said, r)})
	})
}

func withRecord(said string, r *Record) string {
	if r == nil {
		return said
	}
	return note(said, *r)
}

func (c *Client) patch(ctx context.Context, id string, do func(client.ScheduleHandle, *Record) error) error {
	h := c.Temporal.ScheduleClient().GetHandle(ctx, id)
	return none(c.patiently(ctx, func() error {
		d, err := h.Describe(ctx)
		switch {
		case err != nil:
			return err
		case !startsRotations(&d.Schedule):
			return ErrForeign
		}
		return do(h, c.recordOf(d))
	}))
}

// none names the error of a schedule that is not there.
func none(err error) error {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return ErrNone
	}
	return err
}

// recordOf reads a schedule's record: that of the note, else that of the memo. The memo is that of the first who made the schedule: of one
// that was changed since, it may name another, and nothing is known then.
func (c *Client) recordOf(d *client.ScheduleDescription) *Record {
	if _, r := readNote(d.Schedule.State.Note); r != nil {
		return r
	}
	if d.Info.LastUpdateAt.After(d.Info.CreatedAt) {
		return nil
	}
	r, _ := readMemo(c.converter(), d.Memo)
	return r
}

// Delete deletes a schedule. A rotation that runs goes on. ErrForeign if it starts something else than rotations.
func (c *Client) Delete(ctx context.Context, id string) error {
	h := c.Temporal.ScheduleClient().GetHandle(ctx, id)
	lost := false
	err := c.patiently(ctx, func() error {
		d, err := h.Describe(ctx)
		switch {
		case err == nil && !startsRotations(&d.Schedule):
			return ErrForeign
		case err == nil:
			err = h.Delete(ctx)
		}
		err = none(err)
		if lost && errors.Is(err, ErrNone) {
			return nil // deleted by a call whose answer was lost
		}
		lost = lost || Unanswered(err)
		return err
	})
	return err
}
