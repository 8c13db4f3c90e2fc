package cloudapi

import "time"

// Staleness is how a read is answered from the past, as a replica that lags behind would.
type Staleness struct {
	// BeforeLastWrite shows the state before the most recent write.
	BeforeLastWrite bool
	// Lag shows the state of that long ago.
	Lag time.Duration
}

// remembered is how many states a Timeline keeps: more than a test makes within a lag worth simulating.
const remembered = 32

// Timeline is one thing's state and its recent past. T is a pointer to something that is never changed after it was
// set; nil is "does not exist". The zero value has never existed. Access is guarded by its owner.
type Timeline[T any] struct {
	states []moment[T]
}

type moment[T any] struct {
	value *T
	since time.Time
}

// Now is the latest state.
func (t *Timeline[T]) Now() *T {
	if len(t.states) == 0 {
		return nil
	}
	return t.states[len(t.states)-1].value
}

// Set makes value the state from the given time on.
func (t *Timeline[T]) Set(value *T, at time.Time) {
	if len(t.states) >= remembered {
		t.states = append(t.states[:0], t.states[1:]...)
	}
	t.states = append(t.states, moment[T]{value, at})
}

// Read is the state that a call sees: the latest one, or an older one if the call is stale.
func (t *Timeline[T]) Read(c *Call) *T {
	last := len(t.states) - 1
	if c.Stale.BeforeLastWrite {
		last--
	}
	if c.Stale.Lag > 0 {
		for last >= 0 && t.states[last].since.After(c.Now.Add(-c.Stale.Lag)) {
			last--
		}
	}
	if last < 0 {
		return nil
	}
	return t.states[last].value
}
