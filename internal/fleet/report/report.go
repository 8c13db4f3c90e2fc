// Package report tells of every secret of a fleet what became of it, from what Temporal keeps.
package report

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cli/watch"
	"rotor/internal/fleet"
	"rotor/internal/fleet/kept"
	"rotor/internal/payload"
	"rotor/internal/rotation"
)

// Row is one secret of a fleet and what became of it.
type Row struct {
	Secret, Store, Region string
	Target                string `json:",omitempty"`
	// Outcome is the rotation's, or one of fleet's words: NotRetired, Stuck, NoOutcome, NotStarted, Open.
	Outcome string
	// Reason says why it is not Rotated.
	Reason  string    `json:",omitempty"`
	Started time.Time `json:",omitzero"`
	Ended   time.Time `json:",omitzero"`
	// WorkflowID and RunID are the rotation's, absent where there was none.
	WorkflowID string `json:",omitempty"`
	RunID      string `json:",omitempty"`
	// Another says that the rotation was not the fleet's own: somebody else's was running, or came later.
	Another bool `json:",omitempty"`
}

// Reader reads reports.
type Reader struct {
	Temporal  client.Client
	Namespace string
	Payloads  converter.DataConverter
	// ID gives the workflow id of a secret's rotations.
	ID func(rotation.Request) string
}

const (
	// pageSize is Temporal's largest.
	pageSize = 1000
	atOnce   = 16
)

// Read tells of every secret of a fleet what became of it, in the order of the selection. Notes say what could not be found out.
func (r *Reader) Read(ctx context.Context, name string) (rows []Row, notes []string, err error) {
	began, order, err := r.began(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	items, err := r.selection(ctx, order)
	if err != nil {
		return nil, nil, err
	}
	runs, err := r.runs(ctx, name)
	if _, unknown := errors.AsType[*serviceerror.InvalidArgument](err); unknown {
		notes = append(notes, "the namespace lacks the search attribute "+rotation.AttributeFleet+", so the latest rotation of each secret was looked at instead; starter setup registers it")
	} else if err != nil {
		return nil, nil, err
	}
	f := &finder{Reader: r, name: name, began: began, runs: runs}
	rows = make([]Row, len(items))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	var mu sync.Mutex
	unreadable := 0
	for i, item := range items {
		group.Go(func() error {
			row, err := f.row(within, item)
			if payload.IsUnreadable(err) {
				mu.Lock()
				unreadable++
				mu.Unlock()
				err = nil
			}
			rows[i] = row
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	if unreadable > 0 {
		notes = append(notes, fmt.Sprintf("why %d of them failed is encrypted with a key that is not at hand", unreadable))
	}
	return rows, notes, nil
}

// began says when a fleet did, over all its runs.
func (r *Reader) began(ctx context.Context, name string) (time.Time, fleet.Order, error) {
	order, err := kept.Order(ctx, r.Temporal, r.Payloads, name)
	if err != nil {
		return time.Time{}, order, err
	}
	if order.Progress != nil {
		return order.Progress.Began, order, nil
	}
	described, err := r.Temporal.DescribeWorkflowExecution(ctx, fleet.WorkflowID(name), "")
	return described.GetWorkflowExecutionInfo().GetStartTime().AsTime(), order, err
}

// selection reads all parts.
func (r *Reader) selection(ctx context.Context, order fleet.Order) ([]fleet.Item, error) {
	parts := make([]fleet.Part, len(order.Parts))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for n := range parts {
		group.Go(func() (err error) {
			parts[n], err = kept.Part(within, r.Temporal, r.Payloads, order.Name, n)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var items []fleet.Item
	for _, part := range parts {
		items = append(items, part.Items...)
	}
	return items, nil
}

// runs are the fleet's rotations, the latest of each workflow id, as visibility has them.
func (r *Reader) runs(ctx context.Context, name string) (map[string]kept.Seen, error) {
	runs := map[string]kept.Seen{}
	request := &workflowservice.ListWorkflowExecutionsRequest{
		Namespace: r.Namespace, PageSize: pageSize,
		Query: fmt.Sprintf("%s = '%s' AND WorkflowType = '%s'", rotation.AttributeFleet, name, rotation.WorkflowType),
	}
	for {
		page, err := r.Temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, err
		}
		for _, run := range page.GetExecutions() {
			id, seen := run.GetExecution().GetWorkflowId(), kept.Of(run)
			if known, is := runs[id]; !is || seen.Started.After(known.Started) {
				runs[id] = seen
			}
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return runs, nil
		}
	}
}

// finder finds what became of the secrets of one fleet.
type finder struct {
	*Reader
	name  string
	began time.Time
	// runs is nil where the namespace does not know which rotations are the fleet's.
	runs map[string]kept.Seen
}

// row tells what became of one. Visibility lags behind, so what is not over there is asked for itself.
func (r *finder) row(ctx context.Context, item fleet.Item) (Row, error) {
	req := item.Request
	id := r.ID(req)
	seen := r.runs[id]
	row := Row{Secret: req.Name(), Store: req.Store, Region: req.RegionId, Target: item.Target, Outcome: fleet.NotStarted}
	if seen.Closed == "" {
		latest, err := kept.Rotations(ctx, r.Temporal, []string{id})
		if err != nil {
			return row, err
		}
		seen = latest[0]
	}
	if seen.None || !seen.Open && seen.Ended.Before(r.began) {
		return row, nil
	}
	row.WorkflowID, row.RunID, row.Started, row.Ended = id, seen.Run, seen.Started, seen.Ended
	row.Another = seen.Fleet != r.name
	if r.runs == nil {
		row.Another = seen.Started.Before(r.began)
	}
	switch row.Outcome = string(seen.Outcome); {
	case seen.Open && seen.Stuck:
		row.Outcome, row.Reason = fleet.Stuck, "it is parked, or one of its steps has failed for long"
		return row, nil
	case seen.Open:
		row.Outcome = fleet.Open
		return row, nil
	case seen.Outcome == rotation.Rotated && req.RetireFormer != rotation.RetireNow:
		return row, nil
	}
	return r.why(ctx, row)
}

// why reads from the end of a rotation what its search attributes don't tell.
func (r *Reader) why(ctx context.Context, row Row) (Row, error) {
	ending, err := watch.Ending(ctx, r.Temporal, r.Payloads, row.WorkflowID, row.RunID)
	if ending == nil || err != nil {
		return row, err
	}
	if ending.Result == nil {
		row.Outcome, row.Reason = fleet.NoOutcome, ending.Text
		return row, nil
	}
	row.Outcome = string(ending.Result.Outcome)
	if reason := ending.Result.Reason; reason != nil {
		row.Reason = reason.Text
	}
	if former := ending.Result.FormerCredential; ending.Result.Outcome == rotation.Rotated && former != nil && former.Failure != nil {
		row.Outcome, row.Reason = fleet.NotRetired, former.Failure.Text
	}
	return row, nil
}

// Failed are the rows that are not Rotated.
func Failed(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(row Row) bool { return row.Outcome == string(rotation.Rotated) })
}
