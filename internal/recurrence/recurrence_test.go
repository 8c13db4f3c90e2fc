package recurrence_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rotor/internal/recurrence"
	"rotor/internal/rotation"
)

const day = 24 * time.Hour

func clock(t require.TestingT, s string) recurrence.Clock {
	c, ok := recurrence.ParseClock(s)
	require.True(t, ok, s)
	return c
}

// Whatever the window, zone and moment: rotations come at most one interval from now, and then always start in the first half of the
// window as its zone's clocks show it, in summer and in winter, with whatever jitter is allowed.
func TestWindowsAreKept(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		rule := recurrence.Rule{
			TimeZone: rapid.SampledFrom([]string{"", "Europe/Berlin", "America/New_York", "Asia/Shanghai", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Australia/Lord_Howe"}).Draw(t, "zone"),
			Window: &recurrence.Window{
				From: recurrence.Clock(rapid.IntRange(0, 24*60-1).Draw(t, "from")), To: recurrence.Clock(rapid.IntRange(0, 24*60-1).Draw(t, "to")),
				DaysOfWeek: rapid.SliceOfDistinct(rapid.SampledFrom([]time.Weekday{0, 1, 2, 3, 4, 5, 6}), func(d time.Weekday) time.Weekday { return d }).Draw(t, "days"),
			},
		}
		rule.Every = time.Duration(rapid.IntRange(1, 60).Draw(t, "days between")) * day
		if len(rule.Window.DaysOfWeek) > 0 {
			rule.Every = time.Duration(rapid.IntRange(1, 8).Draw(t, "weeks between")) * 7 * day
		}
		rule.Jitter = time.Duration(rapid.IntRange(0, 120).Draw(t, "jitter")) * time.Minute
		if len(rule.Problems(recurrence.Bounds{}, "")) > 0 {
			return // what is refused has no phase
		}
		now := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(t, "now"), 0).UTC()
		phase := rule.Phase(now, rapid.String().Draw(t, "key"))
		require.True(t, rule.Admits(phase))

		next := time.Unix(now.Unix()-now.Unix()%int64(rule.Every/time.Second), 0).UTC().Add(phase)
		for !next.After(now) {
			next = next.Add(rule.Every)
		}
		require.LessOrEqual(t, next.Sub(now), rule.Every)
		length := time.Duration(rule.Window.To-rule.Window.From) * time.Minute
		if length <= 0 {
			length += day
		}
		for range 30 {
			for _, at := range []time.Time{next, next.Add(rule.Jitter)} {
				require.True(t, inWindow(rule, at.Add(rule.CatchUp()), length), "%s, caught up, is out of %s", at.In(rule.Location()), rule.Text())
				require.True(t, inWindow(rule, at, length), "%s is out of %s", at.In(rule.Location()), rule.Text())
			}
			next = next.Add(rule.Every)
		}
	})
}

// inWindow looks at the clocks of the zone.
func inWindow(rule recurrence.Rule, at time.Time, length time.Duration) bool {
	local := at.In(rule.Location())
	for back := range 2 {
		opens := time.Date(local.Year(), local.Month(), local.Day()-back, 0, int(rule.Window.From), 0, 0, time.UTC)
		wall := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), 0, time.UTC)
		days := rule.Window.DaysOfWeek
		allowed := len(days) == 0
		for _, d := range days {
			allowed = allowed || d == opens.Weekday()
		}
		if allowed && !wall.Before(opens) && wall.Sub(opens) <= length {
			return true
		}
	}
	return false
}

func TestPhases(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 15, 30, 0, 0, time.UTC)
	plain := recurrence.Rule{Every: 30 * day}
	begin := plain.Phase(now, "a")
	require.Equal(t, time.Duration(now.Unix())*time.Second%plain.Every, begin, "one interval after now")
	require.True(t, plain.Admits(begin))

	nights := recurrence.Rule{Every: day, Window: &recurrence.Window{From: clock(t, "01:00"), To: clock(t, "05:00")}}
	require.NotEqual(t, nights.Phase(now, "a"), nights.Phase(now, "b"), "they don't all start at once")
	require.Equal(t, nights.Phase(now, "a"), nights.Phase(now, "a"))
	require.True(t, nights.Admits(2*time.Hour))
	require.False(t, nights.Admits(4*time.Hour), "the second half is for what was missed")
	require.False(t, nights.Admits(30*time.Minute))
	require.Equal(t, 2*time.Hour, nights.CatchUp())

	sundays := recurrence.Rule{Every: 7 * day, Window: &recurrence.Window{From: clock(t, "01:00"), To: clock(t, "05:00"), DaysOfWeek: []time.Weekday{time.Sunday}}}
	require.False(t, sundays.Admits(2*time.Hour), "1970 began on a Thursday")
	require.True(t, sundays.Admits(3*day+2*time.Hour))
}

func TestGapsOfCalendars(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		calendar          recurrence.Calendar
		shortest, longest time.Duration
		text              string
	}{
		"daily":     {recurrence.Calendar{At: 180}, day, day, "at 03:00 every day"},
		"weekly":    {recurrence.Calendar{At: 180, DaysOfWeek: []time.Weekday{0}}, 7 * day, 7 * day, "at 03:00 on sun"},
		"two days":  {recurrence.Calendar{At: 61, DaysOfWeek: []time.Weekday{0, 1}}, day, 6 * day, "at 01:01 on mon, sun"},
		"monthly":   {recurrence.Calendar{DaysOfMonth: []int{1}}, 28 * day, 31 * day, "at 00:00 on day 1"},
		"last days": {recurrence.Calendar{DaysOfMonth: []int{31, 1}}, day, 30 * day, "at 00:00 on day 1, 31"},
		"quarterly": {recurrence.Calendar{DaysOfMonth: []int{1}, Months: []int{1, 4, 7, 10}}, 90 * day, 92 * day, "at 00:00 on day 1 of month 1, 4, 7, 10"},
		"yearly":    {recurrence.Calendar{DaysOfMonth: []int{1}, Months: []int{1}}, 365 * day, 366 * day, "at 00:00 on day 1 of month 1"},
		"never":     {recurrence.Calendar{DaysOfMonth: []int{31}, Months: []int{2}}, 0, 0, "at 00:00 on day 31 of month 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rule := recurrence.Rule{Calendar: &c.calendar}
			shortest, longest := rule.Gaps()
			require.Equal(t, c.shortest, shortest)
			require.Equal(t, c.longest, longest)
			require.Equal(t, c.text, rule.Text())
			require.Equal(t, c.longest, rule.CatchUp(), "also what is missed before the longest pause is made up for")
			if name != "never" {
				require.Empty(t, rule.Problems(recurrence.Bounds{}, rotation.StoreAlibabaKMS))
			}
		})
	}
}

func TestLeastIntervals(t *testing.T) {
	t.Parallel()
	for provider, want := range map[string]time.Duration{
		"": time.Hour, rotation.StoreAWS: time.Hour, rotation.StoreAlibabaKMS: 21 * time.Hour,
	} {
		least, _ := recurrence.Bounds{}.Least(provider)
		require.Equal(t, want, least, provider)
		require.Empty(t, recurrence.Rule{Every: least}.Problems(recurrence.Bounds{}, provider))
		require.Len(t, recurrence.Rule{Every: least - time.Second}.Problems(recurrence.Bounds{}, provider), 1)
		require.Empty(t, recurrence.Rule{Every: time.Minute}.Problems(recurrence.Bounds{Lowered: time.Minute}, provider), "lowered")
		raised, _ := recurrence.Bounds{Lowered: 30 * day}.Least(provider)
		require.Equal(t, want, raised, "what is longer than the bound does not lower it")
		require.Len(t, recurrence.Rule{Every: want - time.Hour}.Problems(recurrence.Bounds{Lowered: 2 * want}, provider), 1)
		require.Empty(t, recurrence.Rule{Every: recurrence.MaxInterval}.Problems(recurrence.Bounds{}, provider))
		require.Len(t, recurrence.Rule{Every: recurrence.MaxInterval + time.Second}.Problems(recurrence.Bounds{}, provider), 1)
	}
	// With 21 hours, a week of failures adds 8 versions to the current and the previous one: ten, which is what KMS keeps.
	least, _ := recurrence.Bounds{}.Least(rotation.StoreAlibabaKMS)
	require.LessOrEqual(t, int(7*day/least)+2, 10)
	require.Greater(t, int(7*day/(least-time.Hour)+1)+2, 10)
}

// Starts that come later by chance may be closer to each other than the interval: nine failing rotations in a week are one too many for KMS.
func TestJitterAndTheVersionsOfKMS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule     recurrence.Rule
		bounds   recurrence.Bounds
		provider string
		want     string
	}{
		"none":              {rule: recurrence.Rule{Every: 21 * time.Hour}},
		"too much":          {rule: recurrence.Rule{Every: 21 * time.Hour, Jitter: 20 * time.Hour}, want: "wanted: at most 0s, or an interval of at least 23h30m"},
		"a little too much": {rule: recurrence.Rule{Every: 22 * time.Hour, Jitter: 8*time.Hour + time.Second}, want: "wanted: at most 8h, or an interval of at least 22h1s"},
		"as much as fits":   {rule: recurrence.Rule{Every: 22 * time.Hour, Jitter: 8 * time.Hour}},
		"a day":             {rule: recurrence.Rule{Every: day, Jitter: day - time.Second}},
		"another store":     {rule: recurrence.Rule{Every: 21 * time.Hour, Jitter: 20 * time.Hour}, provider: rotation.StoreAWS},
		"lowered":           {rule: recurrence.Rule{Every: 21 * time.Hour, Jitter: 20 * time.Hour}, bounds: recurrence.Bounds{Lowered: time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.provider == "" {
				c.provider = rotation.StoreAlibabaKMS
			}
			problems := c.rule.Problems(c.bounds, c.provider)
			if c.want == "" {
				require.Empty(t, problems)
				// Nine starts in a row, the first as late as can be and the last in time, take a week at least.
				require.True(t, c.provider != rotation.StoreAlibabaKMS || c.bounds.Lowered > 0 || 8*c.rule.Every-c.rule.Jitter >= 7*day)
				return
			}
			require.Len(t, problems, 1)
			require.Equal(t, "jitter", problems[0].Field)
			require.Contains(t, problems[0].Text, c.want)
		})
	}
}

func TestRuleTexts(t *testing.T) {
	t.Parallel()
	rule := recurrence.Rule{Every: 36 * time.Hour, Jitter: 90 * time.Minute}
	require.Equal(t, "every 1d12h, up to 1h30m later", rule.Text())
	require.Equal(t, time.UTC, recurrence.Rule{TimeZone: "Nowhere"}.Location())
	require.Equal(t, "Europe/Berlin", recurrence.Rule{TimeZone: "Europe/Berlin"}.Location().String())
}
