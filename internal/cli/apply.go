package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"rotor/internal/manifest"
	"rotor/internal/schedules"
)

// applyCall is one call of plan or apply.
type applyCall struct {
	*app
	connection
	manifestFlags
	prune, deep, exitCode bool
	// check has workers look at the entries, too.
	check    bool
	parallel int
	output   *word
	manifest *manifest.Manifest
	client   client.Client
}

// applyAtOnce is how many schedules are made or looked at at once, if it is not said.
const applyAtOnce = 16

func (c *applyCall) bind(cmd *cobra.Command) {
	c.manifestFlags.bind(cmd)
	cmd.Flags().BoolVar(&c.prune, "prune", false, "delete the schedules that a manifest of the same name made and that stand in none of the files any more")
	cmd.Flags().BoolVar(&c.deep, "deep", false, "look at every schedule as a whole, to find what was changed behind Rotor's back")
	cmd.Flags().IntVar(&c.parallel, "parallel", applyAtOnce, "how many schedules at once")
	c.output = tableFlag(cmd)
	c.connection.bind(cmd)
}

func (a *app) planCommand() *cobra.Command {
	c := &applyCall{app: a}
	cmd := &cobra.Command{
		Use:   "plan -f FILE...",
		Short: "Show what apply would do, field by field",
		Long: `plan compares manifests with the Temporal Schedules that there are, and shows what apply would create, change and delete. It changes
nothing. A schedule that somebody paused stays so, and is shown.

It lists the schedules, and looks closer only at those whose hash or rule is another; --deep looks at all.

--check also has workers check every entry, as starter check does: logins, rights, documents. It adds what shows only where all
are looked at together: two secrets for one account pair, and an admin secret that another entry rotates with one account.

Exit codes: 0 done (with --exit-code: nothing would change), 1 something can't be done or a check is not fine (with --exit-code:
something would change), 2 a manifest or the command line is wrong, no connection, or (--check) no worker polls a task queue: the plan and
what was checked are shown all the same.`,
		Example: `  starter plan -f rotations.yaml
  starter plan -f manifests/ --prune --exit-code
  starter plan -f rotations.yaml --check
  starter plan -f rotations.yaml --label team=orders --output json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context(), c.plan) },
	}
	c.bind(cmd)
	cmd.Flags().BoolVar(&c.check, "check", false, "have workers check every entry, as starter check does, and all of them together")
	cmd.Flags().BoolVar(&c.exitCode, "exit-code", false, "exit with 1 if something would change")
	return cmd
}

func (a *app) applyCommand() *cobra.Command {
	c := &applyCall{app: a}
	cmd := &cobra.Command{
		Use:   "apply -f FILE...",
		Short: "Make the schedules as the manifests say",
		Long: `apply makes the Temporal Schedules as the manifests say: it creates what is missing and changes what differs. It can be run again
and again; where nothing differs, nothing is changed. A manifest with a mistake changes nothing.

A schedule that somebody paused stays so. --prune deletes schedules that a manifest of the same name made and that stand in none of the
files any more, and no others. A rotation that runs goes on.

Exit codes: 0 all is as the manifests say, 1 something could not be done, 2 a manifest or the command line is wrong, or no connection,
130 Ctrl-C (what was done stays; apply again does the rest).`,
		Example: `  starter apply -f rotations.yaml
  starter apply -f manifests/ --prune
  starter apply -f rotations.yaml --label team=orders
  cat rotations.yaml | starter apply -f - --output json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context(), c.apply) },
	}
	c.bind(cmd)
	return cmd
}

func (c *applyCall) run(ctx context.Context, do func(context.Context, []schedules.Step, *schedules.Client) error) (err error) {
	if c.prune && !c.choice.all() {
		return usagef("--prune goes with whole manifests, not with %s", c.choice.words())
	}
	if c.parallel < 1 {
		return usagef("--parallel %d: wanted: at least 1", c.parallel)
	}
	if c.manifest, err = c.readManifest(&c.manifestFlags, c.output); err != nil {
		return err
	}
	if !c.choice.all() && len(c.manifest.Rotations) > 0 && len(c.chosen(c.manifest)) == 0 {
		return failf("no entry has %s", c.choice.words())
	}
	if c.client, err = c.dial(ctx, &c.connection); err != nil {
		return err
	}
	defer c.client.Close()
	keeper := c.keeper(ctx, c.client)
	keeper.Parallel = c.parallel
	options := schedules.PlanOptions{Deep: c.deep}
	if c.prune {
		options.Prune = c.manifest.Names
	}
	bar := c.progress("looking", c.output)
	steps, err := keeper.Plan(ctx, c.wanted(), options, bar.show)
	bar.end()
	if err != nil {
		return c.explain(ctx, "look up the schedules in", err)
	}
	return do(ctx, steps, keeper)
}

// wanted are the chosen entries.
func (c *applyCall) wanted() (list []schedules.Wanted) {
	for _, one := range c.chosen(c.manifest) {
		w := schedules.Wanted{Request: one.Request, Rule: one.Rule, Queue: c.queue, TaskTimeout: c.taskTimeout, Made: schedules.MadeByManifest,
			Manifest: one.Manifest, Owner: one.Owner, Labels: one.Labels, Pausing: schedules.NotByManifest}
		if one.Network != "" {
			w.Queue = one.Network
		}
		if one.Paused {
			w.Pausing = schedules.Paused
		}
		list = append(list, w)
	}
	return list
}

// chosen are the entries of a manifest that the flags choose.
func (m *manifestFlags) chosen(all *manifest.Manifest) (list []manifest.Rotation) {
	for _, one := range all.Rotations {
		if m.takes(one.Request.Store, one.Request.RegionId, one.Labels) {
			list = append(list, one)
		}
	}
	return list
}

// ApplyReport is what plan and apply print with --output json.
type ApplyReport struct {
	Created, Changed, Deleted, Unchanged, Failed int
	// Paused counts the schedules that somebody paused and that stay so.
	Paused int
	// Steps are those that are not unchanged, and those that stay paused.
	Steps []StepReport `json:",omitempty"`
	// Check is what the workers found (plan --check).
	Check *CheckReport `json:",omitempty"`
}

// StepReport is what becomes of one schedule.
type StepReport struct {
	Secret, Store, Region string
	Do                    schedules.Done
	When                  string             `json:",omitempty"`
	Changes               []schedules.Change `json:",omitempty"`
	// Paused says who paused it, where it stays so.
	Paused string `json:",omitempty"`
	Error  string `json:",omitempty"`
}

func (r *ApplyReport) add(s *schedules.Step, failure string) {
	switch {
	case failure != "":
		r.Failed++
	case s.Do == schedules.Created:
		r.Created++
	case s.Do == schedules.Changed:
		r.Changed++
	case s.Do == schedules.Deleted:
		r.Deleted++
	default:
		r.Unchanged++
	}
	one := StepReport{Secret: s.Request.Name(), Store: s.Request.Store, Region: s.Request.RegionId, Do: s.Do, When: s.When(), Changes: s.Changes, Error: failure}
	if s.Stays {
		r.Paused++
		one.Paused = pausedWords(s.Pause)
	}
	if s.Do != schedules.Unchanged || s.Stays || failure != "" {
		r.Steps = append(r.Steps, one)
	}
}

func pausedWords(said string) string {
	if said == "" {
		return "paused"
	}
	return said
}

func (r *ApplyReport) sort() {
	slices.SortStableFunc(r.Steps, func(a, b StepReport) int {
		return strings.Compare(a.Secret+"\x00"+a.Store+"\x00"+a.Region, b.Secret+"\x00"+b.Store+"\x00"+b.Region)
	})
}

// counts say what a plan has (to create) or what was done (created).
func (r *ApplyReport) counts(planned bool) string {
	words := []string{"created", "changed", "deleted"}
	if planned {
		words = []string{"to create", "to change", "to delete"}
	}
	text := fmt.Sprintf("%d %s, %d %s, %d %s, %d unchanged", r.Created, words[0], r.Changed, words[1], r.Deleted, words[2], r.Unchanged)
	if r.Failed > 0 {
		text += fmt.Sprintf(", %d failed", r.Failed)
	}
	if r.Paused > 0 {
		text += fmt.Sprintf("; %d paused by somebody stay so", r.Paused)
	}
	return text
}

func (c *applyCall) plan(ctx context.Context, steps []schedules.Step, _ *schedules.Client) error {
	var r ApplyReport
	for i := range steps {
		r.add(&steps[i], c.failure(&steps[i]))
	}
	r.sort()
	code := ExitOK
	if r.Failed > 0 || c.exitCode && r.Created+r.Changed+r.Deleted > 0 {
		code = ExitRefused
	}
	result := exit(code)
	if c.check {
		var failures []error
		r.Check, failures = c.checkEntries(ctx)
		switch {
		case len(failures) > 0 && ctx.Err() != nil:
			return failures[0]
		case len(failures) > 0:
			// The plan is told all the same; the first says how the command ends.
			for _, other := range failures[1:] {
				c.warn(other.Error())
			}
			result = failures[0]
		case !r.Check.Fine:
			result = exit(ExitRefused)
		}
	}
	if !c.output.forPeople() {
		return errors.Join(c.print(c.output, r), result)
	}
	for _, one := range r.Steps {
		c.printf("%s\n", c.stepText(one))
	}
	if r.Check != nil {
		c.tellChecks(r.Check)
	}
	c.printf("Plan: %s.\n", r.counts(true))
	return result
}

func (c *applyCall) apply(ctx context.Context, steps []schedules.Step, keeper *schedules.Client) error {
	var r ApplyReport
	bar := c.progress("applying", c.output)
	err := keeper.Apply(ctx, steps, func(s *schedules.Step) {
		before := len(r.Steps)
		r.add(s, c.failure(s))
		if c.output.forPeople() && len(r.Steps) > before {
			bar.line("%s", c.stepText(r.Steps[before]))
		}
		bar.show(r.Created+r.Changed+r.Deleted+r.Unchanged+r.Failed, len(steps))
	})
	bar.end()
	switch {
	case ctx.Err() != nil:
		return &exitError{ExitInterrupted, fmt.Errorf("interrupted: %s of %d; apply again does the rest", r.counts(false), len(steps))}
	case err != nil:
		return errors.Join(c.explain(ctx, "put the schedules into", err))
	}
	code := ExitOK
	if r.Failed > 0 {
		code = ExitRefused
	}
	r.sort()
	if !c.output.forPeople() {
		return errors.Join(c.print(c.output, r), exit(code))
	}
	c.printf("Applied: %s.\n", r.counts(false))
	return exit(code)
}

// failure says why a step can't be done; "" if it can.
func (c *applyCall) failure(s *schedules.Step) string {
	switch {
	case s.Err == nil:
		return ""
	case errors.Is(s.Err, schedules.ErrUnknownKeeper):
		return "its note, which said by what it is kept, was overwritten (a pause in the Web UI), and it was changed since it was made; " +
			"if no manifest and nobody else wants it, delete it with: " + c.command("delete", s.Request)
	case errors.Is(s.Err, schedules.ErrForeign):
		return foreign(s.ID()) + "; delete it, or give it another id"
	}
	return "Temporal answered " + code(s.Err)
}

// foreign says what stands in the way.
func foreign(id string) string {
	return "the schedule " + id + " exists, and starts something else than rotations"
}

// signs of what becomes of a schedule.
var signs = map[schedules.Done]struct {
	sign string
	colour
}{
	schedules.Created: {"+", green}, schedules.Changed: {"~", yellow}, schedules.Deleted: {"-", red}, schedules.Unchanged: {"=", faint},
}

func (a *app) stepText(s StepReport) string {
	sign := signs[s.Do]
	text := a.paint(sign.colour, sign.sign) + " " + s.Secret + "  " + s.Store + " " + s.Region
	if s.When != "" && s.Do == schedules.Created {
		text += "  " + s.When
	}
	for _, change := range s.Changes {
		text += "\n    " + change.String()
	}
	if s.Paused != "" {
		text += "\n    stays paused: " + s.Paused
	}
	if s.Error != "" {
		text += "\n    " + a.paint(red, "failed: ") + s.Error
	}
	return text
}
