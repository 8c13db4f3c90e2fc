package recurrence

import (
	"fmt"
	"time"

	"rotor/internal/rotation"
)

// Bounds of the time between two rotations.
const (
	MinInterval = time.Hour
	MaxInterval = 365 * day
	// putInterval is how often a secret of Secrets Manager may get a version, sustained, by AWS's own word.
	putInterval = 10 * time.Minute
	// failedVersions is how many versions failing rotations may add to a secret of KMS, which keeps ten: the others are current and previous.
	failedVersions = 8
	failedWeek     = 7 * day
)

// Bounds say how short an interval may be. The zero value is what they are outside of tests and demos.
type Bounds struct {
	// Lowered is the least interval, where a store's quota or MinInterval asks for a longer one; 0: it is not lowered.
	Lowered time.Duration
}

// Least is the shortest interval for a store of that provider ("" where it is not known), and why it is not shorter.
func (b Bounds) Least(provider string) (least time.Duration, why string) {
	least = MinInterval
	switch provider {
	case rotation.StoreAWS:
		why = fmt.Sprintf("Secrets Manager bears one new version of a secret per %s", IntervalText(putInterval))
	case rotation.StoreAlibabaKMS:
		least = failedWeek / failedVersions
		why = fmt.Sprintf("KMS keeps ten versions of a secret, and a week of failing rotations, %d of them with this interval at least, "+
			"must not push out the previous one", failedVersions)
	}
	if b.Lowered > 0 && b.Lowered < least {
		return b.Lowered, ""
	}
	return least, why
}

// problem says what is wrong with rotations that are so far apart; "" if nothing is.
func (b Bounds) problem(shortest, longest time.Duration, provider string) string {
	least, why := b.Least(provider)
	leapDay := time.Duration(0)
	if shortest < longest {
		leapDay = day // a calendar's
	}
	switch {
	case longest <= 0 || leapDay > 0 && longest > MaxInterval+leapDay:
		return "it does not come up at least once a year"
	case longest > MaxInterval+leapDay:
		return fmt.Sprintf("%s is out of range: %s to %s", IntervalText(longest), IntervalText(least), IntervalText(MaxInterval))
	case shortest >= least:
		return ""
	case provider == rotation.StoreAlibabaKMS && why != "" && shortest >= MinInterval:
		return fmt.Sprintf("%s is less than the store's versions bear: KMS keeps ten, and the %d that a week of failing rotations would add "+
			"push out the previous one; wanted: %s to %s", IntervalText(shortest), int((failedWeek+shortest-1)/shortest), IntervalText(least), IntervalText(MaxInterval))
	case provider == rotation.StoreAWS && why != "" && shortest < putInterval:
		return fmt.Sprintf("%s is less than the store's versions bear: %s; wanted: %s to %s", IntervalText(shortest), why, IntervalText(least), IntervalText(MaxInterval))
	}
	return fmt.Sprintf("%s is out of range: %s to %s", IntervalText(shortest), IntervalText(least), IntervalText(MaxInterval))
}

// jitterProblem says what is wrong with starts that come up to jitter later than an interval says: they may be closer to each other than that.
func (b Bounds) jitterProblem(every, jitter time.Duration, provider string) string {
	least, why := b.Least(provider)
	most := failedVersions*every - failedWeek
	if provider != rotation.StoreAlibabaKMS || why == "" || every < least || jitter <= most {
		return ""
	}
	return fmt.Sprintf("%s is more than the store's versions bear with rotations every %s: KMS keeps ten, and the %d that may fail in a week then push out the "+
		"previous one; wanted: at most %s, or an interval of at least %s", IntervalText(jitter), IntervalText(every), failedVersions+1, IntervalText(most),
		IntervalText(((failedWeek+jitter)/failedVersions + time.Second - 1).Truncate(time.Second)))
}
