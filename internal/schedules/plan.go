package schedules

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"rotor/internal/rotation"
)

// Step is what a plan has for one secret.
type Step struct {
	// Request names the secret.
	Request rotation.Request
	// Do is what is to be done: Created, Changed, Unchanged or Deleted.
	Do      Done
	Changes []Change
	// Pause is what a person said who paused the schedule, where it stays paused although what is wanted is not; Stays says that it is so.
	Pause string
	Stays bool
	// Err is why it can't be done.
	Err error

	wanted *Wanted
	id     string
	// stale says that nothing differs but the record, which Apply writes anew.
	stale bool
}

// ID is the schedule's.
func (s *Step) ID() string { return s.id }

// When says in words when the schedule is to run; "" where it is to be deleted.
func (s *Step) When() string {
	if s.wanted == nil {
		return ""
	}
	return s.wanted.Rule.Text()
}

// PlanOptions say how to plan.
type PlanOptions struct {
	// Prune deletes the schedules that manifests of these names made and that are not wanted any more. nil: none.
	Prune []string
	// Deep looks at every schedule as a whole, not only at those whose hash or rule differs.
	Deep bool
}

// Plan finds what has to be done so that all is as wanted. It lists the schedules once, and looks only at those that differ. progress
// is told how many it has looked at; it may be nil.
func (c *Client) Plan(ctx context.Context, wanted []Wanted, o PlanOptions, progress func(done, of int)) ([]Step, error) {
	list, err := c.List(ctx)
	if err != nil {
		return nil, err
	}
	there := make(map[string]*Schedule, len(list))
	for i := range list {
		there[list[i].ID] = &list[i]
	}
	steps := make([]Step, len(wanted))
	var look []int
	for i, w := range wanted {
		id := c.ID(w.Request)
		steps[i] = Step{Request: w.Request, Do: Unchanged, wanted: &wanted[i], id: id}
		s := there[id]
		switch {
		case s == nil:
			steps[i].Do = Created
			// Its id may be taken by something that is no schedule of rotations; that shows when it is made.
		case o.Deep || !c.looksAlike(s, w):
			look = append(look, i)
		}
		if s != nil && s.Paused && w.Pausing == NotByManifest {
			if stays, said := pause(true, s.note, w.Pausing); stays {
				steps[i].Stays, steps[i].Pause = true, said
			}
		}
		delete(there, id)
	}
	if err := c.compareAll(ctx, steps, look, progress); err != nil {
		return nil, err
	}
	for i := range list {
		s := &list[i]
		if there[s.ID] == nil || !s.Record.madeBy(o.Prune) {
			continue
		}
		step := Step{Request: s.Request(), Do: Deleted, id: s.ID}
		if s.fromMemo {
			switch r, err := c.recordNow(ctx, s.ID); {
			case errors.Is(err, ErrNone):
				continue
			case err != nil:
				return nil, err
			case r == nil:
				step.Err = ErrUnknownKeeper
			case !r.madeBy(o.Prune):
				continue
			}
		}
		steps = append(steps, step)
	}
	return steps, nil
}

// ErrUnknownKeeper says that a schedule was changed since it was made, and that its note no longer says by what it is kept.
var ErrUnknownKeeper = errors.New("the schedule does not say any more by what it is kept")

// recordNow looks at a schedule of which a list does not tell by what it is kept now.
func (c *Client) recordNow(ctx context.Context, id string) (r *Record, err error) {
	err = c.patiently(ctx, func() error {
		d, err := c.Temporal.ScheduleClient().GetHandle(ctx, id).Describe(ctx)
		if err == nil {
			r = c.recordOf(d)
		}
		return err
	})
	return r, none(err)
}

// compareAll looks at the schedules of some steps, several at once.
func (c *Client) compareAll(ctx context.Context, steps []Step, look []int, progress func(done, of int)) error {
	return c.each(ctx, len(look), progress, func(ctx context.Context, n int) error {
		step := &steps[look[n]]
		list, stale, err := c.compare(ctx, *step.wanted)
		switch {
		case errors.Is(err, ErrNone): // it was deleted meanwhile, or the list is behind
			step.Do = Created
		case errors.Is(err, ErrForeign):
			step.Err = err
		case err != nil:
			return err
		case len(list) > 0:
			step.Do, step.Changes = Changed, list
		default:
			step.stale = stale
		}
		return nil
	})
}

// Apply does what a plan has, several at once, and tells of each step when it is done. A step that can't be done does not keep others
// from being done; its error is in it. The error that it returns is the context's, or that of a server that does not answer any more.
func (c *Client) Apply(ctx context.Context, steps []Step, told func(*Step)) error {
	var mu sync.Mutex
	return c.each(ctx, len(steps), nil, func(ctx context.Context, n int) error {
		step := &steps[n]
		switch {
		case step.Err != nil, step.Do == Unchanged && !step.stale:
		case step.Do == Deleted:
			if err := c.Delete(ctx, step.id); !errors.Is(err, ErrNone) {
				step.Err = err
			}
		default:
			var done Done
			var list []Change
			if done, list, step.Err = c.Put(ctx, *step.wanted); step.Err == nil {
				step.Do, step.Changes = done, list
			}
		}
		if ctx.Err() != nil || Unanswered(step.Err) {
			return cmp.Or(ctx.Err(), step.Err)
		}
		mu.Lock()
		defer mu.Unlock()
		told(step)
		return nil
	})
}

// each calls do for 0 to n-1, several at once, until one fails.
func (c *Client) each(ctx context.Context, n int, progress func(done, of int), do func(ctx context.Context, i int) error) error {
	group, working := errgroup.WithContext(ctx)
	group.SetLimit(c.parallel())
	var done atomic.Int64
	for i := range n {
		if working.Err() != nil {
			break
		}
		group.Go(func() error {
			if err := do(working, i); err != nil {
				return err
			}
			if so := int(done.Add(1)); progress != nil {
				progress(so, n)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}
