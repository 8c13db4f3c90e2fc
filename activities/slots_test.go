package activities

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

func TestSlotsOfOnePlace(t *testing.T) {
	s := &Slots{Limit: 2}
	one, err := s.take(placeTarget, "db:3306")
	require.NoError(t, err)
	two, err := s.take(placeTarget, "DB:3306")
	require.NoError(t, err)

	_, err = s.take(placeTarget, "db:3306")
	e, ok := errors.AsType[*rotation.Error](err)
	require.True(t, ok)
	require.Equal(t, rotation.Retryable, e.Kind)
	require.True(t, e.Untried)
	require.InDelta(t, time.Second, e.RetryAfter, float64(500*time.Millisecond))
	require.Contains(t, e.Text, "db:3306")
	require.Contains(t, e.Text, "ROTOR_MAX_PER_TARGET")

	other, err := s.take(placeTarget, "other:3306")
	require.NoError(t, err, "other places have slots of their own")
	other()
	one()
	one()
	three, err := s.take(placeTarget, "db:3306")
	require.NoError(t, err, "a slot that was left is free")
	_, err = s.take(placeTarget, "db:3306")
	require.Error(t, err, "leaving twice frees one")
	two()
	three()
	require.Empty(t, s.taken, "nothing is kept of places that nobody is at")
}

func TestSlotsWithoutABound(t *testing.T) {
	for name, s := range map[string]*Slots{"none": nil, "no limit": {}} {
		for range 1000 {
			_, err := s.take(placeStore, "x")
			require.NoError(t, err, name)
		}
	}
	s := &Slots{Limit: 1}
	for range 10 {
		_, err := s.take(placeTarget, "")
		require.NoError(t, err, "a place that is not known yet")
	}
}

func TestSlotsAreNeverExceeded(t *testing.T) {
	s := &Slots{Limit: 3}
	var mu sync.Mutex
	var wait sync.WaitGroup
	at, most := 0, 0
	for range 50 {
		wait.Go(func() {
			for range 200 {
				leave, err := s.take(placeTarget, "db")
				if err != nil {
					continue
				}
				mu.Lock()
				at++
				most = max(most, at)
				mu.Unlock()
				mu.Lock()
				at--
				mu.Unlock()
				leave()
			}
		})
	}
	wait.Wait()
	require.LessOrEqual(t, most, 3)
	require.Empty(t, s.taken)
}

func TestSlotsAreTakenInTheirTurn(t *testing.T) {
	wait := time.Duration(0)
	s := &Slots{Pace: func(place string) time.Duration {
		require.Equal(t, "db:3306", place)
		return wait
	}}
	leave, err := s.take(placeTarget, "DB:3306")
	require.NoError(t, err)
	leave()
	wait = 3 * time.Second
	_, err = s.take(placeTarget, "db:3306")
	e, ok := errors.AsType[*rotation.Error](err)
	require.True(t, ok)
	require.True(t, e.Untried)
	require.InDelta(t, 4*time.Second, e.RetryAfter, float64(500*time.Millisecond))
	require.Contains(t, e.Text, "ROTOR_STEPS_PER_TARGET")
	require.Empty(t, s.taken)
}
