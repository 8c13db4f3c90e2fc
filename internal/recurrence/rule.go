// Package recurrence says when a secret is rotated again and again: at an interval or by a calendar, in a maintenance window or
// at any time. It knows what intervals make sense, and nothing of who keeps the time.
package recurrence

import (
	"hash/fnv"
	"strings"
	"time"
	_ "time/tzdata" // zones are known where the machine has none
)

// Rule is when one secret is rotated: either Every or Calendar is set.
type Rule struct {
	Every    time.Duration
	Calendar *Calendar
	// Window are the hours in which an interval's rotations start.
	Window *Window
	// TimeZone is what Calendar and Window are in, and what times are shown in; "": UTC.
	TimeZone string
	// Jitter lets rotations start up to so much later.
	Jitter time.Duration
}

// Problem is something that is wrong with a rule. Field is "" or every, calendar, window, timeZone, jitter, calendar.daysOfMonth, ...
type Problem struct{ Field, Text string }

// Location is the rule's zone; UTC if there is none of that name.
func (r Rule) Location() *time.Location {
	if zone, err := time.LoadLocation(r.TimeZone); err == nil && r.TimeZone != "Local" {
		return zone
	}
	return time.UTC
}

// Problems are all that is wrong with a rule for a store of that provider, "" where it is not known.
func (r Rule) Problems(bounds Bounds, provider string) (found []Problem) {
	add := func(field, text string) { found = append(found, Problem{field, text}) }
	found = r.fieldProblems()
	if r.TimeZone != "" && r.Calendar == nil && r.Window == nil && r.Every > 0 && len(found) == 0 {
		add("timeZone", "it goes with a calendar or a window; an interval has no zone")
	}
	switch {
	case r.Every == 0 && r.Calendar == nil:
		add("", "neither every nor calendar; wanted: one of them, like {every: 30d}")
		return found
	case r.Every != 0 && r.Calendar != nil:
		add("calendar", "there is an interval (every), too; wanted: one of them")
		return found
	}
	field := "every"
	if r.Calendar != nil {
		field = "calendar"
		if r.Window != nil {
			add("window", "a calendar says the hour itself; a window goes with every")
		}
		if len(r.Calendar.problems()) > 0 {
			return found
		}
	}
	shortest, longest := r.Gaps()
	if text := bounds.problem(shortest, longest, provider); text != "" {
		add(field, text)
	}
	if r.Window != nil && r.Calendar == nil {
		found = append(found, r.windowProblems()...)
	} else if r.Jitter >= shortest && shortest > 0 {
		add("jitter", IntervalText(r.Jitter)+" is not shorter than the interval of "+IntervalText(shortest))
	}
	return found
}

// PartProblems are what is wrong with a rule of which a part could not be read: only what the other parts can't mend.
func (r Rule) PartProblems(bounds Bounds, provider string) []Problem {
	found := r.fieldProblems()
	if r.Every > 0 {
		if text := bounds.problem(r.Every, r.Every, provider); text != "" {
			found = append(found, Problem{"every", text})
		}
	}
	return found
}

// fieldProblems are those of each field by itself.
func (r Rule) fieldProblems() (found []Problem) {
	if _, err := time.LoadLocation(r.TimeZone); err != nil || r.TimeZone == "Local" {
		found = append(found, Problem{"timeZone", "no time zone of that name is known; wanted: one like Europe/Berlin or UTC"})
	}
	if r.Jitter < 0 {
		found = append(found, Problem{"jitter", "it is negative; wanted: one like 30m"})
	}
	if r.Calendar != nil {
		found = append(found, r.Calendar.problems()...)
	}
	return found
}

// Gaps are the shortest and the longest time between two rotations, in whole days where a calendar says them.
func (r Rule) Gaps() (shortest, longest time.Duration) {
	if r.Calendar != nil {
		return r.Calendar.gaps()
	}
	return r.Every, r.Every
}

// CatchUp is how much later a rotation may start that was missed: until the window closes, or until the next is due, for the longest time
// that a calendar leaves between two. Of several that were missed, one runs: the others are skipped beside it.
func (r Rule) CatchUp() time.Duration {
	if r.Window != nil {
		return r.startable()
	}
	_, longest := r.Gaps()
	return longest
}

// Phase gives the offset from 1970 at which the intervals begin, so that the first rotation comes one interval from now, or as late
// before that as the window allows. Within the window every key has a time of its own.
func (r Rule) Phase(now time.Time, key string) time.Duration {
	at := now.Truncate(time.Second).Add(r.Every)
	if r.Window != nil {
		hash := fnv.New64a()
		_, _ = hash.Write([]byte(key))
		place := time.Duration(0)
		if room := (r.startable() - r.Jitter) / time.Second; room > 0 {
			place = time.Duration(hash.Sum64()%uint64(room)) * time.Second
		}
		at = r.lastOpening(at.Add(-place)).Add(place)
	}
	return time.Duration(at.Unix()) * time.Second % r.Every
}

// Admits says whether intervals that begin at that offset fall into the window.
func (r Rule) Admits(phase time.Duration) bool {
	if r.Window == nil {
		return true
	}
	// A week on, so that there was an opening before it.
	at := time.Unix(0, 0).Add(phase + r.Every*(7*day/r.Every+1))
	return at.Sub(r.lastOpening(at)) <= r.startable()-r.Jitter
}

// Text says the rule in words, like "every 30d" or "at 03:00 on sun (Europe/Berlin)".
func (r Rule) Text() string {
	text := "every " + IntervalText(r.Every)
	if r.Calendar != nil {
		text = r.Calendar.Text()
	}
	if r.Window != nil {
		text += ", " + r.Window.Text()
	}
	if r.TimeZone != "" && (r.Calendar != nil || r.Window != nil) {
		text += " (" + r.TimeZone + ")"
	}
	if r.Jitter > 0 {
		text += ", up to " + IntervalText(r.Jitter) + " later"
	}
	return strings.TrimSpace(text)
}
