package watch

import (
	"context"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
)

// Ending gives how a closed run ended, from its last event alone; nil if it is open.
func Ending(ctx context.Context, c client.Client, payloads converter.DataConverter, workflowID, runID string) (*Closing, error) {
	t := NewTrail(payloads, workflowID, runID)
	events := c.GetWorkflowHistory(ctx, workflowID, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_CLOSE_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return nil, err
		}
		t.Add(e)
	}
	return t.Closing, nil
}

// Outcome is "" for a run that left none.
func (c *Closing) Outcome() string {
	if c == nil || c.Result == nil {
		return ""
	}
	return string(c.Result.Outcome)
}
