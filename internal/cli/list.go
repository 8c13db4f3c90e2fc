package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"rotor/internal/overview"
	"rotor/internal/recurrence"
	"rotor/internal/rotation"
)

// listCall is one call of list.
type listCall struct {
	*app
	connection
	choice
	states []string
	every  time.Duration
	output *word
	from   *word
}

// leastWatch is how often --watch looks at most.
const leastWatch = 500 * time.Millisecond

func (a *app) listCommand() *cobra.Command {
	c := &listCall{app: a}
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show how the rotations of all secrets stand, what needs attention first",
		Long: `list shows every secret that has a schedule, or a rotation: how its latest rotation ended, how old the current credential is against its
interval, and when the next rotation is due. What needs attention comes first:

  parked    a rotation waits for a person (since when): starter describe tells more, starter resolve decides
  failing   the latest rotation was not Rotated (since when)
  overdue   the current credential is older than its interval
  paused    the schedule is paused
  rotating  a rotation runs
  unknown   no rotation is known
  fine      the latest rotation is Rotated

The age is that of the current version in the store, which workers look up for secrets that have a schedule (they read no value). Where no
worker answers within 15 seconds, and with --ages temporal, it counts from the latest rotation that was Rotated, is marked with *, and is
not known where that is longer ago than the namespace keeps workflows. Times are shown in the schedule's zone.

Exit codes: 0 done, 2 wrong command line or no connection, 130 Ctrl-C.`,
		Example: `  starter list
  starter list --state parked,failing,overdue
  starter list --label team=orders --output json
  starter list --watch
  starter list --watch=10s --ages temporal`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 && cmd.Flags().Changed("watch") {
				if _, err := time.ParseDuration(args[0]); err == nil {
					return usagef("list takes no arguments, but there is %q; did you mean --watch=%s?", args[0], args[0])
				}
			}
			return noArguments(cmd, args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	c.choice.bind(cmd)
	states := make([]string, len(overview.States))
	for i, s := range overview.States {
		states[i] = string(s)
	}
	cmd.Flags().StringSliceVar(&c.states, "state", nil, "only secrets in one of these states: "+strings.Join(states, ", "))
	_ = cmd.RegisterFlagCompletionFunc("state", cobra.FixedCompletions(states, cobra.ShellCompDirectiveNoFileComp)) // fails for no flag only
	cmd.Flags().DurationVarP(&c.every, "watch", "w", 0, "look again and again, so often")
	cmd.Flags().Lookup("watch").NoOptDefVal = "2s"
	c.from = &word{agesFromStore, []string{agesFromStore, agesFromTemporal}}
	c.from.flag(cmd, "ages", "", "who is asked how old credentials are")
	c.output = tableFlag(cmd)
	c.connection.bind(cmd)
	_ = cmd.Flags().MarkHidden("task-queue") // taken, so that the flags of one command fit another
	return cmd
}

func (c *listCall) run(ctx context.Context) error {
	for _, state := range c.states {
		if !slices.Contains(overview.States, overview.State(state)) {
			return usagef("--state %s: unknown; see %s list --help", shellWord(state), c.name())
		}
	}
	if c.every != 0 && c.every < leastWatch {
		return usagef("--watch %s: wanted: at least %s", c.every, leastWatch)
	}
	temporal, err := c.dial(ctx, &c.connection)
	if err != nil {
		return err
	}
	defer temporal.Close()
	var asking *ages
	if c.from.value == agesFromStore {
		asking = &ages{app: c.app, connection: &c.connection, client: temporal, known: map[string]answer{}}
	}
	for {
		list, err := c.look(ctx, temporal, asking)
		switch {
		case err != nil && ctx.Err() != nil && c.every > 0:
			return exit(ExitInterrupted)
		case err != nil:
			return c.explain(ctx, "look up the rotations in", err)
		}
		if c.every > 0 && c.Terminal && !c.dumb() && c.output.forPeople() {
			c.printf("\x1b[H\x1b[2J")
		}
		if asking != nil {
			asking.tell(list)
		}
		if err := c.show(list, time.Now()); err != nil || c.every == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return exit(ExitInterrupted)
		case <-time.After(c.every):
		}
	}
}

func (c *listCall) look(ctx context.Context, temporal client.Client, asking *ages) ([]*overview.Secret, error) {
	schedules, err := c.schedules(temporal).List(ctx)
	if err != nil {
		return nil, err
	}
	looker := overview.Looker{Temporal: temporal, Namespace: c.options.Namespace, Payloads: c.keys.Converter(), ID: c.id, Takes: func(s *overview.Secret) bool {
		var labels map[string]string
		if s.Schedule != nil && s.Schedule.Record != nil {
			labels = s.Schedule.Record.Labels
		}
		return c.takes(s.Store, s.Region, labels)
	}}
	if asking != nil {
		looker.Ages = asking.read
	}
	all, err := looker.Look(ctx, schedules)
	if err != nil || len(c.states) == 0 {
		return all, err
	}
	return slices.DeleteFunc(all, func(s *overview.Secret) bool { return !slices.Contains(c.states, string(s.State)) }), nil
}

// SecretReport is what list prints for each secret with --output json.
type SecretReport struct {
	Secret, Store, Region string
	State                 overview.State
	// Since is when it was parked, or since when rotations fail.
	Since time.Time `json:",omitzero"`
	// Outcome is that of the latest rotation that has ended, Ended when; Reason says what is wrong.
	Outcome rotation.Outcome `json:",omitempty"`
	Ended   time.Time        `json:",omitzero"`
	Reason  string           `json:",omitempty"`
	// Rotated is when the latest rotation ended that was Rotated, as far as Temporal knows; Written when the current version was written, as
	// the store says. AgeUnread says why that could not be seen, where it was asked.
	Rotated   time.Time `json:",omitzero"`
	Written   time.Time `json:",omitzero"`
	AgeUnread string    `json:",omitempty"`
	// AgeSeconds is how old the current credential is, AgeFrom who says so: store or temporal; absent where it is not known.
	AgeSeconds *int64 `json:",omitempty"`
	AgeFrom    string `json:",omitempty"`
	// IntervalSeconds is how long a credential is to be current at most.
	IntervalSeconds int64 `json:",omitempty"`
	// Running is when the rotation started that runs.
	Running  time.Time       `json:",omitzero"`
	Schedule *ScheduleReport `json:",omitempty"`
}

func secretReport(s *overview.Secret, now time.Time) SecretReport {
	r := SecretReport{Secret: s.Secret, Store: s.Store, Region: s.Region, State: s.State, Since: s.Since, Outcome: s.Outcome, Ended: s.Ended, Reason: s.Reason,
		Rotated: s.Rotated, Written: s.Written, AgeUnread: s.Unread, Running: s.Running}
	if !s.Begun().IsZero() {
		seconds := int64(s.Age(now).Seconds())
		r.AgeSeconds, r.AgeFrom = &seconds, agesFromTemporal
		if !s.Written.IsZero() {
			r.AgeFrom = agesFromStore
		}
	}
	if s.Schedule != nil {
		r.Schedule, r.IntervalSeconds = scheduleReport(s.Schedule), int64(s.Schedule.Every.Seconds())
	}
	return r
}

func (c *listCall) show(list []*overview.Secret, now time.Time) error {
	if !c.output.forPeople() {
		reports := make([]SecretReport, len(list))
		for i, s := range list {
			reports[i] = secretReport(s, now)
		}
		return c.print(c.output, reports)
	}
	if len(list) == 0 {
		if c.all() && len(c.states) == 0 {
			c.printf("No secret has a schedule or a rotation.\n")
			return nil
		}
		c.printf("No secret is so.\n")
		return nil
	}
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "SECRET\tSTORE\tREGION\t"+c.paint(plain, "STATE")+"\tLATEST\tAGE\tINTERVAL\tNEXT")
	counts := map[overview.State]int{}
	for _, s := range list {
		counts[s.State]++
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.Secret, s.Store, s.Region, c.stateText(s, now), latestText(s, now), ageText(s, now),
			intervalOf(s), nextText(s))
	}
	if err := w.Flush(); err != nil {
		return failf("the list can't be written")
	}
	var words []string
	for _, state := range overview.States {
		if counts[state] > 0 {
			words = append(words, fmt.Sprintf("%d %s", counts[state], state))
		}
	}
	c.printf("\n")
	if slices.ContainsFunc(list, func(s *overview.Secret) bool { return s.Written.IsZero() && !s.Rotated.IsZero() }) {
		c.printf("* since the latest rotation that Temporal knows; the store was not asked, or did not say.\n")
	}
	c.printf("%s: %s.\n", counted(len(list), "secret"), strings.Join(words, ", "))
	return nil
}

// stateColours have all escape sequences of one length, so that columns stay in line.
var stateColours = map[overview.State]colour{
	overview.Parked: yellow, overview.Failing: red, overview.Overdue: red, overview.Paused: "36", overview.Rotating: "34", overview.Unknown: "35", overview.Fine: green,
}

// plain is the terminal's own colour, for the heading of a column that has colours: the sequences count for its width.
const plain colour = "39"

func (a *app) stateText(s *overview.Secret, now time.Time) string {
	text := string(s.State)
	if !s.Since.IsZero() && (s.State == overview.Parked || s.State == overview.Failing) {
		text += " for " + shortDuration(now.Sub(s.Since))
	}
	return a.paint(stateColours[s.State], text)
}

func latestText(s *overview.Secret, now time.Time) string {
	switch {
	case s.Ended.IsZero():
		return "-"
	case s.Outcome == "":
		return "no outcome, " + shortDuration(now.Sub(s.Ended)) + " ago"
	}
	return string(s.Outcome) + ", " + shortDuration(now.Sub(s.Ended)) + " ago"
}

// ageText marks what the store did not say.
func ageText(s *overview.Secret, now time.Time) string {
	switch {
	case s.Begun().IsZero():
		return "-"
	case s.Written.IsZero():
		return shortDuration(s.Age(now)) + "*"
	}
	return shortDuration(s.Age(now))
}

func intervalOf(s *overview.Secret) string {
	if s.Schedule == nil || s.Schedule.Every == 0 {
		return "-"
	}
	return recurrence.IntervalText(s.Schedule.Every)
}

// nextText is in the zone of the schedule.
func nextText(s *overview.Secret) string {
	switch {
	case s.Schedule == nil:
		return "no schedule"
	case s.Schedule.Paused:
		return pausedWords(s.Schedule.Said)
	case s.Schedule.Next.IsZero():
		return "-"
	}
	return s.Schedule.Next.In(recurrence.Rule{TimeZone: s.Schedule.TimeZone}.Location()).Format("2006-01-02 15:04 MST")
}
