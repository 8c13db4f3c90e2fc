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

// Location is the rule's zone; UTC if there is none of that name.
func (r Rule) Location() *time.Location {
	if zone, err := time.LoadLocation(r.TimeZone); err == nil && r.TimeZone != "Local" {
		return zone
	}
	return time.UTC
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
