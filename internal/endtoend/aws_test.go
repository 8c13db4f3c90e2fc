package endtoend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// AWS's alternating users, three times in a row, from an account that has no partner.
func TestAWSAlternatingUsers(t *testing.T) {
	t.Parallel()
	secret := newAWSPair(t)
	past := []credential{awsHolder(t, secret.Name, awssecretsmanager.Current)}
	for _, account := range []string{secret.Account + "_clone", secret.Account, secret.Account + "_clone"} {
		since := len(stack.Cloud.Requests())
		result := rotate(t, secret, nil)
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
		require.Equal(t, rotation.StoreAWS, result.Store)
		require.Equal(t, rotation.DualAccount, result.Strategy)
		require.Equal(t, account, result.Account)
		require.Zero(t, result.Exposure)
		now := awsHolder(t, secret.Name, awssecretsmanager.Current)
		require.Equal(t, account, now.AccountName)
		require.True(t, logsIn(t, now), "the new credential works")
		require.True(t, logsIn(t, past[len(past)-1]), "the one before still works")
		for _, old := range past[:len(past)-1] {
			require.False(t, logsIn(t, old), "older ones don't")
		}
		s := awsStored(t, secret.Name)
		require.Equal(t, []string{"AWSPENDING", "AWSCURRENT"}, s.Version(result.Version).Stages, "as AWS's own rotation leaves it")
		require.Contains(t, s.Version(result.Version).String, `"team":"orders"`, "unknown fields survive")
		require.Equal(t, result.Former, s.Holder(awssecretsmanager.Previous).ID)
		requireWrites(t, secret, since)
		past = append(past, now)
	}
	require.Len(t, awsStored(t, secret.Name).Versions, 4, "one version a rotation")
}

// A single account that changes itself, three times in a row: only the current credential logs in.
func TestAWSSingleUser(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T) devstack.Secret{
		"changes itself":       newAWSSingleUser,
		"changed by its admin": newAWSPair,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := prepare(t)
			for range 3 {
				former, since := awsHolder(t, secret.Name, awssecretsmanager.Current), len(stack.Cloud.Requests())
				result := rotate(t, secret, func(r *rotation.Request) {
					if secret.AdminSecret != "" {
						r.Strategy = rotation.SingleUser
					}
				})
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.Equal(t, rotation.SingleUser, result.Strategy)
				require.Equal(t, secret.Account, result.Account)
				require.Positive(t, result.Exposure, "the time without a working current version is measured")
				require.Less(t, result.Exposure, time.Minute)
				require.True(t, logsIn(t, awsHolder(t, secret.Name, awssecretsmanager.Current)), "the new credential works")
				require.False(t, logsIn(t, former), "the old one doesn't")
				s := awsStored(t, secret.Name)
				require.Equal(t, []string{"AWSPENDING", "AWSCURRENT"}, s.Version(result.Version).Stages)
				requireWrites(t, secret, since)
			}
		})
	}
}

// requireWrites: a rotation writes to the store twice, the version and the move of the stage, as AWS's templates do.
func requireWrites(t *testing.T, secret devstack.Secret, since int) {
	t.Helper()
	var writes []string
	for _, r := range requestsOf(secret, since) {
		if r.Action == "PutSecretValue" || r.Action == "UpdateSecretVersionStage" {
			writes = append(writes, r.Action)
		}
	}
	require.Equal(t, []string{"PutSecretValue", "UpdateSecretVersionStage"}, writes)
}

// A single account is let in with pending, current or previous, as AWS's template tries them.
func TestAWSSingleUserFindsThePasswordThatWorks(t *testing.T) {
	t.Parallel()
	set := func(t *testing.T, account, password string) {
		t.Helper()
		setStale(t, devstack.Secret{Account: account}, password)
	}
	for name, c := range map[string]struct {
		works   string
		adopted bool
	}{
		"pending":  {awssecretsmanager.Pending, true},
		"current":  {awssecretsmanager.Current, false},
		"previous": {awssecretsmanager.Previous, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newAWSSingleUser(t)
			awsChange(t, secret.Name, func(s *awssecretsmanager.Secret) {
				current := s.Versions[0]
				for _, stage := range []string{awssecretsmanager.Pending, awssecretsmanager.Previous} {
					v := current
					v.ID, v.Stages = "10000000-0000-4000-8000-"+secret.Version[24:], []string{stage}
					if stage == awssecretsmanager.Previous {
						v.ID = "2" + v.ID[1:]
					}
					v.String = replacePassword(t, current.String, stage+"-Pa55-"+secret.Name)
					s.Versions = append(s.Versions, v)
				}
			})
			pending := awsStored(t, secret.Name)
			want := awsHolder(t, secret.Name, c.works)
			if c.works != awssecretsmanager.Current {
				set(t, secret.Account, want.AccountPassword)
			}
			result := rotate(t, secret, nil)
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			now := awsHolder(t, secret.Name, awssecretsmanager.Current)
			require.True(t, logsIn(t, now))
			require.Equal(t, c.adopted, now == want, "an unfinished rotation whose password works is finished")
			if c.adopted {
				require.Equal(t, pending.Holder(awssecretsmanager.Pending).ID, result.Version)
			} else {
				require.False(t, logsIn(t, want))
			}
		})
	}
}
