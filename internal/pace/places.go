package pace

import (
	"sync"
	"time"
)

// Places bounds how often each of many places is gone to. It is safe for concurrent use.
type Places struct {
	perSecond float64
	now       func() time.Time

	mu      sync.Mutex
	buckets map[string]*bucket
}

// NewPlaces lets each place be gone to so often in a second, shared by so many workers.
func NewPlaces(perSecond, workers int, now func() time.Time) *Places {
	return &Places{perSecond: float64(perSecond) / float64(max(workers, 1)), now: now, buckets: map[string]*bucket{}}
}

// Try goes to a place; where it is too soon, nothing is taken, and wait says when it would not be.
func (p *Places) Try(place string) (wait time.Duration) {
	now := p.now()
	p.mu.Lock()
	b := p.buckets[place]
	if b == nil {
		b = newBucket(p.perSecond, now)
		p.buckets[place] = b
	}
	p.mu.Unlock()
	wait, undo := b.reserve(now)
	if wait > 0 {
		undo(now)
	}
	return wait
}
