package cloudsim_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
)

func TestAQuotaOfWrites(t *testing.T) {
	s := start(t)
	c := s.sdk(t)
	s.SetQuota(cloudsim.AlibabaKMS, 2)
	refused := 0
	for i := range 20 {
		if put(c, fmt.Sprintf("v%d", i+2)) != nil {
			refused++
		}
		_, err := get(c)
		require.NoError(t, err, "reads are not bounded")
	}
	require.Positive(t, refused, "20 writes at 2 per second take 9 seconds")
	counted := 0
	for _, r := range s.Requests() {
		if r.Code == "Rejected.Throttling" {
			require.Equal(t, 429, r.Status)
			require.False(t, r.Applied)
			require.True(t, r.Writes())
			counted++
		}
	}
	require.Equal(t, refused, counted)
	s.SetQuota(cloudsim.AlibabaKMS, 0)
	for i := range 5 {
		require.NoError(t, put(c, fmt.Sprintf("w%d", i)), "without a quota")
	}
}
