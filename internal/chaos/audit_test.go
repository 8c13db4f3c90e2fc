package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"

	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// rotate rotates a secret once, in a way that is drawn, and audits it.
func (r *run) rotate(ctx context.Context, s *subject, round int) error {
	way := ways[s.random.IntN(len(ways))]
	before, err := r.look(ctx, s.secret)
	if err != nil {
		return err
	}
	began := time.Now()
	started, err := way.start(r, ctx, s, round)
	if err != nil {
		return fmt.Errorf("start it by %s: %w", way.name, err)
	}
	s.started += len(started)
	var ends []trial.Ended
	versions := map[string]bool{}
	parked := 0
	for _, w := range started {
		ended, times, err := r.outcome(ctx, w, trial.ID(s.secret))
		if err != nil {
			return err
		}
		parked += times
		if w.GetID() != trial.ID(s.secret) {
			// Whoever was started under another id has the canonical run's outcome.
			if ended.Run, err = r.canonicalRun(ctx, s, ended); err != nil {
				return err
			}
		}
		ends = append(ends, ended)
		if ended.Result.Outcome == rotation.Rotated {
			versions[ended.Result.Version] = true
		}
		if s.kind.StrategyOf(s.secret) == rotation.DualPassword {
			s.tookOne = ended.Result.Outcome == rotation.RolledBack || s.tookOne && ended.Result.Outcome != rotation.Rotated
		}
	}
	took := time.Since(began)
	s.rotated += len(versions)
	kind, after, err := r.retired(ctx, s, ends)
	if err != nil {
		return err
	}
	r.count(s.kind, way.name, ends[0].Result.Outcome, took, parked)
	// Of two that did not meet, the first's state is gone; what all of them left is audited in the end.
	if len(versions) < 2 && len(ends) == 1 || len(versions) == 1 && ends[0].Result.Version == ends[len(ends)-1].Result.Version {
		if broken := trial.Audit(kind, s.secret, before, after, ends[0]); len(broken) > 0 {
			return fmt.Errorf("%s, started by %s: %s", ends[0].Result.Outcome, way.name, strings.Join(broken, "\n"))
		}
	}
	return nil
}

// canonicalRun is the run of the canonical id whose outcome a rotation under another id has: that of its version.
func (r *run) canonicalRun(ctx context.Context, s *subject, ended trial.Ended) (string, error) {
	if ended.Result.Version == "" {
		return ended.Run, nil
	}
	unknown := false
	err := insist(ctx, func() (err error) {
		_, err = r.Temporal.DescribeWorkflowExecution(ctx, trial.ID(s.secret), ended.Result.Version)
		if _, unknown = errors.AsType[*serviceerror.NotFound](err); unknown {
			return nil
		}
		return err
	})
	if unknown {
		err = fmt.Errorf("version %s was written by no run of %s", ended.Result.Version, trial.ID(s.secret))
	}
	return ended.Result.Version, err
}

// look takes a picture; the database may be restarting.
func (r *run) look(ctx context.Context, s devstack.Secret) (p trial.Picture, err error) {
	err = insist(ctx, func() (err error) {
		p, err = r.Look(ctx, s)
		return err
	})
	return p, err
}

// fewRetirements prove nothing: the store may have denied them.
const fewRetirements = 4

// auditTrouble makes sure that something was done to the rotations, and that most of them came to their end nevertheless.
func (r *run) auditTrouble() {
	for _, does := range []string{killed, restarts[0].name, restarts[1].name} {
		if r.trouble.counts[does] == 0 {
			r.violation("in the whole run there was no %s", does)
		}
	}
	met := r.trouble.broken.Load()
	for _, fault := range r.trouble.faults {
		met += int64(fault.Hits())
	}
	if met == 0 {
		r.violation("in the whole run no request and no statement met a fault")
	}
	r.mu.Lock()
	all, rotated := 0, 0
	for _, t := range r.tally {
		all += len(t.took)
		rotated += t.outcomes[rotation.Rotated]
	}
	r.mu.Unlock()
	if rotated <= all/2 {
		r.violation("of %d rotations only %d rotated", all, rotated)
	}
	if wanted, done := r.retirements.Load(), r.retirementsDone.Load(); wanted >= fewRetirements && done <= wanted/2 {
		r.violation("of %d former credentials that were to be retired only %d were", wanted, done)
	}
}

// auditAll looks at every secret when everything is over.
func (r *run) auditAll(ctx context.Context) {
	for _, s := range r.subjects {
		if s.lost {
			continue // what its rotations wrote is not known
		}
		p, err := r.look(ctx, s.secret)
		if err != nil {
			r.violation("secret %s: %s", s.secret.Name, err)
			continue
		}
		for _, broken := range r.audit(s, p) {
			r.violation("secret %s (%s): %s\n%s", s.secret.Name, s.kind.Name, broken, r.history(ctx, s.secret))
		}
	}
	var open []string
	if err := insist(ctx, func() error {
		open = nil
		list, err := r.Temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: r.Stack.Temporal.Namespace,
			Query: "ExecutionStatus = 'Running' AND WorkflowType = '" + rotation.WorkflowType + "'"})
		for _, w := range list.GetExecutions() {
			open = append(open, w.GetExecution().GetWorkflowId())
		}
		if err == nil && len(open) > 0 {
			err = fmt.Errorf("still open: %v", open) // the list is a moment behind
		}
		return err
	}); err != nil {
		r.violation("rotations: %s", err)
	}
}

// audit says what of a secret is not as it must be in the end.
func (r *run) audit(s *subject, p trial.Picture) (broken []string) {
	current, previous := p.Holder(rotation.Current), p.Holder(rotation.Previous)
	labelled := 0
	for _, v := range p.Versions {
		if v.LogsIn {
			labelled++
		}
	}
	single := s.kind.StrategyOf(s.secret) == rotation.SingleUser || s.retired
	switch {
	case current == nil || !current.LogsIn:
		return []string{"the current version does not log in"}
	case s.rotated > 0 && previous == nil:
		return []string{"there is no previous version"}
	case s.rotated > 0 && !single && !previous.LogsIn && !s.tookOne:
		broken = append(broken, "the previous version does not log in")
	case s.rotated > 0 && single && previous.LogsIn:
		broken = append(broken, "the previous version still logs in")
	}
	if want := map[bool]int{true: 1, false: min(s.rotated, 1) + 1}[single]; labelled != want && (!s.tookOne || labelled != 1) {
		broken = append(broken, fmt.Sprintf("%d versions log in, not %d", labelled, want))
	}
	if s.rotated > 0 && !single && !slices.Equal(p.Accounts[current.Account], p.Accounts[previous.Account]) {
		broken = append(broken, fmt.Sprintf("accounts %s and %s may not do the same", current.Account, previous.Account))
	}
	// Versions of rotations that were rolled back stay, without a stage.
	if len(p.Versions) < s.rotated+1 || len(p.Versions) > s.started+1 {
		broken = append(broken, fmt.Sprintf("%d versions, of %d rotations that changed something and %d in all", len(p.Versions), s.rotated, s.started))
	}
	if pending := p.Holder(rotation.Pending); pending != nil && pending.ID != current.ID {
		broken = append(broken, "version "+pending.ID+" is pending still")
	}
	return broken
}

// history tells a secret's latest rotation, event by event.
func (r *run) history(ctx context.Context, s devstack.Secret) string {
	var b strings.Builder
	events := r.Temporal.GetWorkflowHistory(ctx, trial.ID(s), "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			break
		}
		fmt.Fprintf(&b, "  %d %s %s", e.GetEventId(), e.GetEventTime().AsTime().Format("15:04:05.000"), e.GetEventType())
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			fmt.Fprintf(&b, " %s", a.GetActivityType().GetName())
		}
		for _, failure := range []string{e.GetActivityTaskFailedEventAttributes().GetFailure().GetMessage(), e.GetActivityTaskTimedOutEventAttributes().GetFailure().GetMessage(),
			e.GetActivityTaskStartedEventAttributes().GetLastFailure().GetMessage()} {
			if failure != "" {
				fmt.Fprintf(&b, ": %s", failure)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// search looks for passwords in all that was left, and at what no rotation was about.
func (r *run) search(ctx context.Context) {
	found, searched, err := r.Leaks(ctx)
	if err != nil {
		r.violation("search for passwords: %s", err)
	}
	for _, f := range found {
		r.violation("LEAK: %s", f)
	}
	aside, err := r.Aside(ctx)
	if err != nil {
		r.violation("look at what no rotation was about: %s", err)
	}
	for _, broken := range aside {
		r.violation("%s", broken)
	}
	r.note("", "searched for "+searched)
}

// tally counts the rotations of one kind.
type tally struct {
	outcomes map[rotation.Outcome]int
	parked   int
	took     []time.Duration
	ways     map[string]int
	notes    []string
}

func (r *run) tallyOf(kind string) *tally {
	if r.tally[kind] == nil {
		r.tally[kind] = &tally{outcomes: map[rotation.Outcome]int{}, ways: map[string]int{}}
	}
	return r.tally[kind]
}

func (r *run) count(kind trial.Kind, way string, outcome rotation.Outcome, took time.Duration, parked int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tallyOf(kind.Name)
	t.outcomes[outcome]++
	t.ways[way]++
	t.parked += parked
	t.took = append(t.took, took)
}

// note keeps a line for the report.
func (r *run) note(about, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.tallyOf("")
	t.notes = append(t.notes, strings.TrimSpace(about+" "+text))
}

// report prints the table and the verdict.
func (r *run) report(out io.Writer, took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	notes := r.tallyOf("").notes
	delete(r.tally, "")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "\nkind\trotations\tRotated\tRolledBack\tRefused\tparked\tmedian\tlongest")
	total, startedBy := 0, map[string]int{}
	for _, kind := range slices.Sorted(maps.Keys(r.tally)) {
		t := r.tally[kind]
		slices.Sort(t.took)
		total += len(t.took)
		for way, n := range t.ways {
			startedBy[way] += n
		}
		_, _ = fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%s\t%s\n", kind, len(t.took), t.outcomes[rotation.Rotated], t.outcomes[rotation.RolledBack],
			t.outcomes[rotation.Refused], t.parked, t.took[len(t.took)/2].Round(10*time.Millisecond), t.took[len(t.took)-1].Round(10*time.Millisecond))
	}
	_ = table.Flush()
	_, _ = fmt.Fprintf(out, "\nstarted by: %s\ndone to them in %s: %s\n", inWords(startedBy), took.Round(time.Second), inWords(r.trouble.counts))
	for _, n := range notes {
		_, _ = fmt.Fprintln(out, n)
	}
	for _, v := range r.violated {
		_, _ = fmt.Fprintln(out, "VIOLATION:", v)
	}
	_, _ = fmt.Fprintf(out, "verdict: %d rotations of %d secrets, %d violations, seed %d\n", total, len(r.subjects), len(r.violated), *seed)
}

func inWords(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(parts, ", ")
}
