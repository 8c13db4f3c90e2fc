package recurrence

import "time"

// Problem is something that is wrong with a rule. Field is "" or every, calendar, window, timeZone, jitter, calendar.daysOfMonth, ...
type Problem struct{ Field, Text string }

// Problems are all that is wrong with a rule for a store of that provider, "" where it is not known.
func (r Rule) Problems(bounds Bounds, provider string) []Problem {
	return r.PartProblems(bounds, provider, func(string) bool { return false })
}

// PartProblems are what is wrong with a rule of which some fields could not be read, named as in Problem: only what those can't mend.
func (r Rule) PartProblems(bounds Bounds, provider string, unread func(field string) bool) (found []Problem) {
	add := func(field, text string) { found = append(found, Problem{field, text}) }
	found = r.fieldProblems()
	if r.TimeZone != "" && r.Calendar == nil && r.Window == nil && r.Every > 0 && len(found) == 0 && !unread("calendar") && !unread("window") {
		add("timeZone", "it goes with a calendar or a window; an interval has no zone")
	}
	switch {
	case r.Every == 0 && r.Calendar == nil && !unread("every") && !unread("calendar"):
		add("", "neither every nor calendar; wanted: one of them, like {every: 30d}")
	case r.Every != 0 && r.Calendar != nil:
		add("calendar", "there is an interval (every), too; wanted: one of them")
	}
	if r.Window != nil && r.Calendar != nil {
		add("window", "a calendar says the hour itself; a window goes with every")
	}
	found = append(found, r.missingClocks(unread)...)
	// shortest is the least time between two rotations; 0: it is not known.
	shortest := time.Duration(0)
	if r.Calendar != nil && !unread("calendar.months") && !unread("calendar.daysOfMonth") && !unread("calendar.daysOfWeek") && len(r.Calendar.problems()) == 0 {
		least, longest := r.Calendar.gaps()
		if shortest = least; bounds.problem(least, longest, provider) != "" {
			add("calendar", bounds.problem(least, longest, provider))
		}
	}
	if r.Every != 0 {
		if shortest = r.Every; bounds.problem(r.Every, r.Every, provider) != "" {
			add("every", bounds.problem(r.Every, r.Every, provider))
		}
	}
	if r.Calendar != nil && r.Every != 0 {
		return found // whose jitter it is, is not known
	}
	if r.Window != nil && r.Calendar == nil {
		found = append(found, r.windowProblems()...)
	}
	switch {
	case r.Window != nil && r.Calendar == nil && r.Window.complete():
	case shortest > 0 && r.Jitter >= shortest:
		add("jitter", IntervalText(r.Jitter)+" is not shorter than the interval of "+IntervalText(shortest))
	case shortest > 0:
		if text := bounds.jitterProblem(shortest, r.Jitter, provider); text != "" {
			add("jitter", text)
		}
	}
	return found
}

// missingClocks are the times of day that a calendar or a window lacks: they are below zero.
func (r Rule) missingClocks(unread func(field string) bool) (found []Problem) {
	missing := func(field string, c Clock) {
		if c < 0 && !unread(field) {
			found = append(found, Problem{field, "missing; wanted: a time of day, like 03:00"})
		}
	}
	if c := r.Calendar; c != nil {
		missing("calendar.at", c.At)
	}
	if w := r.Window; w != nil {
		missing("window.from", w.From)
		missing("window.to", w.To)
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
