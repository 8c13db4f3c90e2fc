package payload

import (
	"context"
	"fmt"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Check looks whether the latest workflows that a query finds can be read with the keys, as far as Temporal gives an answer. The error
// is about the first that can't.
func (k *Keys) Check(ctx context.Context, c client.Client, namespace, query string) error {
	const looked = 20
	list, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace, PageSize: looked, Query: query})
	if err != nil {
		return nil
	}
	for _, w := range list.GetExecutions() {
		id, run := w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId()
		events := c.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		if !events.HasNext() {
			continue
		}
		first, err := events.Next()
		if err != nil {
			continue
		}
		if _, err := k.Codec().Decode(first.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads()); IsUnreadable(err) {
			return fmt.Errorf("workflow %s: %w", id, err)
		}
	}
	return nil
}
