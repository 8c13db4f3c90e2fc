package cli

import (
	"fmt"
	"strings"
	"time"

	"rotor/internal/rotation"
)

// formerLines tell what became of the credential that was current before.
func formerLines(r *rotation.Result) (lines []string) {
	f := r.FormerCredential
	if f == nil {
		return nil
	}
	say := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	switch {
	case f.Failure != nil:
		say("former credential: version %s may still log in as %s: %s", r.Former, r.FormerAccount, f.Failure.Text)
	case f.Retired != nil && f.Retired.Superseded:
		say("former credential: left alone, because another version is current by now")
	case f.Retired != nil && f.Retired.Proof == rotation.ProofAPI:
		say("former credential: version %s was retired; nobody tried its login, because the worker can't reach the server", r.Former)
	case f.Retired != nil || !f.Valid:
		say("former credential: version %s no longer logs in", r.Former)
	case !f.Until.IsZero():
		say("former credential: version %s logs in as %s until %s", r.Former, r.FormerAccount, f.Until.UTC().Format(time.RFC3339))
	default:
		say("former credential: version %s still logs in as %s, until the next rotation", r.Former, r.FormerAccount)
	}
	if f.Workflow != "" {
		say("retired by: workflow %s", f.Workflow)
	}
	if f.Retired == nil {
		return lines
	}
	switch s := f.Retired.Sessions; {
	case s == nil && f.Retired.Unseen != "":
		say("sessions: not seen: %s", f.Retired.Unseen)
	case s == nil:
	case s.Open == 0:
		say("sessions: none was open")
	case s.Ended > 0:
		say("sessions: %d ended, from %s", s.Ended, strings.Join(s.Hosts, ", "))
	default:
		say("sessions: %d still open, from %s", s.Open, strings.Join(s.Hosts, ", "))
	}
	return lines
}
