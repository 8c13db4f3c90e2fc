package cli

import (
	"time"

	"rotor/internal/recurrence"
)

// interval is the flag of a time span that may have days in it: 30d, 12h, 1d12h.
type interval struct {
	time.Duration
	set bool
}

func (i *interval) Type() string { return "30d|12h" }

// String writes days as such.
func (i *interval) String() string {
	if i.Duration == 0 {
		return ""
	}
	return recurrence.IntervalText(i.Duration)
}

func (i *interval) Set(s string) (err error) {
	i.Duration, err = recurrence.ParseInterval(s)
	i.set = err == nil
	return err
}
