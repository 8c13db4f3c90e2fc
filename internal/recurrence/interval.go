package recurrence

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

const day = 24 * time.Hour

var intervalForm = regexp.MustCompile(`^(?:(\d{1,5})d)?(.*)$`)

// ParseInterval reads a time span that may have days in it: 30d, 12h, 1d12h.
func ParseInterval(s string) (time.Duration, error) {
	parts := intervalForm.FindStringSubmatch(s)
	wrong := errors.New("wanted: days, hours, minutes or seconds, like 30d, 12h or 1d12h")
	if s == "" || parts == nil {
		return 0, wrong
	}
	var d time.Duration
	if parts[1] != "" {
		days, err := strconv.Atoi(parts[1])
		if err != nil {
			return 0, wrong
		}
		d = time.Duration(days) * day
	}
	if parts[2] != "" {
		rest, err := time.ParseDuration(parts[2])
		if err != nil || rest < 0 {
			return 0, wrong
		}
		d += rest
	}
	if d != d.Truncate(time.Second) {
		return 0, errors.New("parts of seconds are not possible")
	}
	return d, nil
}

// IntervalText writes days as such.
func IntervalText(d time.Duration) string {
	text := ""
	if d >= day {
		text, d = fmt.Sprintf("%dd", d/day), d%day
	}
	for _, unit := range []struct {
		of   time.Duration
		name string
	}{{time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= unit.of {
			text, d = text+fmt.Sprintf("%d%s", d/unit.of, unit.name), d%unit.of
		}
	}
	if d > 0 || text == "" {
		text += d.String()
	}
	return text
}
