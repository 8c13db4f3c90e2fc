package endtoend

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

func TestThreeRotationsInARow(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	first := holder(t, secret, alibabakms.Current)
	accounts := []string{secret.Account + "_rt", secret.Account, secret.Account + "_rt"}
	past := []credential{first}
	for _, account := range accounts {
		result := rotate(t, secret, nil)
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
		require.Equal(t, account, result.Account)
		now := holder(t, secret, alibabakms.Current)
		require.Equal(t, account, now.AccountName)
		require.True(t, logsIn(t, now), "the new credential works")
		require.True(t, logsIn(t, past[len(past)-1]), "the one before still works")
		for _, old := range past[:len(past)-1] {
			require.False(t, logsIn(t, old), "older ones don't")
		}
		s := stored(t, secret.Name)
		require.Nil(t, s.Holder("ACSPending"), "pending is off")
		require.Equal(t, result.Version, s.Holder(alibabakms.Current).ID)
		require.Contains(t, s.Holder(alibabakms.Current).Data, `"Team":"orders"`, "unknown fields survive")
		past = append(past, now)
	}
	require.Len(t, stored(t, secret.Name).Versions, 4, "one version a rotation")
}
