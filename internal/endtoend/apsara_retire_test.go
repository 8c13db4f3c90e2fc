package endtoend

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

// Behind the RDS API the former account is reset; where the worker reaches the server, a failing login proves it.
func TestApsaraLeaked(t *testing.T) {
	t.Parallel()
	secret := newApsara(t)
	for range 3 {
		former := holder(t, secret, alibabakms.Current)
		open := session(t, former)
		result := rotate(t, secret, leaked)
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
		require.Nil(t, result.FormerCredential.Failure)
		require.False(t, result.FormerCredential.Valid)
		require.Equal(t, rotation.ProofLogin, result.FormerCredential.Retired.Proof)
		require.False(t, logsIn(t, former))
		require.False(t, alive(t, open))
		require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
	}
}
