// Package pace keeps a worker below the rates at which stores and databases take calls. A store's quota is of a cloud account in a region, so
// that everybody in it is refused when somebody uses it up; what waits here for its turn is no failure of the store.
package pace

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// A quota counts the calls of any second, and calls do not arrive as evenly as they are made. Nine tenths of it as the rate and one as
	// what may come at once make no more than the quota within a second.
	ratePart, burstPart = 0.9, 0.1
	// leastPart of the full rate is left, however often the store says that it is too much.
	leastPart = 1.0 / 40
	// climb is how long the rate takes from nothing to full.
	climb = time.Minute
	// oneEvent: what is refused so soon after a refusal had been sent already when the rate was lowered.
	oneEvent = time.Second
)

// second is what a quota counts the calls of.
const second = time.Second

// bucket has the tokens of one account in one region. Its rate is halved when the store refuses a call as one too many, and rises again
// evenly: the quota may be shared with others, who take more of it at times.
type bucket struct {
	limiter *rate.Limiter
	full    float64
	// most is how many calls may have a place: those under way, and those answered less than a second ago. Whenever the store takes a call between the
	// sending and the answer, it meets no more than these within a second, however late one of them arrives.
	most int

	mu sync.Mutex
	// underWay counts calls, answered has the times of the latest answers, oldest first.
	underWay int
	answered []time.Time
	// rate is the limiter's, set at the time of.
	rate    float64
	of      time.Time
	lowered time.Time
}

// newBucket makes one for a share of a quota of calls per second.
func newBucket(quota float64, now time.Time) *bucket {
	b := &bucket{full: quota * ratePart, of: now, most: max(1, int(quota))}
	b.rate = b.full
	b.limiter = rate.NewLimiter(rate.Limit(b.rate), max(1, int(quota*burstPart)))
	return b
}

// reserve takes a token that can be used after wait. undo gives it back.
func (b *bucket) reserve(now time.Time) (wait time.Duration, undo func(time.Time)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rise(now)
	r := b.limiter.ReserveN(now, 1)
	return r.DelayFrom(now), r.CancelAt
}

// enter takes a place for a call; where there is none, nothing is taken, and wait says when one can be free at the earliest.
func (b *bucket) enter(now time.Time) (wait time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.answered) > 0 && now.Sub(b.answered[0]) >= second {
		b.answered = b.answered[1:]
	}
	switch {
	case b.underWay+len(b.answered) < b.most:
		b.underWay++
		return 0
	case len(b.answered) > 0:
		return b.answered[0].Add(second).Sub(now)
	}
	return second
}

// leave says that a call was answered. Its place is free a second later.
func (b *bucket) leave(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.underWay--
	b.answered = append(b.answered, now)
}

// lower halves the rate, because the store refused a call.
func (b *bucket) lower(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.lowered.IsZero() && now.Sub(b.lowered) < oneEvent {
		return
	}
	b.rise(now)
	b.lowered = now
	b.set(max(b.rate/2, b.full*leastPart), now)
}

func (b *bucket) rise(now time.Time) {
	if since := now.Sub(b.of); b.rate < b.full && since > 0 {
		b.set(min(b.full, b.rate+b.full*since.Seconds()/climb.Seconds()), now)
	}
}

func (b *bucket) set(rated float64, now time.Time) {
	b.rate, b.of = rated, now
	b.limiter.SetLimitAt(now, rate.Limit(rated))
}

// perSecond is the rate now.
func (b *bucket) perSecond(now time.Time) float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rise(now)
	return b.rate
}

// sleep waits; it returns the context's error if that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
