package manifest

import (
	"maps"
	"strconv"
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
	// unread are the fields that could not be read, and those that may be missing because something else is wrong beside them.
	unread map[string]bool
	// at is where each field stands, that of the defaults where an entry has none.
	at map[string]place
}

func newDraft() *draft { return &draft{at: map[string]place{}, unread: map[string]bool{}} }

func (d *draft) copy() *draft {
	c := *d
	c.at, c.unread = maps.Clone(d.at), maps.Clone(d.unread)
	return &c
}

// forget drops what is known of the fields of an object that is replaced as a whole.
func (d *draft) forget(prefix string) {
	maps.DeleteFunc(d.at, func(field string, _ place) bool { return strings.HasPrefix(field, prefix) })
	maps.DeleteFunc(d.unread, func(field string, _ bool) bool { return strings.HasPrefix(field, prefix) })
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

// requestWords are the fields of a request as a manifest names them.
var requestWords = strings.NewReplacer("SecretName", "secret", "RegionId", "region", "InstanceId", "instanceId",
	"RetireFormer", "retireFormer", "RetireWhenIdle", "retireWhenIdle", "EndSessions", "endSessions")

// withoutValue is what is wrong with a field of a request, without the value that it begins with: that may be a password in the wrong place, and
// messages stand in logs.
func withoutValue(problem *rotation.Error, of rotation.Request) string {
	if quoted, err := strconv.QuotedPrefix(problem.Text); err == nil {
		return "it" + strings.TrimPrefix(problem.Text, quoted)
	}
	if rest, found := strings.CutPrefix(problem.Text, of.RegionId+","); found && problem.Field == "RegionId" {
		return "it is another," + rest
	}
	return problem.Text
}

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
