package activities

import (
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"rotor/internal/rotation"
)

// Slots bounds how many steps of this worker are at one place at once, so that a server or a store that hangs holds up some of them and
// not all. A step does not wait for a slot, because waiting would take up the worker, too: it is tried again a little later.
type Slots struct {
	// Limit is how many there are for each place; 0: no bound.
	Limit int
	// Pace says how soon a place may be gone to, 0 for now; nil: always.
	Pace func(place string) time.Duration

	mu    sync.Mutex
	taken map[string]int
}

// What a place is, for the error.
const (
	placeTarget = "database"
	placeStore  = "store"
)

// take takes a slot until leave is called, which is safe to call twice.
func (s *Slots) take(kind, place string) (leave func(), err error) {
	if s == nil || place == "" {
		return func() {}, nil
	}
	key := strings.ToLower(place)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Limit > 0 && s.taken[key] >= s.Limit {
		return nil, &rotation.Error{
			Kind: rotation.Retryable, Untried: true, RetryAfter: retryAfter(),
			Text: "as many steps of this worker as may are at work at " + kind + " " + place + " (" + kindSetting[kind] + "); this one waits for its turn",
		}
	}
	if s.Pace != nil {
		if wait := s.Pace(key); wait > 0 {
			return nil, &rotation.Error{
				Kind: rotation.Retryable, Untried: true, RetryAfter: wait + retryAfter(),
				Text: "steps of this worker begin as often as they may at " + kind + " " + place + " (ROTOR_STEPS_PER_TARGET) already; this one waits for its turn",
			}
		}
	}
	if s.taken == nil {
		s.taken = map[string]int{}
	}
	s.taken[key]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.taken[key]--; s.taken[key] == 0 {
			delete(s.taken, key)
		}
	}), nil
}

var kindSetting = map[string]string{placeTarget: "ROTOR_MAX_PER_TARGET", placeStore: "ROTOR_MAX_PER_STORE"}

// retryAfter spreads those that found no slot.
func retryAfter() time.Duration {
	return 500*time.Millisecond + rand.N(time.Second)
}
