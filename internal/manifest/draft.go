package manifest

import (
	"maps"
	"strings"

	"rotor/internal/recurrence"
	"rotor/internal/rotation"
)

// draft is an entry that is being read, over a copy of the defaults.
type draft struct {
	request        rotation.Request
	rule           recurrence.Rule
	network, owner string
	labels         map[string]string
	paused         bool
	// broken says that the rule has a field that could not be read, so that the rest can't be judged.
	broken bool
	// at is where each field stands, that of the defaults where an entry has none.
	at map[string]place
}

func newDraft() *draft { return &draft{at: map[string]place{}} }

func (d *draft) copy() *draft {
	c := *d
	c.at = maps.Clone(d.at)
	return &c
}

// forget drops the places of an object that is replaced as a whole.
func (d *draft) forget(prefix string) {
	for field := range d.at {
		if strings.HasPrefix(field, prefix) {
			delete(d.at, field)
		}
	}
}

// place is where a field stands, or what it belongs to.
func (d *draft) place(field string) place {
	for {
		if at, ok := d.at[field]; ok {
			return at
		}
		i := strings.LastIndex(field, ".")
		if i < 0 {
			return d.at["secret"]
		}
		field = field[:i]
	}
}

// wrong notes a problem where the field stands: one of the defaults is reported once, however many entries have it.
func (d *draft) wrong(field, text string) {
	at := d.place(field)
	at.file.Wrong(at.node, "%s: %s", field, text)
}

// clocks are the times of day that are missing.
func (d *draft) clocks() (found []recurrence.Problem) {
	missing := func(field string, c recurrence.Clock) {
		if c < 0 {
			found = append(found, recurrence.Problem{Field: field, Text: "missing; wanted: a time of day, like 03:00"})
		}
	}
	if c := d.rule.Calendar; c != nil {
		missing("calendar.at", c.At)
	}
	if w := d.rule.Window; w != nil {
		missing("window.from", w.From)
		missing("window.to", w.To)
	}
	return found
}

// requestWords are the fields of a request as a manifest names them.
var requestWords = strings.NewReplacer("SecretName", "secret", "RegionId", "region", "InstanceId", "instanceId",
	"RetireFormer", "retireFormer", "RetireWhenIdle", "retireWhenIdle", "EndSessions", "endSessions")

// fieldOf gives the manifest's field for one of a request.
func fieldOf(name string) string {
	switch name {
	case "SecretName":
		return "secret"
	case "RegionId":
		return "region"
	}
	parts := strings.Split(name, ".")
	for i, part := range parts {
		if part != "" {
			parts[i] = strings.ToLower(part[:1]) + part[1:]
		}
	}
	return strings.Join(parts, ".")
}
