package cli

import (
	"strings"

	"rotor/internal/rotation"
)

// tellCheck prints the check of one secret for people.
func (a *app) tellCheck(found rotation.Check) {
	verdict := a.paint(green, "fine")
	if !found.Fine() {
		verdict = a.paint(red, "a rotation would be Refused")
	}
	a.printf("%s of %s in %s: %s%s\n", found.Secret, found.Store, found.Region, verdict, howMany(found))
	for _, line := range found.Looked {
		a.printf("  %s       %s\n", a.paint(faint, "ok"), line)
	}
	for _, severity := range []rotation.Severity{rotation.Problem, rotation.Warning} {
		for _, f := range found.Findings {
			if f.Severity == severity {
				a.tellFinding(f)
			}
		}
	}
	if len(found.Changes) == 0 {
		if !found.Fine() {
			a.printf("  What a rotation would change can be told when the problems are mended.\n")
		}
		return
	}
	a.printf("  A rotation would make these changes (%s is the id of the version that it writes):\n", rotation.VersionToCome)
	for _, change := range found.Changes {
		a.printf("    %-4s %s: %s\n", change.Step, change.Where, change.Text)
	}
}

// howMany says how many findings there are, "" for none.
func howMany(found rotation.Check) string {
	count := map[rotation.Severity]int{}
	for _, f := range found.Findings {
		count[f.Severity]++
	}
	var words []string
	for _, severity := range []rotation.Severity{rotation.Problem, rotation.Warning} {
		if n := count[severity]; n > 0 {
			words = append(words, counted(n, string(severity)))
		}
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, ", ") + ")"
}

func (a *app) tellFinding(f rotation.Finding) {
	c := yellow
	if f.Severity == rotation.Problem {
		c = red
	}
	a.printf("  %s  %s: %s\n", a.paint(c, string(f.Severity)), f.Word, f.Text)
	if f.Do != "" {
		a.printf("           do: %s\n", f.Do)
	}
}
