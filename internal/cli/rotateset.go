package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cli/watch"
	"rotor/internal/fleet"
	"rotor/internal/manifest"
	"rotor/internal/rotation"
)

// setFlags choose the entries of manifests that are rotated together.
type setFlags struct {
	labels   map[string]string
	parallel int
}

// rotateAtOnce is how many rotations of a set run at once, if it is not said.
const rotateAtOnce = 10

func (s *setFlags) bind(cmd *cobra.Command) {
	(&manifestFlags{}).bindFiles(cmd)
	cmd.Flags().Lookup("file").Usage = "rotate the entries of the manifest (or folder, or -) at `PATH`, together; can be given again"
	cmd.Flags().StringToStringVarP(&s.labels, "label", "l", nil, "of the entries, only those with this label (team=orders); can be given again")
	cmd.Flags().IntVar(&s.parallel, "parallel", rotateAtOnce, "how many entries are rotated at once")
}

// ofOneSecret are flags of a request, which entries have themselves.
var ofOneSecret = []string{"payload", "instance", "strategy", "grace", "on-failure", "password-length", "adopt-standby", "accept-password-history", "patience",
	"retire-former", "retire-when-idle", "end-sessions"}

// runSet rotates the chosen entries.
func (c *rotateCall) runSet(cmd *cobra.Command, args []string) error {
	files, err := cmd.Flags().GetStringArray("file")
	if err != nil {
		return usagef("--file: %s", err)
	}
	if len(args) > 0 {
		return usagef("rotate: either SECRET or --file")
	}
	for _, name := range ofOneSecret {
		if cmd.Flags().Changed(name) {
			return usagef("--%s goes with one SECRET; an entry of a manifest says itself how it is rotated", name)
		}
	}
	if c.set.parallel < 1 {
		return usagef("--parallel %d: wanted: at least 1", c.set.parallel)
	}
	m := &manifestFlags{files: files, choice: choice{secretFlags: c.secretFlags, labels: c.set.labels}}
	found, err := c.readManifest(m, c.output)
	if err != nil {
		return err
	}
	entries := m.chosen(found)
	if len(entries) == 0 && !m.all() {
		return failf("no entry has %s", m.words())
	}
	ctx := cmd.Context()
	if len(entries) > handful && !cmd.Flags().Changed("if-running") {
		return c.asFleet(ctx, m, entries)
	}
	if c.client, err = c.dial(ctx, &c.connection); err != nil {
		return err
	}
	defer c.client.Close()
	calls := make([]*rotateCall, len(entries))
	for i, entry := range entries {
		one := *c
		one.req, one.req.Now = entry.Request, c.now
		if c.leaked {
			one.req = answerLeak(one.req)
		}
		if entry.Network != "" {
			one.queue = entry.Network
		}
		calls[i] = &one
	}
	return c.rotateAll(ctx, calls)
}

// handful is up to how many entries the starter itself rotates, and waits for; more are a fleet's, which goes on without it.
const handful = 50

// asFleet has a fleet rotate the entries, in the way in which they would be rotated here: no canary, and no end before the last.
func (c *rotateCall) asFleet(ctx context.Context, m *manifestFlags, entries []manifest.Rotation) error {
	// They are loaded into what they were bound to, which is not the copy.
	if err := c.settings.Load(c.lookup); err != nil {
		return usagef("%s", err)
	}
	f := &fleetStart{
		fleetCall: fleetCall{app: c.app, connection: c.connection, output: c.output}, manifestFlags: *m, leaked: c.leaked, now: c.now, noWait: c.noWait,
		canary: "0", targetLabel: defaultTargetLabel, limits: fleet.Limits{Parallel: min(c.set.parallel, fleet.MostOpen)},
	}
	return f.run(ctx, entries)
}

// rotateAll rotates several at once, and ends with the gravest exit code of all.
func (c *rotateCall) rotateAll(ctx context.Context, calls []*rotateCall) error {
	reports, codes := make([]Report, len(calls)), make([]int, len(calls))
	bar := c.progress("rotating", c.output)
	var mu sync.Mutex
	done := 0
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(c.set.parallel)
	warned := map[string]bool{}
	for i, one := range calls {
		if within.Err() != nil {
			break
		}
		group.Go(func() (err error) {
			reports[i], codes[i], err = one.unseen(within, func(text string) {
				mu.Lock()
				defer mu.Unlock()
				if !warned[text] { // what keeps all of them from going on is said once
					warned[text] = true
					bar.end()
					c.warn(text)
				}
			})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			done++
			if c.output.forPeople() {
				bar.line("%s", c.reportLine(reports[i]))
			}
			bar.show(done, len(calls))
			return nil
		})
	}
	err := group.Wait()
	bar.end()
	switch {
	case ctx.Err() != nil:
		return &exitError{ExitInterrupted, fmt.Errorf("detached: %d of %d have ended; those that were started go on, the others were not started", done, len(calls))}
	case err != nil:
		return err
	}
	result := exit(gravest(codes))
	if !c.output.forPeople() {
		return errors.Join(c.print(c.output, reports), result)
	}
	c.printf("%s.\n", c.tally(reports))
	return result
}

// unseen starts a rotation, or finds it running, and waits for its end without showing its steps.
func (c *rotateCall) unseen(ctx context.Context, warn func(string)) (Report, int, error) {
	runID := ""
	for runID == "" {
		run, err := c.start(ctx, c.id(c.req))
		var running *serviceerror.WorkflowExecutionAlreadyStarted
		switch {
		case err == nil:
			runID = run.GetRunID()
		case !errors.As(err, &running):
			return Report{}, 0, c.explain(ctx, "start the rotation in", err)
		case c.ifRunning.value == ifRunningFollow:
			runID = running.RunId
		case c.ifRunning.value == ifRunningFail:
			r := c.bare(running.RunId)
			r.Failure = &rotation.Failure{Kind: rotation.Conflict, Text: "a rotation of the secret is running already"}
			return r, ExitRefused, nil
		default:
			s, err := c.followUnseen(ctx, running.RunId, warn)
			if err != nil || s.Parked {
				return c.ended(s, err, ctx)
			}
		}
	}
	if c.noWait {
		return c.bare(runID), ExitOK, nil
	}
	s, err := c.followUnseen(ctx, runID, warn)
	return c.ended(s, err, ctx)
}

func (c *rotateCall) followUnseen(ctx context.Context, runID string, warn func(string)) (*watch.Snapshot, error) {
	f := watch.Follower{Client: c.client, Payloads: c.keys.Converter(), Seen: func(*watch.Snapshot) {}, Warn: warn}
	return f.Follow(ctx, c.id(c.req), runID)
}

func (c *rotateCall) ended(s *watch.Snapshot, err error, ctx context.Context) (Report, int, error) {
	if err != nil {
		return Report{}, 0, c.stopped(ctx, &c.connection, c.req, err)
	}
	return *c.report(c.req, s), exitCode(s), nil
}

// bare tells of a rotation that is running, and nothing more.
func (c *rotateCall) bare(runID string) Report {
	return Report{Secret: c.req.Name(), Store: c.req.Store, Region: c.req.RegionId, WorkflowID: c.id(c.req), RunID: runID, State: rotation.StateRunning}
}

// reportLine is what becomes of one rotation of a set, in a line.
func (c *rotateCall) reportLine(r Report) string {
	word, reason := c.reportWord(r), ""
	if r.Failure != nil && r.Outcome != rotation.Rotated {
		reason = ": " + r.Failure.Text
	}
	colour := outcomeColour(r.Outcome)
	if r.State != rotation.StateEnded {
		colour = yellow
	}
	text := c.paint(colour, word) + "  " + r.Secret + "  " + r.Store + " " + r.Region
	if r.State == rotation.StateEnded {
		text += fmt.Sprintf("  %.1fs", r.Seconds)
	}
	return text + reason
}

func (c *rotateCall) reportWord(r Report) string {
	switch {
	case r.Outcome != "":
		return string(r.Outcome)
	case r.State == rotation.StateParked:
		return "Parked"
	case r.State == rotation.StateEnded:
		return r.Closed
	case r.Failure != nil:
		return "Running already"
	}
	return "Started"
}

// tally counts what has become of them.
func (c *rotateCall) tally(reports []Report) string {
	counts := map[string]int{}
	for _, r := range reports {
		counts[c.reportWord(r)]++
	}
	var words []string
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprintf("%d %s", counts[word], word))
	}
	if len(words) == 0 {
		return "No entry"
	}
	return counted(len(reports), "secret") + ": " + strings.Join(words, ", ")
}

// gravest is the exit code of a set, in the order that fleets have: a person has to decide, something was rolled back, something was
// refused, a former credential may still log in, or all is well.
func gravest(codes []int) int {
	for _, code := range []int{ExitParked, ExitRolledBack, ExitRefused, ExitNotRetired} {
		if slices.Contains(codes, code) {
			return code
		}
	}
	return ExitOK
}
