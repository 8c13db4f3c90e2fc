package schedules

import (
	"slices"
	"time"

	"go.temporal.io/sdk/client"

	"rotor/internal/recurrence"
)

// specOf is the rule as Temporal keeps it. phase is the offset at which intervals begin.
func specOf(rule recurrence.Rule, phase time.Duration) client.ScheduleSpec {
	spec := client.ScheduleSpec{Jitter: rule.Jitter, TimeZoneName: rule.TimeZone}
	if c := rule.Calendar; c != nil {
		days := make([]int, 0, len(c.DaysOfWeek))
		for _, d := range c.DaysOfWeek {
			days = append(days, int(d))
		}
		spec.Calendars = []client.ScheduleCalendarSpec{{
			Month: ranges(c.Months), DayOfMonth: ranges(c.DaysOfMonth), DayOfWeek: ranges(days),
			Hour: ranges([]int{int(c.At) / 60}), Minute: ranges([]int{int(c.At) % 60}),
		}}
		return spec
	}
	spec.Intervals = []client.ScheduleIntervalSpec{{Every: rule.Every, Offset: phase}}
	return spec
}

func ranges(values []int) (list []client.ScheduleRange) {
	for _, v := range slices.Compact(slices.Sorted(slices.Values(values))) {
		list = append(list, client.ScheduleRange{Start: v, End: v, Step: 1})
	}
	return list
}

// ruleOf reads a schedule's spec; false if no rule of ours could have made it. The window is not in it.
func ruleOf(spec *client.ScheduleSpec) (rule recurrence.Rule, phase time.Duration, ok bool) {
	if spec == nil || len(spec.CronExpressions)+len(spec.Skip) > 0 || len(spec.Intervals)+len(spec.Calendars) != 1 || !spec.StartAt.IsZero() || !spec.EndAt.IsZero() {
		return rule, 0, false
	}
	rule.Jitter, rule.TimeZone = spec.Jitter, spec.TimeZoneName
	if len(spec.Intervals) == 1 {
		rule.Every = spec.Intervals[0].Every
		return rule, spec.Intervals[0].Offset, true
	}
	of := spec.Calendars[0]
	hours, minutes := values(of.Hour, 0), values(of.Minute, 0)
	if len(hours) != 1 || len(minutes) != 1 || !slices.Equal(values(of.Second, 0), []int{0}) || len(of.Year) > 0 {
		return rule, 0, false
	}
	rule.Calendar = &recurrence.Calendar{
		Months: someOf(of.Month, 1, 12), DaysOfMonth: someOf(of.DayOfMonth, 1, 31), At: recurrence.Clock(hours[0]*60 + minutes[0]),
	}
	for _, d := range someOf(of.DayOfWeek, 0, 6) {
		rule.Calendar.DaysOfWeek = append(rule.Calendar.DaysOfWeek, time.Weekday(d))
	}
	return rule, 0, true
}

// values are what ranges cover; none: the default.
func values(list []client.ScheduleRange, byDefault int) (all []int) {
	if len(list) == 0 {
		return []int{byDefault}
	}
	for _, r := range list {
		for v := r.Start; v <= max(r.Start, r.End); v += max(1, r.Step) {
			all = append(all, v)
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(all)))
}

// someOf are the values that ranges cover; nil if they cover all.
func someOf(list []client.ScheduleRange, first, last int) []int {
	if len(list) == 0 {
		return nil
	}
	if all := values(list, first); len(all) < last-first+1 {
		return all
	}
	return nil
}

// whenText says in words when a schedule runs.
func whenText(spec *client.ScheduleSpec, window string) string {
	rule, _, ok := ruleOf(spec)
	if !ok {
		return "by rules of its own"
	}
	text := rule.Text()
	if window != "" {
		zone := rule.TimeZone
		rule.TimeZone = ""
		if text = rule.Text() + ", " + window; zone != "" {
			text += " (" + zone + ")"
		}
	}
	return text
}
