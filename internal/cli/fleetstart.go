package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"rotor/internal/fleet"
	"rotor/internal/manifest"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// fleetStart is one call of fleet start.
type fleetStart struct {
	fleetCall
	manifestFlags
	leaked, now, noWait bool
	canary, targetLabel string
	tags                []string
	limits              fleet.Limits
}

// defaultTargetLabel is the label of entries that names where their accounts are.
const defaultTargetLabel = "target"

func (a *app) fleetStartCommand() *cobra.Command {
	c := &fleetStart{fleetCall: fleetCall{app: a}}
	var name string
	cmd := &cobra.Command{
		Use:   "start -f FILE... | --region REGION --tag KEY=VALUE...",
		Short: "Rotate the secrets of manifests, or those with tags, a canary first, and show how far it is",
		Long: `start puts the entries of manifests, or those of them that --label, --store and --region choose, into Temporal, starts a fleet, and
shows how far it is until it is over, or has paused itself. Ctrl-C only stops looking.

With --tag the selection comes from the store: all secrets of --store in --region that bear the tags, except those that are scheduled for
deletion. A worker lists their names; how each is rotated its document says.

What --per-target counts is known before a rotation looks where an entry has an instance, or a label that names the target
(--target-label). Beyond that each worker bounds how many steps are at one database at once (ROTOR_MAX_PER_TARGET).

` + fleetExits,
		Example: `  starter fleet start -f rotations.yaml
  starter fleet start -f rotations.yaml --label team=orders --canary 2% --parallel 100 --per-target 5
  starter fleet start -f rotations.yaml --leaked --name the-leak --max-failures 0
  starter fleet start --store aws-secrets-manager --region eu-central-1 --tag team=orders --tag env=prod`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c.name = name
			if len(c.tags) > 0 {
				return c.runTagged(cmd)
			}
			found, err := c.readManifest(&c.manifestFlags, c.output)
			if err != nil {
				return err
			}
			entries := c.chosen(found)
			if len(entries) == 0 {
				return failf("no entry has %s", cmp.Or(c.choice.words(), "a secret"))
			}
			return c.run(cmd.Context(), entries)
		},
	}
	c.manifestFlags.bind(cmd)
	flags := cmd.Flags()
	flags.StringVar(&name, "name", "", "name of the fleet (default: one with the time); no two have the same")
	flags.BoolVar(&c.leaked, "leaked", false, "somebody knows the credentials: rotate now, make the former ones unusable at once, and end their sessions")
	flags.BoolVar(&c.now, "now", false, "rotate although clients may still hold the credentials that were current before")
	flags.StringVar(&c.canary, "canary", "5", "how many are rotated first, or which part (2%); 0: none")
	flags.StringArrayVar(&c.tags, "tag", nil, "instead of a manifest: the secrets that bear this tag in the store (team=orders); can be given again, then all have to be there")
	flags.StringVar(&c.targetLabel, "target-label", defaultTargetLabel, "label of entries that names their target, for --per-target")
	flags.BoolVar(&c.noWait, "no-wait", false, "start the fleet and don't wait for it")
	limitFlags(cmd, &c.limits.Parallel, &c.limits.PerTarget, &c.limits.PerStore, &c.limits.MaxFailures)
	c.output = outputFlag(cmd)
	c.connection.bind(cmd)
	return cmd
}

// run starts a fleet of the entries and follows it.
func (c *fleetStart) run(ctx context.Context, entries []manifest.Rotation) error {
	if err := c.check(); err != nil {
		return err
	}
	canary, err := share(c.canary, len(entries))
	if err != nil {
		return err
	}
	parts, err := fleet.Split(c.name, fleet.Spread(c.items(entries)))
	if err != nil {
		return failed(err)
	}
	order := fleet.Order{Name: c.name, Limits: c.limits, Canary: canary, By: c.who()}
	for _, part := range parts {
		order.Parts = append(order.Parts, len(part.Items))
	}
	if c.client == nil {
		if c.client, err = c.dial(ctx, &c.connection); err != nil {
			return err
		}
		defer c.client.Close()
	}
	if err := c.start(ctx, order, parts); err != nil {
		return err
	}
	if c.output.forPeople() {
		c.printf("Fleet %s rotates %s%s.\n", c.name, counted(order.Selected(), "secret"), canaryWords(canary))
	}
	if !c.noWait {
		return c.follow(ctx)
	}
	if !c.output.forPeople() {
		return c.print(c.output, fleet.Status{Name: c.name, State: fleet.Running, Selected: order.Selected(), Limits: c.limits})
	}
	c.printf("Not waiting for it. Look at it with:\n  %s fleet status %s%s\n", c.Program, c.name, c.where)
	return nil
}

// check finds out what is wrong with the command line, and names a fleet that has no name.
func (c *fleetStart) check() error {
	if c.name == "" {
		c.name = time.Now().UTC().Format("20060102-150405-") + strings.ToLower(rand.Text()[:4])
	}
	if err := checkFleetName(c.name); err != nil {
		return err
	}
	if problem := c.limits.Problem(); problem != "" {
		return usagef("limits: %s", problem)
	}
	_, err := share(c.canary, 0)
	return err
}

func canaryWords(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them first", n)
}

// share reads a number, or a part in percent, of a number.
func share(text string, of int) (int, error) {
	number, percent := strings.CutSuffix(text, "%")
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 || percent && n > 100 || !percent && n != float64(int(n)) {
		return 0, usagef("--canary %s: wanted: a number, or a part like 2%%", shellWord(text))
	}
	if percent {
		n = min(n*float64(of)/100+0.999, float64(of)) // a part of few is one at least
	}
	return min(int(n), of), nil
}

// items are the secrets of the entries, as they are asked for here.
func (c *fleetStart) items(entries []manifest.Rotation) (items []fleet.Item) {
	for _, entry := range entries {
		req := entry.Request
		req.Now = c.now
		if c.leaked {
			req = answerLeak(req)
		}
		items = append(items, fleet.Item{Request: req, Queue: entry.Network, Target: cmp.Or(req.InstanceId, entry.Labels[c.targetLabel])})
	}
	return items
}

// partsAtOnce is how many parts of a selection are put into Temporal together.
const partsAtOnce = 8

// start puts the selection into Temporal, and then the fleet, which reads it there.
func (c *fleetStart) start(ctx context.Context, order fleet.Order, parts []fleet.Part) error {
	attributes := searchAttributes(ctx, c.client, c.options.Namespace)
	if !slices.Contains(attributes, rotation.AttributeFleet) {
		c.warn("the namespace lacks the search attribute " + rotation.AttributeFleet + ": the rotations of the fleet can't be found by it, and its report asks for each one; register it with: " +
			c.Program + " setup")
	}
	options := client.StartWorkflowOptions{
		TaskQueue: c.queue, WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE, WorkflowTaskTimeout: c.taskTimeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
	}
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for _, part := range parts {
		group.Go(func() error {
			o := options
			o.ID, o.StaticSummary = fleet.PartID(c.name, part.Number), fmt.Sprintf("keep %d names for fleet %s", len(part.Items), c.name)
			_, err := c.client.ExecuteWorkflow(within, o, fleet.PartWorkflowType, part)
			return err
		})
	}
	err := group.Wait()
	if err == nil {
		options.ID, options.StaticSummary = fleet.WorkflowID(c.name), workflows.FleetSummary(order)
		options.TypedSearchAttributes = workflows.FleetAttributes(attributes, c.name)
		_, err = c.client.ExecuteWorkflow(ctx, options, fleet.WorkflowType, order)
	}
	if _, taken := errors.AsType[*serviceerror.WorkflowExecutionAlreadyStarted](err); taken {
		return failf("there was a fleet %s already; choose another --name", c.name)
	}
	if err != nil {
		return c.explain(ctx, "start the fleet in", err)
	}
	return nil
}
