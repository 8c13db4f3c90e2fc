package fleet

import (
	"fmt"
	"strings"
)

// Words say in a sentence or two how a fleet stands.
func (s Status) Words() string {
	text := s.begin()
	text += fmt.Sprintf(" %d of %d secrets are done", s.Tally.Done(), s.Selected)
	if words := s.Tally.Words(); words != "" {
		text += " (" + words + ")"
	}
	if s.Open > 0 {
		text += fmt.Sprintf(", %d are being rotated", s.Open)
	}
	if s.Busy > 0 {
		text += fmt.Sprintf(", %d wait because somebody else was rotating them", s.Busy)
	}
	return text + "."
}

func (s Status) begin() string {
	switch s.State {
	case Canary:
		return "Rotating the canary; the others follow if all of it are Rotated."
	case Paused:
		return "Paused" + s.Paused.words() + ". None begins until somebody decides: resume or stop."
	case Stopping:
		return "Stopping" + s.Stopped.words() + ". None begins any more; those that are open go to their ends."
	case Stopped:
		return "Stopped" + s.Stopped.words() + "."
	case Ended:
		return "Ended."
	}
	return "Rotating."
}

func (w *Word) words() string {
	if w == nil {
		return ""
	}
	text := " by itself"
	if w.By != "" {
		text = " by " + w.By
	}
	if w.Reason != "" {
		text += ": " + w.Reason
	}
	return text
}

// Words counts what there is.
func (t Tally) Words() string {
	var list []string
	for _, count := range []struct {
		n    int
		word string
	}{{t.Rotated, "Rotated"}, {t.RolledBack, "RolledBack"}, {t.Refused, "Refused"}, {t.Abandoned, "Abandoned"}, {t.NotRetired, NotRetired}, {t.Stuck, Stuck}, {t.NoOutcome, NoOutcome}} {
		if count.n > 0 {
			list = append(list, fmt.Sprintf("%d %s", count.n, count.word))
		}
	}
	return strings.Join(list, ", ")
}
