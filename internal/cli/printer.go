package cli

import (
	"fmt"
	"math"
	"strings"
	"time"

	"rotor/internal/cli/watch"
	"rotor/internal/rotation"
)

// printer shows a rotation's steps as they happen: a line when a step ends, a line for each failed attempt, and on a
// terminal a line that says what is going on right now, which the next one replaces.
type printer struct {
	*app
	run          string
	ended, marks int
	// failures are those that were shown, of the step at index ended.
	failures map[string]bool
	live     bool
}

func (a *app) printer() *printer { return &printer{app: a, failures: map[string]bool{}} }

// skip leaves out what has happened until now.
func (p *printer) skip(s *watch.Snapshot) {
	p.run, p.ended, p.marks = s.RunID, len(s.Steps), len(s.Marks)
}

// show prints what is new. A new run is shown from its start.
func (p *printer) show(s *watch.Snapshot) {
	if s.RunID != p.run {
		p.run, p.ended, p.marks = s.RunID, 0, 0
	}
	for ; p.ended < len(s.Steps) && s.Steps[p.ended].State == rotation.StateEnded; p.ended++ {
		p.showMarks(s, p.ended)
		p.clear()
		p.printf("%s\n", p.stepLine(s.Steps[p.ended], s))
		clear(p.failures)
	}
	p.showMarks(s, len(s.Steps))
	if p.ended < len(s.Steps) {
		p.showRunning(s, s.Steps[p.ended])
	}
}

func (p *printer) showMarks(s *watch.Snapshot, steps int) {
	for ; p.marks < len(s.Marks) && s.Marks[p.marks].AfterSteps <= steps; p.marks++ {
		p.clear()
		p.printf("  %s\n", s.Marks[p.marks].Text)
	}
}

func (p *printer) showRunning(s *watch.Snapshot, step watch.Step) {
	now := s.At
	if a := s.Attempt; a != nil && a.Failure != nil {
		key := fmt.Sprintf("%d/%d", step.Rounds, a.Number)
		p.retry(key, step.Step, fmt.Sprintf("attempt %d", step.Attempts+a.Number-1), a.Failure, again(a.NextTry, now))
	}
	if step.State == rotation.StateWaiting && step.Failure != nil {
		p.retry(fmt.Sprintf("round %d", step.Rounds), step.Step, tries(step.Attempts), step.Failure, again(step.NextTry, now))
	}
	if !p.Terminal || p.dumb() {
		return
	}
	doing := fmt.Sprintf("  %-9s%7s", step.Step, shortDuration(step.Duration(now)))
	if wait := step.NextTry; step.State == rotation.StateWaiting && wait.After(now) {
		doing += "  again in " + shortDuration(wait.Sub(now))
	}
	p.clear()
	p.live = true
	p.printf("%s", p.paint(faint, doing))
}

// clear takes the line of the present away.
func (p *printer) clear() {
	if p.live {
		p.live = false
		p.printf("\r\x1b[K")
	}
}

func (p *printer) retry(key string, step rotation.Step, which string, f *rotation.Failure, next string) {
	if p.failures[key] {
		return
	}
	p.failures[key] = true
	p.clear()
	p.printf("  %-9s        %s\n", step, p.paint(yellow, which+" failed: "+f.Text+next))
}

func again(at, now time.Time) string {
	if !at.After(now) {
		return ""
	}
	return "; again in " + shortDuration(at.Sub(now))
}

func tries(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return fmt.Sprintf("%d attempts", n)
}

// stepLine is the line of a step that has ended.
func (a *app) stepLine(step watch.Step, s *watch.Snapshot) string {
	text := fmt.Sprintf("  %-9s%7s", step.Step, shortDuration(step.Duration(s.At)))
	switch {
	case step.Failed && step.Failure != nil && step.Failure.Text == watch.Cancelled:
		text += "  " + a.paint(yellow, watch.Cancelled)
	case step.Failed && step.Failure != nil:
		text += "  " + a.paint(red, "failed: "+step.Failure.Text)
	case step.Failed:
		text += "  " + a.paint(red, "not finished")
	default:
		if said := stepSaid(step, s.Plan); said != "" {
			text += "  " + said
		}
	}
	if step.Attempts > 1 {
		text += " (" + tries(step.Attempts) + ")"
	}
	return text
}

// stepSaid says what a step that succeeded has brought about.
func stepSaid(done watch.Step, p *rotation.Plan) string {
	if p == nil {
		return ""
	}
	switch done.Step {
	case rotation.StepLook:
		said := fmt.Sprintf("%s, account %s at %s", p.Strategy, p.Account, p.Address)
		if p.Strategy != rotation.DualAccount {
			return said
		}
		said += ", standby " + p.Standby
		if !p.StandbyExists {
			said += ", which does not exist yet"
		}
		return said
	case rotation.StepNew:
		return "version " + p.Version + " is pending"
	case rotation.StepSet:
		return "account " + p.Next() + " has the new password"
	case rotation.StepTest:
		if done.Proof == rotation.ProofAPI {
			return "the cloud's API says that account " + p.Next() + " is available; nobody logged in"
		}
		return "logged in as " + p.Next()
	case rotation.StepEnd:
		return "version " + p.Version + " is current"
	case rotation.StepRetire:
		return "version " + p.Base + " no longer logs in as " + p.Account
	}
	return ""
}

// colours, as terminals understand them.
type colour string

const (
	red    colour = "31"
	green  colour = "32"
	yellow colour = "33"
	faint  colour = "2"
	bold   colour = "1"
)

// paint colours a text, on terminals only and not against the user's word (https://no-color.org).
func (a *app) paint(c colour, text string) string {
	if noColour, _ := a.lookup("NO_COLOR"); !a.Terminal || noColour != "" || a.dumb() {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// dumb says that the terminal understands neither colours nor moves.
func (a *app) dumb() bool {
	term, _ := a.lookup("TERM")
	return term == "dumb"
}

func outcomeColour(o rotation.Outcome) colour {
	switch o {
	case rotation.Rotated:
		return green
	case rotation.RolledBack:
		return yellow
	}
	return red
}

// shortDuration is as exact as a person wants it: 0.12s, 4.3s, 2m5s, 3h12m, 12d.
func shortDuration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return fmt.Sprintf("%dd", int(math.Round(d.Hours()/24)))
}
