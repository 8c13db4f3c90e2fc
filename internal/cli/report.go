package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"

	"rotor/internal/cli/watch"
	"rotor/internal/rotation"
)

// Report is what rotate, describe and resolve print with --output json.
type Report struct {
	Secret, Store, Region string
	// WorkflowID and RunID are absent where nothing was started.
	WorkflowID string `json:",omitempty"`
	RunID      string `json:",omitempty"`
	// State is running, waiting, parked or ended.
	State rotation.State
	// Outcome is absent while the rotation is open, and where it left none (Closed says how it ended then).
	Outcome rotation.Outcome `json:",omitempty"`
	// Closed is Temporal's word for how the workflow ended: Completed, Failed, Canceled, Terminated, TimedOut.
	Closed  string    `json:",omitempty"`
	Started time.Time `json:",omitzero"`
	Ended   time.Time `json:",omitzero"`
	Seconds float64
	Plan    *PlanReport    `json:",omitempty"`
	Steps   []watch.Step   `json:",omitempty"`
	Attempt *watch.Attempt `json:",omitempty"`
	// Failure is the latest, or what led to the outcome.
	Failure *rotation.Failure `json:",omitempty"`
	// Decisions are what a person can decide about a parked rotation.
	Decisions []Decision `json:",omitempty"`
	// Text is the workflow's own account of a parked rotation, in Markdown.
	Text     string          `json:",omitempty"`
	Result   *ResultReport   `json:",omitempty"`
	Schedule *ScheduleReport `json:",omitempty"`
}

// PlanReport and ResultReport are the workflow's own, with durations as people write them ("1m30s").
type PlanReport struct {
	*rotation.Plan
	LongestAttempt string
}

// ResultReport: see PlanReport.
type ResultReport struct {
	*rotation.Result
	Exposure string `json:",omitempty"`
}

func resultReport(r *rotation.Result) *ResultReport {
	if r == nil {
		return nil
	}
	report := &ResultReport{Result: r}
	if r.Exposure > 0 {
		report.Exposure = r.Exposure.String()
	}
	return report
}

// Decision is one thing that can be decided, and how.
type Decision struct{ Choice, Means, Command string }

// whatDecisionsMean are the words for people who are about to choose.
var whatDecisionsMean = map[string]string{
	rotation.UpdateRetry:    "try to finish the rotation; every step looks at what there is and goes on from that",
	rotation.UpdateRollback: "bring everything back to the version that was current before, and prove it by logging in",
	rotation.UpdateAbandon:  "give up; store and database stay as they are",
}

// report puts together what is known.
func (a *app) report(req rotation.Request, s *watch.Snapshot) *Report {
	r := &Report{
		Secret: req.Name(), Store: req.Store, Region: req.RegionId, WorkflowID: s.WorkflowID, RunID: s.RunID,
		State: state(s), Outcome: s.Outcome(), Started: s.Started, Steps: s.Steps, Attempt: s.Attempt, Failure: failure(s),
	}
	if s.Plan != nil {
		r.Plan = &PlanReport{s.Plan, s.Plan.LongestAttempt.String()}
	}
	end := s.At
	if s.Closing != nil {
		end = s.Closing.At
		r.Ended, r.Closed, r.Result = end, s.Closing.Status.String(), resultReport(s.Closing.Result)
	}
	r.Seconds = end.Sub(s.Started).Seconds()
	if s.Parked {
		r.Decisions = a.decisions(req, s)
		if s.Status != nil {
			r.Text = s.Status.Doing
		}
	}
	return r
}

func state(s *watch.Snapshot) rotation.State {
	switch {
	case s.Closing != nil:
		return rotation.StateEnded
	case s.Parked:
		return rotation.StateParked
	case s.Status != nil:
		return s.Status.State
	}
	if _, waits := s.Waits(); waits {
		return rotation.StateWaiting
	}
	return rotation.StateRunning
}

// failure is the one that matters now: of the outcome, of the attempt that is repeated, or of the latest step that failed.
func failure(s *watch.Snapshot) *rotation.Failure {
	switch {
	case s.Closing != nil && s.Closing.Result != nil:
		return s.Closing.Result.Reason
	case s.Status != nil && s.Status.Failure != nil:
		return s.Status.Failure
	case s.Attempt != nil && s.Attempt.Failure != nil:
		return s.Attempt.Failure
	}
	if len(s.Steps) == 0 {
		return nil
	}
	if last := s.Steps[len(s.Steps)-1]; last.Failed || last.State == rotation.StateWaiting {
		return last.Failure
	}
	return nil
}

// decisions are the workflow's own list; where no worker answers, all there are, of which it may refuse one.
func (a *app) decisions(req rotation.Request, s *watch.Snapshot) []Decision {
	choices := []string{rotation.UpdateRetry, rotation.UpdateRollback, rotation.UpdateAbandon}
	if s.Status != nil {
		choices = s.Status.Decisions
	}
	var list []Decision
	for _, c := range choices {
		means := whatDecisionsMean[c]
		if s.Status != nil && s.Status.Means[c] != "" {
			means = s.Status.Means[c]
		}
		list = append(list, Decision{c, strings.ReplaceAll(means, "`", ""), a.command("resolve", req, c) + ` --reason "..."`})
	}
	return list
}

// exitCode is what the end of a rotation, or its parking, means for the caller.
func exitCode(s *watch.Snapshot) int {
	if s.Parked {
		return ExitParked
	}
	switch s.Outcome() {
	case rotation.Rotated:
		if former := s.Closing.Result.FormerCredential; former != nil && former.Failure != nil {
			return ExitNotRetired
		}
		return ExitOK
	case rotation.RolledBack:
		return ExitRolledBack
	}
	return ExitRefused
}

func (a *app) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(a.Stdout, format, args...)
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return failf("print JSON: %w", err)
	}
	return nil
}

// sentences tell how a rotation ended, or why it stands still, for people.
func (a *app) conclude(req rotation.Request, s *watch.Snapshot) {
	if s.Parked {
		a.parked(req, s)
		return
	}
	took := shortDuration(s.Closing.At.Sub(s.Started))
	r := s.Closing.Result
	if r == nil {
		a.printf("%s after %s: %s.\n", a.paint(red, closedWord(s.Closing.Status)), took, s.Closing.Text)
		if s.Closing.Status != enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED {
			a.printf("It left no outcome: look at the secret's versions and accounts. The next rotation looks at them, too, before it changes anything.\n")
		}
		return
	}
	outcome := a.paint(outcomeColour(r.Outcome), string(r.Outcome))
	if s.Closing.Status == enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED {
		if r.Outcome == rotation.Refused {
			a.printf("%s after %s, before it had changed anything.\n", a.paint(yellow, "Cancelled"), took)
			return
		}
		outcome = "Cancelled, " + outcome
	}
	switch r.Outcome {
	case rotation.Rotated:
		a.printf("%s: version %s is current, account %s%s, in %s.\n", outcome, r.Version, r.Account, before(r), took)
	case rotation.RolledBack:
		a.printf("%s: version %s is current, account %s, after %s.\n", outcome, r.Former, r.Account, took)
	default:
		a.printf("%s after %s.\n", outcome, took)
	}
	if r.Reason != nil && !saidLast(s, r.Reason) {
		a.printf("  reason: %s\n", reasonText(r.Reason))
	}
	if d := r.Decision; d != nil {
		by := ""
		if d.By != "" {
			by = " by " + d.By
		}
		a.printf("  decision: %s%s (%s)\n", d.Choice, by, d.Reason)
	}
	switch {
	case r.Proof == rotation.ProofAPI:
		a.printf("  proof: api; nobody logged in, because the worker can't reach the server: the cloud's API says that account %s at %s is available\n", r.Account, r.Address)
	case r.TLS != "":
		a.printf("  proof: logged in as %s at %s, %s\n", r.Account, r.Address, tlsWords(r.TLS))
	}
	if r.Exposure > 0 {
		a.printf("  exposure: %s between the change in the database and the move of the stage, in which the current version did not log in\n",
			shortDuration(r.Exposure))
	}
	for _, line := range formerLines(r) {
		a.printf("  %s\n", line)
	}
	for _, note := range r.Notes {
		a.printf("  note: %s\n", note)
	}
	if len(r.LeftOut) > 0 {
		a.printf("  left out: %s\n", strings.Join(r.LeftOut, ", "))
	}
}

// saidLast says that the last line of the steps gave the reason already.
func saidLast(s *watch.Snapshot, reason *rotation.Failure) bool {
	if len(s.Steps) == 0 {
		return false
	}
	last := s.Steps[len(s.Steps)-1]
	return last.Failed && last.Failure != nil && last.Failure.Text == reason.Text
}

func tlsWords(s string) string {
	if strings.HasPrefix(s, "TLS") {
		return s
	}
	return "TLS " + s
}

func before(r *rotation.Result) string {
	if r.FormerAccount == "" || r.FormerAccount == r.Account {
		return ""
	}
	return " (before: " + r.FormerAccount + ")"
}

func reasonText(f *rotation.Failure) string {
	if f.Step == "" {
		return f.Text
	}
	return "step " + string(f.Step) + ": " + f.Text
}

func closedWord(status enumspb.WorkflowExecutionStatus) string {
	switch status {
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "Cancelled"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TERMINATED:
		return "Terminated"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "Timed out"
	}
	return "Failed"
}

// parked tells all that a person needs to decide.
func (a *app) parked(req rotation.Request, s *watch.Snapshot) {
	a.printf("%s after %s: a person has to decide.\n\n", a.paint(yellow, "Parked"), shortDuration(s.At.Sub(s.Started)))
	switch {
	case s.Status != nil:
		a.printf("%s\n", indent(plainMarkdown(s.Status.Doing)))
	default:
		if f := failure(s); f != nil {
			a.printf("  %s\n", reasonText(f))
		}
		a.printf("  No worker answers, so this is all that the history says.\n")
	}
	a.printf("\nDecide with one of:\n")
	for _, d := range a.decisions(req, s) {
		a.printf("  %s\n      %s\n", d.Command, d.Means)
	}
}

// plainMarkdown gives the first part of a parked rotation's details as plain text: what happened and how things are. The
// part after it says how to decide, which is said here in commands.
func plainMarkdown(text string) string {
	text, _, _ = strings.Cut(text, "\n\nDecide with")
	_, text, found := strings.Cut(text, "\n\n")
	if !found {
		return ""
	}
	return strings.NewReplacer("**", "", "`", "").Replace(text)
}

func indent(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}
