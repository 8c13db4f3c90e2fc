package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"rotor/internal/rotation"
	"rotor/internal/schedules"
)

// severalFlags name secrets: as arguments, or as entries of manifests.
type severalFlags struct{ manifestFlags }

func (s *severalFlags) bind(cmd *cobra.Command) {
	s.manifestFlags.bind(cmd)
	cmd.Flags().Lookup("region").Usage = "region of the secrets; of entries, only those of this region"
	cmd.Flags().Lookup("store").Usage = "store of the secrets (default " + rotation.StoreAlibabaKMS + "); of entries, only those of this store"
}

// requests are those of the secrets, each once. Of arguments, only the names are known.
func (s *severalFlags) requests(a *app, cmd *cobra.Command, args []string, output *word) ([]rotation.Request, error) {
	switch {
	case len(args) == 0 && len(s.files) == 0:
		return nil, usagef("%s: SECRET is missing: names or ARNs of secrets, or manifests (-f rotations.yaml); see %s --help", cmd.Name(), cmd.CommandPath())
	case len(args) > 0 && len(s.files) > 0:
		return nil, usagef("%s: either SECRETs or --file", cmd.Name())
	case len(args) > 0 && len(s.labels) > 0:
		return nil, usagef("%s: --label chooses entries of manifests (-f), not SECRETs", cmd.Name())
	}
	var list []rotation.Request
	seen := map[string]bool{}
	for _, secret := range args {
		req, err := s.request(secret)
		if err != nil {
			return nil, err
		}
		if !seen[req.WorkflowID()] {
			seen[req.WorkflowID()] = true
			list = append(list, req)
		}
	}
	if len(args) > 0 {
		return list, nil
	}
	found, err := a.readManifest(&s.manifestFlags, output)
	if err != nil {
		return nil, err
	}
	for _, one := range s.chosen(found) {
		list = append(list, one.Request)
	}
	if len(list) == 0 && !s.all() {
		return nil, failf("no entry has %s", s.words())
	}
	return list, nil
}

// severalCall is one call of pause, resume or delete.
type severalCall struct {
	*app
	connection
	severalFlags
	reason string
	output *word
	// done is the word for what was done; do does it.
	done string
	do   func(ctx context.Context, keeper *schedules.Client, id string) error
	// goneIsFine: a secret without a schedule is none that the command fails for, where entries of a manifest are meant.
	goneIsFine bool
}

func (c *severalCall) bind(cmd *cobra.Command) {
	c.severalFlags.bind(cmd)
	c.output = tableFlag(cmd)
	c.connection.bind(cmd)
	cmd.ValidArgsFunction = c.completeSecrets(&c.connection, &c.secretFlags, true)
}

const severalExits = `Exit codes: 0 done, 1 a secret has no schedule or Temporal refuses, 2 a manifest or the command line is wrong, or no connection.`

func (a *app) pauseCommand() *cobra.Command {
	c := &severalCall{app: a, done: "paused"}
	c.do = func(ctx context.Context, keeper *schedules.Client, id string) error {
		return keeper.Pause(ctx, id, c.words("paused"))
	}
	cmd := &cobra.Command{
		Use:   "pause SECRET... --region REGION | -f FILE...",
		Short: "Pause schedules: no rotation starts by itself until resume",
		Long: `pause pauses the schedules of secrets. A rotation that runs goes on, and starter rotate works as before. An apply leaves the pause as it
is, and shows it.

` + severalExits,
		Example: `  starter pause orders/db --region cn-hangzhou --reason "the database moves"
  starter pause -f rotations.yaml --label team=orders --reason "freeze"`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	c.bind(cmd)
	cmd.Flags().StringVar(&c.reason, "reason", "", "why; it is shown with the schedule")
	return cmd
}

func (a *app) resumeCommand() *cobra.Command {
	c := &severalCall{app: a, done: "resumed"}
	c.do = func(ctx context.Context, keeper *schedules.Client, id string) error {
		return keeper.Resume(ctx, id, c.words("resumed"))
	}
	cmd := &cobra.Command{
		Use:   "resume SECRET... --region REGION | -f FILE...",
		Short: "Let paused schedules go on",
		Long: `resume lets paused schedules go on. What was due meanwhile is not made up for.

` + severalExits,
		Example: `  starter resume orders/db --region cn-hangzhou
  starter resume -f rotations.yaml --label team=orders`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	c.bind(cmd)
	cmd.Flags().StringVar(&c.reason, "reason", "", "why; it is shown with the schedule")
	return cmd
}

func (a *app) deleteCommand() *cobra.Command {
	c := &severalCall{app: a, done: "deleted", goneIsFine: true}
	c.do = func(ctx context.Context, keeper *schedules.Client, id string) error { return keeper.Delete(ctx, id) }
	cmd := &cobra.Command{
		Use:   "delete SECRET... --region REGION | -f FILE...",
		Short: "Delete schedules; rotations that run go on",
		Long: `delete deletes the schedules of secrets, or of the entries of manifests. Secrets and databases stay as they are, and a rotation that
runs goes on. To delete what no longer stands in a manifest, there is apply --prune.

` + severalExits + `
An entry of a manifest without a schedule is none that delete fails for.`,
		Example: `  starter delete orders/db --region cn-hangzhou
  starter delete -f rotations.yaml
  starter delete -f rotations.yaml --label team=orders`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.run(cmd, args) },
	}
	c.bind(cmd)
	return cmd
}

// words say who does it, and why.
func (c *severalCall) words(done string) string {
	text := done
	if who := c.who(); who != "" {
		text += " by " + who
	}
	if reason := strings.Join(strings.Fields(c.reason), " "); reason != "" {
		text += ": " + reason
	}
	return text
}

// DoneReport is what pause, resume and delete print for each secret with --output json.
type DoneReport struct {
	Secret, Store, Region string
	// Done is paused, resumed, deleted, or "" where it failed or there was no schedule.
	Done  string `json:",omitempty"`
	Error string `json:",omitempty"`
	none  bool
}

func (c *severalCall) run(cmd *cobra.Command, args []string) error {
	requests, err := c.requests(c.app, cmd, args, c.output)
	if err != nil {
		return err
	}
	ctx := cmd.Context()
	temporal, err := c.dial(ctx, &c.connection)
	if err != nil {
		return err
	}
	defer temporal.Close()
	keeper := c.schedules(temporal)
	bar := c.progress("", c.output)
	var mu sync.Mutex
	var list []DoneReport
	working, workingCtx := errgroup.WithContext(ctx)
	working.SetLimit(applyAtOnce)
	for _, req := range requests {
		if workingCtx.Err() != nil {
			break
		}
		working.Go(func() error {
			one := DoneReport{Secret: req.Name(), Store: req.Store, Region: req.RegionId, Done: c.done}
			switch err := c.do(workingCtx, keeper, keeper.ID(req)); {
			case errors.Is(err, schedules.ErrNone):
				one.Done, one.Error, one.none = "", "it has no schedule", true
			case errors.Is(err, schedules.ErrForeign):
				one.Done, one.Error = "", foreign(keeper.ID(req))
			case err != nil && (schedules.Unanswered(err) || noNamespace(err) || workingCtx.Err() != nil):
				return err
			case err != nil:
				one.Done, one.Error = "", "Temporal answered "+code(err)
			}
			mu.Lock()
			defer mu.Unlock()
			list = append(list, one)
			bar.show(len(list), len(requests))
			return nil
		})
	}
	err = working.Wait()
	bar.end()
	switch {
	case ctx.Err() != nil:
		return &exitError{ExitInterrupted, fmt.Errorf("interrupted: %d of %d %s", len(list), len(requests), c.done)}
	case err != nil:
		return c.explain(ctx, "change the schedules in", err)
	}
	return c.tell(list, len(args) == 0)
}

// tell prints what became of each, and of all.
func (c *severalCall) tell(list []DoneReport, entries bool) error {
	slices.SortFunc(list, func(a, b DoneReport) int {
		return strings.Compare(a.Secret+"\x00"+a.Store+"\x00"+a.Region, b.Secret+"\x00"+b.Store+"\x00"+b.Region)
	})
	done, none, failures := 0, 0, 0
	for _, one := range list {
		switch {
		case one.none:
			none++
		case one.Error != "":
			failures++
		default:
			done++
		}
	}
	result := exit(ExitOK)
	if failures > 0 || none > 0 && !(entries && c.goneIsFine) {
		result = exit(ExitRefused)
	}
	if !c.output.forPeople() {
		return errors.Join(c.print(c.output, list), result)
	}
	for _, one := range list {
		switch {
		case one.Error == "":
			c.printf("%s  %s %s  %s\n", one.Secret, one.Store, one.Region, c.paint(green, one.Done))
		case one.none && entries && c.goneIsFine:
		default:
			c.warn(fmt.Sprintf("secret %s of %s in %s: %s", one.Secret, one.Store, one.Region, one.Error))
		}
	}
	if len(list) > 1 || entries {
		c.printf("%s %s, %d without a schedule, %d failed.\n", counted(done, "schedule"), c.done, none, failures)
	}
	return result
}
