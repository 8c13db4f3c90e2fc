package recurrence

import (
	"fmt"
	"slices"
	"time"
)

// Window is a maintenance window, in the rule's zone. Rotations start in its first half; the second is for what was missed then, and
// for rotations to end.
type Window struct {
	// DaysOfWeek are those on which it opens; none: all.
	DaysOfWeek []time.Weekday
	// From and To are times of day; where To is not later, the window ends on the next day.
	From, To Clock
}

// leastWindow is the shortest window that leaves time to start in, and to end.
const leastWindow = 10 * time.Minute

// Text says it in words.
func (w *Window) Text() string {
	text := fmt.Sprintf("between %s and %s", w.From, w.To)
	if len(w.DaysOfWeek) > 0 {
		text += " on " + weekdayText(w.DaysOfWeek)
	}
	return text
}

// complete says that both times of day are there; one that is missing is below zero.
func (w *Window) complete() bool { return w.From >= 0 && w.To >= 0 }

func (w *Window) length() time.Duration {
	length := (w.To - w.From).duration()
	if length <= 0 {
		length += day
	}
	return length
}

// offsets are the smallest and the largest that the zone's clocks have from UTC, in the present rules.
func (r Rule) offsets() (least, most time.Duration) {
	zone := r.Location()
	for month := time.January; month <= time.December; month++ {
		_, seconds := time.Date(2026, month, 1, 12, 0, 0, 0, zone).Zone()
		offset := time.Duration(seconds) * time.Second
		if month == time.January || offset < least {
			least = offset
		}
		if month == time.January || offset > most {
			most = offset
		}
	}
	return least, most
}

// usable is what of the window is open in summer and in winter alike: intervals know no summer time.
func (r Rule) usable() time.Duration {
	least, most := r.offsets()
	return r.Window.length() - (most - least)
}

// startable is how long after its opening rotations may start in a window.
func (r Rule) startable() time.Duration { return (r.usable() / 2).Truncate(time.Second) }

func (r Rule) windowProblems() (found []Problem) {
	whole, unit := day, "whole days"
	if len(r.Window.DaysOfWeek) > 0 {
		whole, unit = 7*day, "whole weeks, because the window has days of the week"
	}
	if r.Every > 0 && r.Every%whole != 0 {
		found = append(found, Problem{"every", fmt.Sprintf("%s does not fit a window; wanted: %s, like %s", IntervalText(r.Every), unit, IntervalText(4*whole))})
	}
	if !r.Window.complete() {
		return found
	}
	least, most := r.offsets()
	switch {
	case r.usable() < leastWindow && most > least:
		found = append(found, Problem{"window", fmt.Sprintf("it is too short: wanted at least %s, because %s has summer time", IntervalText(leastWindow+most-least), r.TimeZone)})
	case r.usable() < leastWindow:
		found = append(found, Problem{"window", "it is too short: wanted at least " + IntervalText(leastWindow)})
	case r.Jitter > r.startable():
		found = append(found, Problem{"jitter", fmt.Sprintf("%s is longer than the first half of the window, %s, in which rotations start", IntervalText(r.Jitter), IntervalText(r.startable()))})
	}
	return found
}

// lastOpening is the latest usable opening of the window that is not after a moment.
func (r Rule) lastOpening(at time.Time) time.Time {
	least, _ := r.offsets()
	at = at.UTC()
	for back := -1; ; back++ {
		date := time.Date(at.Year(), at.Month(), at.Day()-back, 0, 0, 0, 0, time.UTC)
		opens := date.Add(r.Window.From.duration() - least)
		if !opens.After(at) && (len(r.Window.DaysOfWeek) == 0 || slices.Contains(r.Window.DaysOfWeek, date.Weekday())) {
			return opens
		}
	}
}
