// Package kept reads what Temporal keeps of fleets: the parts of a selection, and how rotations stand.
package kept

import (
	"context"
	"errors"
	"fmt"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"golang.org/x/sync/errgroup"

	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

// ErrNone says that Temporal does not have it, or no longer.
var ErrNone = errors.New("it is not there")

// Part reads a part of a fleet's selection.
func Part(ctx context.Context, c client.Client, payloads converter.DataConverter, name string, number int) (part fleet.Part, err error) {
	err = input(ctx, c, payloads, fleet.PartID(name, number), &part)
	return part, err
}

// Order reads what a fleet was asked for.
func Order(ctx context.Context, c client.Client, payloads converter.DataConverter, name string) (order fleet.Order, err error) {
	err = input(ctx, c, payloads, fleet.WorkflowID(name), &order)
	return order, err
}

// input reads the input of the latest run of a workflow.
func input(ctx context.Context, c client.Client, payloads converter.DataConverter, id string, into any) error {
	events := c.GetWorkflowHistory(ctx, id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return ErrNone
	}
	first, err := events.Next()
	if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
		return fmt.Errorf("workflow %s: %w", id, ErrNone)
	}
	if err != nil {
		return err
	}
	return payloads.FromPayloads(first.GetWorkflowExecutionStartedEventAttributes().GetInput(), into)
}

// Seen is how the latest rotation of a workflow id stands.
type Seen struct {
	// None: there is none.
	None bool `json:",omitempty"`
	Open bool `json:",omitempty"`
	// Stuck is what the rotation's search attribute says, as far as the namespace has that.
	Stuck bool `json:",omitempty"`
	// Outcome is "" for one that is open, or that left none, or where only its history tells.
	Outcome rotation.Outcome `json:",omitempty"`
	Run     string           `json:",omitempty"`
	// Fleet is the fleet whose rotation it is, "" for nobody's.
	Fleet          string    `json:",omitempty"`
	Started, Ended time.Time `json:",omitzero"`
	// Closed is Temporal's word for how it ended.
	Closed string `json:",omitempty"`
}

// atOnce is how many rotations are looked at together.
const atOnce = 16

// Rotations looks at the latest rotation of each workflow id.
func Rotations(ctx context.Context, c client.Client, ids []string) ([]Seen, error) {
	seen := make([]Seen, len(ids))
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for i, id := range ids {
		group.Go(func() error {
			described, err := c.DescribeWorkflowExecution(within, id, "")
			if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
				seen[i].None = true
				return nil
			}
			if err != nil {
				return err
			}
			seen[i] = Of(described.GetWorkflowExecutionInfo())
			return nil
		})
	}
	return seen, group.Wait()
}

// Of says how a rotation stands.
func Of(info *workflowpb.WorkflowExecutionInfo) Seen {
	attributes := info.GetSearchAttributes().GetIndexedFields()
	s := Seen{
		Open: info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, Run: info.GetExecution().GetRunId(),
		Started: info.GetStartTime().AsTime(), Fleet: text(attributes[rotation.AttributeFleet]),
	}
	if s.Open {
		if stuck := attributes[rotation.AttributeStuck]; stuck != nil {
			// It is a Bool, or the worker would not have started.
			_ = converter.GetDefaultDataConverter().FromPayload(stuck, &s.Stuck)
		}
		return s
	}
	s.Ended, s.Closed = info.GetCloseTime().AsTime(), info.GetStatus().String()
	s.Outcome = rotation.Outcome(text(attributes[rotation.AttributeOutcome]))
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		s.Outcome = rotation.Rotated
	}
	return s
}

func text(p *commonpb.Payload) (value string) {
	if p != nil {
		_ = converter.GetDefaultDataConverter().FromPayload(p, &value) // another type than Keyword is ""
	}
	return value
}
