package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"rotor/internal/manifest"
	"rotor/internal/payload"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// runTagged starts a fleet of the secrets that bear the tags.
func (c *fleetStart) runTagged(cmd *cobra.Command) error {
	for _, name := range []string{"file", "label", "target-label"} {
		if cmd.Flags().Changed(name) {
			return usagef("--%s goes with a manifest, and --tag chooses in the store itself; give one of them", name)
		}
	}
	if c.region == "" {
		return usagef("--region is missing: the region of the secrets that bear the tags, like cn-hangzhou")
	}
	tags, err := rotation.ParseTags(c.tags)
	if err != nil {
		return usagef("--tag: %s", err)
	}
	if err := c.check(); err != nil {
		return err
	}
	ctx := cmd.Context()
	if c.client, err = c.dial(ctx, &c.connection); err != nil {
		return err
	}
	defer c.client.Close()
	req := rotation.TaggedRequest{Store: cmp.Or(c.store, rotation.StoreAlibabaKMS), Region: c.region, Tags: tags}
	names, err := c.tagged(ctx, req)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return failf("no secret of store %s in %s bears %s", req.Store, req.Region, tags)
	}
	entries := make([]manifest.Rotation, len(names))
	for i, name := range names {
		if entries[i].Request, err = (rotation.Request{SecretName: name, RegionId: req.Region, Store: req.Store}).Validate(); err != nil {
			return failed(err)
		}
	}
	return c.run(ctx, entries)
}

// tagged has a worker list the secrets, part by part, and gives their names in order.
func (c *fleetStart) tagged(ctx context.Context, req rotation.TaggedRequest) (names []string, err error) {
	for {
		part, err := c.taggedPart(ctx, req)
		if err != nil {
			return nil, err
		}
		names = append(names, part.Secrets...)
		if req.After = part.Next; req.After == "" {
			slices.Sort(names)
			return slices.Compact(names), nil
		}
	}
}

// taggedPart asks for a part of the list. A question that is given up is ended, so that nobody works at it for nothing.
func (c *fleetStart) taggedPart(ctx context.Context, req rotation.TaggedRequest) (part rotation.Tagged, err error) {
	run, err := c.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "tagged/" + strings.ToLower(rand.Text()), TaskQueue: c.queue, StaticSummary: workflows.TaggedSummary(req),
		WorkflowExecutionTimeout: checkPatience, WorkflowTaskTimeout: c.taskTimeout,
	}, rotation.TaggedWorkflowType, req)
	if err != nil {
		return part, c.explain(ctx, "start the list of secrets in", err)
	}
	asking, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		if err := mustPoll(asking, c.client, c.queue, asking.Done(), "nothing was listed"); err != nil {
			stop(err)
		}
	}()
	err = run.Get(asking, &part)
	switch {
	case err == nil && part.Problem != nil:
		return part, failf("%s", part.Problem.Text)
	case err == nil:
		return part, nil
	case payload.IsUnreadable(err):
		return part, c.explain(ctx, "read the list of secrets in", err)
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), workerPatience)
	defer cancel()
	_ = c.client.TerminateWorkflow(ending, run.GetID(), run.GetRunID(), "nobody waits for the list any more") // it is closed, or ends by itself a little later
	if ctx.Err() != nil {
		return part, &exitError{ExitInterrupted, errors.New("interrupted; no fleet was started")}
	}
	if nobody := context.Cause(asking); nobody != nil {
		return part, nobody
	}
	return part, failf("the list of secrets (workflow %s) had no result within %s; is the worker that polls task queue %s of this version, and alive?", run.GetID(), checkPatience, c.queue)
}
