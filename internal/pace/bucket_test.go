package pace

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// spend takes tokens in their turn for a time, and gives when.
func spend(b *bucket, from time.Time, d time.Duration) (times []time.Time) {
	for now := from; now.Sub(from) < d; {
		wait, _ := b.reserve(now)
		now = now.Add(wait)
		times = append(times, now)
	}
	return times
}

func TestNoSecondHasMoreThanTheQuota(t *testing.T) {
	for name, quota := range map[string]float64{"KMS": 40, "AWS": 50, "a share": 12.5, "a small share": 3, "less than one": 0.5} {
		t.Run(name, func(t *testing.T) {
			times := spend(newBucket(quota, noon), noon, 20*time.Second)
			require.Greater(t, float64(len(times)), 0.85*quota*20, "nearly all of it is used")
			for i, first := range times {
				n := 0
				for _, later := range times[i:] {
					if later.Sub(first) < time.Second {
						n++
					}
				}
				require.LessOrEqual(t, n, max(1, int(quota)), "from %s on", first.Sub(noon))
			}
		})
	}
}

func TestTheRateFallsAndRisesAgain(t *testing.T) {
	b := newBucket(40, noon)
	require.InDelta(t, 36, b.perSecond(noon), 1e-9)
	b.lower(noon)
	require.InDelta(t, 18, b.perSecond(noon), 1e-9)
	b.lower(noon.Add(999 * time.Millisecond))
	require.InDelta(t, 18, b.perSecond(noon), 1, "what was under way already counts once")

	now := noon.Add(10 * time.Second)
	require.InDelta(t, 24, b.perSecond(now), 1e-9, "a sixth of 36 in ten seconds")
	b.lower(now)
	require.InDelta(t, 12, b.perSecond(now), 1e-9)
	require.InDelta(t, 15*10, float64(len(spend(b, now, 10*time.Second))), 8, "tokens come at it, from 12 to 18 in ten seconds")
	require.InDelta(t, 36, b.perSecond(now.Add(time.Hour)), 1e-9, "never more than full")

	for range 100 {
		now = now.Add(oneEvent)
		b.lower(now)
	}
	require.InDelta(t, 36*leastPart, b.perSecond(now), 1, "something is left")
}

func TestATokenThatIsGivenBackCanBeTaken(t *testing.T) {
	b := newBucket(1, noon)
	wait, _ := b.reserve(noon)
	require.Zero(t, wait)
	first, undo := b.reserve(noon)
	require.Positive(t, first)
	undo(noon)
	second, _ := b.reserve(noon)
	require.Equal(t, first, second)
}

// A call that arrives late must not meet those that came after it in its turn.
func TestACallKeepsItsPlaceUntilASecondAfterItsAnswer(t *testing.T) {
	b := newBucket(2, noon)
	at := func(d time.Duration) time.Time { return noon.Add(d) }
	require.Zero(t, b.enter(noon))
	require.Zero(t, b.enter(at(500*time.Millisecond)))
	require.Equal(t, time.Second, b.enter(at(5*time.Second)), "both are under way, however long")
	b.leave(at(5 * time.Second))
	require.Equal(t, 700*time.Millisecond, b.enter(at(5300*time.Millisecond)))
	b.leave(at(5400 * time.Millisecond))
	require.Zero(t, b.enter(at(6*time.Second)))
	require.Equal(t, 400*time.Millisecond, b.enter(at(6*time.Second)))
	require.Zero(t, b.enter(at(6400*time.Millisecond)))
}

func TestPlacesAreApart(t *testing.T) {
	now := noon
	p := NewPlaces(40, 2, func() time.Time { return now })
	require.Zero(t, p.Try("db:3306"))
	require.Zero(t, p.Try("db:3306"))
	wait := p.Try("db:3306")
	require.Positive(t, wait)
	require.Equal(t, wait, p.Try("db:3306"), "who can't go has taken nothing")
	require.Zero(t, p.Try("other:3306"))
	now = now.Add(wait)
	require.Zero(t, p.Try("db:3306"))
}
