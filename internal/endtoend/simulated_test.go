package endtoend

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/simulation"
)

// What the simulation of fleets plays is what rotations do. Where they come to do less, it has to be told.
func TestTheSimulationPlaysWhatRotationsCall(t *testing.T) {
	t.Parallel()
	for _, store := range simulation.Stores {
		secrets := map[string]string{rotation.StoreAlibabaKMS: "KMS, a pair", rotation.StoreAWS: awsPairBefore}[store.Name]
		for way, steps := range map[string]simulation.Steps{queue: store.Usual, expressQueue: store.Express} {
			t.Run(store.Name+", "+way, func(t *testing.T) {
				t.Parallel()
				played, writes := steps.Calls(), 0
				counted := callsOf(t, way, rotatable(secrets))
				for action, n := range counted {
					if !simulation.IsRead(store.Name, action) {
						writes += n
					}
				}
				require.Equal(t, played, simulation.Calls{Reads: sum(counted) - writes, Writes: writes}, "%v", counted)
			})
		}
	}
}

func sum(counts map[string]int) (n int) {
	for _, one := range counts {
		n += one
	}
	return n
}
