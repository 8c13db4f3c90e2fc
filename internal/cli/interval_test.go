package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What an interval may look like shows in what schedule makes of it; it is written back as it would be typed.
func TestIntervals(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	for typed, shown := range map[string]string{
		"30d": "30d", "12h": "12h", "36h": "1d12h", "1d12h": "1d12h", "90m": "1h30m", "1d0h": "1d", "24h": "1d", "365d": "365d", "1h0m1s": "1h1s",
	} {
		f := run(t, words("schedule", secret, "--every", typed, "--grace", "30m"), withEnv("ROTOR_MIN_INTERVAL=1h"))
		require.Contains(t, f.stdout, ": every "+shown+", next at ", typed)
	}
	for _, typed := range []string{"", "d", "30", "1.5d", "d12h", "12h1d", "30D", "1h0.5s", "1d-1h", "99999999d"} {
		require.Equal(t, 2, run(t, words("schedule", secret, "--every="+typed)).code, typed)
	}
	require.Zero(t, run(t, words("schedule", secret, "--delete")).code)
}
