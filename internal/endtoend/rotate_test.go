package endtoend

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
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

// A single account, by itself or by its admin secret: only the current credential logs in.
func TestSingleUser(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, devstack.Secret){
		"changes itself":        func(t *testing.T, s devstack.Secret) { edit(t, s.Name, without("MasterSecret")) },
		"changed by its admin":  func(*testing.T, devstack.Secret) {},
		"with a stale password": func(t *testing.T, s devstack.Secret) { edit(t, s.Name, without("MasterSecret")); makeStale(t, s) },
		"with a stale, set one": func(t *testing.T, s devstack.Secret) {
			edit(t, s.Name, without("MasterSecret"))
			setStale(t, s, makeStale(t, s))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			prepare(t, secret)
			for range 3 {
				former := holder(t, secret, alibabakms.Current)
				result := rotate(t, secret, func(r *rotation.Request) { r.Strategy = rotation.SingleUser })
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.Equal(t, secret.Account, result.Account)
				require.Positive(t, result.Exposure)
				require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)), "the new credential works")
				require.False(t, logsIn(t, former), "the old one doesn't")
				s := stored(t, secret.Name)
				require.Nil(t, s.Holder("ACSPending"))
			}
		})
	}
}

// makeStale leaves a pending version, as a rotation that was terminated does.
func makeStale(t *testing.T, secret devstack.Secret) (password string) {
	t.Helper()
	s := stored(t, secret.Name)
	stale := *s.Holder(alibabakms.Current)
	password = "Stale-0815-" + secret.Name
	stale.ID, stale.Stages = "stale", []string{"ACSPending"}
	stale.Data = strings.Replace(stale.Data, credentialOf(t, &stale).AccountPassword, password, 1)
	s.Versions = append(s.Versions, stale)
	kms().Put(s)
	return password
}

// setStale sets its password, as one that was terminated after Set has done: it is the only one that works.
func setStale(t *testing.T, secret devstack.Secret, password string) {
	t.Helper()
	execute(t, passwordStatement(secret.Account, password))
}

// passwordStatement changes an account's password.
func passwordStatement(account, password string) string {
	if strings.HasPrefix(stack.MySQL.Version, "5.6.") {
		return "SET PASSWORD FOR '" + account + "'@'%' = PASSWORD('" + password + "')"
	}
	return "ALTER USER '" + account + "'@'%' IDENTIFIED BY '" + password + "'"
}
