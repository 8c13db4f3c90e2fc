package cli

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// interval is a time span that may have days in it: 30d, 12h, 1d12h.
type interval struct {
	time.Duration
	set bool
}

const day = 24 * time.Hour

var intervalForm = regexp.MustCompile(`^(?:(\d{1,5})d)?(.*)$`)

func (i *interval) Type() string { return "30d|12h" }

// String writes days as such.
func (i *interval) String() string {
	if i.Duration == 0 {
		return ""
	}
	return intervalText(i.Duration)
}

func intervalText(d time.Duration) string {
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

func (i *interval) Set(s string) error {
	parts := intervalForm.FindStringSubmatch(s)
	wrong := fmt.Errorf("wanted: days, hours, minutes or seconds, like 30d, 12h or 1d12h")
	if s == "" {
		return wrong
	}
	var d time.Duration
	if parts[1] != "" {
		days, err := strconv.Atoi(parts[1])
		if err != nil {
			return wrong
		}
		d = time.Duration(days) * day
	}
	if parts[2] != "" {
		rest, err := time.ParseDuration(parts[2])
		if err != nil || rest < 0 {
			return wrong
		}
		d += rest
	}
	if d != d.Truncate(time.Second) {
		return fmt.Errorf("parts of seconds are not possible")
	}
	i.Duration, i.set = d, true
	return nil
}
