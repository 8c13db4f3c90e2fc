package recurrence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Calendar names days, and the time of day; a field that is empty allows all.
type Calendar struct {
	Months      []int
	DaysOfMonth []int
	DaysOfWeek  []time.Weekday
	At          Clock
}

// Clock is a time of day, in minutes since midnight.
type Clock int

// ParseClock reads a time of day like 03:00.
func ParseClock(s string) (Clock, bool) {
	t, err := time.Parse("15:04", s)
	return Clock(t.Hour()*60 + t.Minute()), err == nil
}

func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", c/60, c%60) }

func (c Clock) duration() time.Duration { return time.Duration(c) * time.Minute }

// Weekdays are the names of the days of the week, from Monday on.
var Weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// ParseWeekday reads one of Weekdays.
func ParseWeekday(s string) (time.Weekday, bool) {
	i := slices.Index(Weekdays, s)
	return time.Weekday((i + 1) % 7), i >= 0
}

func weekdayText(days []time.Weekday) string {
	var names []string
	for _, name := range Weekdays {
		if d, _ := ParseWeekday(name); slices.Contains(days, d) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

func (c *Calendar) problems() (found []Problem) {
	for _, list := range []struct {
		field  string
		values []int
		most   int
	}{{"calendar.months", c.Months, 12}, {"calendar.daysOfMonth", c.DaysOfMonth, 31}} {
		for _, v := range list.values {
			if v < 1 || v > list.most {
				found = append(found, Problem{list.field, fmt.Sprintf("%d is out of range: 1 to %d", v, list.most)})
			}
		}
	}
	return found
}

// gapYears are looked at, so that a leap year is among them.
const gapYears = 9

func (c *Calendar) gaps() (shortest, longest time.Duration) {
	last := time.Time{}
	begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for at := begin; at.Before(begin.AddDate(gapYears, 0, 0)); at = at.AddDate(0, 0, 1) {
		if !c.has(at) {
			continue
		}
		if !last.IsZero() {
			gap := at.Sub(last)
			longest = max(longest, gap)
			if shortest == 0 || gap < shortest {
				shortest = gap
			}
		}
		last = at
	}
	return shortest, longest
}

func (c *Calendar) has(at time.Time) bool {
	in := func(list []int, v int) bool { return len(list) == 0 || slices.Contains(list, v) }
	return in(c.Months, int(at.Month())) && in(c.DaysOfMonth, at.Day()) && (len(c.DaysOfWeek) == 0 || slices.Contains(c.DaysOfWeek, at.Weekday()))
}

// Text says it in words.
func (c *Calendar) Text() string {
	text := "at " + c.At.String()
	if len(c.DaysOfWeek) > 0 {
		text += " on " + weekdayText(c.DaysOfWeek)
	}
	if len(c.DaysOfMonth) > 0 {
		text += " on day " + numbers(c.DaysOfMonth)
	}
	if len(c.DaysOfWeek)+len(c.DaysOfMonth) == 0 {
		text += " every day"
	}
	if len(c.Months) > 0 {
		text += " of month " + numbers(c.Months)
	}
	return text
}

func numbers(list []int) string {
	var words []string
	for _, n := range slices.Compact(slices.Sorted(slices.Values(list))) {
		words = append(words, strconv.Itoa(n))
	}
	return strings.Join(words, ", ")
}
