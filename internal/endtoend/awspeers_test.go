package endtoend

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/rotation"
)

// Faults of AWS's rotation templates, each as a test of what happens here instead.

// They try every refused login again without TLS, so that a wrong password is sent in the clear, and twice.
func TestNoLoginIsTriedAgainWithoutTLS(t *testing.T) {
	t.Parallel()
	secret, address := newAWSPair(t), newRelay(t)
	for _, name := range []string{secret.Name, secret.AdminSecret} {
		awsEdit(t, name, with("host", address.host))
	}
	awsEdit(t, secret.Name, with("password", "wrong-Pa55"))
	require.Equal(t, rotation.Refused, rotate(t, secret, nil).Outcome)
	require.Equal(t, int64(1), address.logins.Load(), "one bad credential, one login")
}

// They say "Unable to log into database" whatever came back.
func TestTheServersNumberIsSaid(t *testing.T) {
	t.Parallel()
	secret := newAWSPair(t)
	awsEdit(t, secret.Name, with("dbname", "no_such_database"))
	result := rotate(t, secret, nil)
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Regexp(t, `\b10(44|49)\b`, result.Reason.Code+" "+result.Reason.Text)
	secret = newAWSSingleUser(t)
	awsEdit(t, secret.Name, with("port", 1))
	run := start(t, queue, secret, func(r *rotation.Request) { r.Patience = "1s" })
	result = outcome(t, run)
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "127.0.0.1:1")
	require.Equal(t, "refused", result.Reason.Code)
}

// A pending label that a rotation of AWS's own has left on an empty version blocks theirs.
func TestAnEmptyPendingVersionDoesNotBlock(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, string){
		"placeholder of RotateSecret": func(t *testing.T, name string) {
			awsChange(t, name, func(s *awssecretsmanager.Secret) {
				s.Versions = append(s.Versions, awssecretsmanager.Version{ID: "30000000-0000-4000-8000-000000000000",
					Stages: []string{awssecretsmanager.Pending}, Created: time.Now().Add(-time.Hour)})
			})
		},
		"pending of a Lambda that died": func(t *testing.T, name string) {
			awsChange(t, name, func(s *awssecretsmanager.Secret) {
				s.Versions = append(s.Versions, awssecretsmanager.Version{ID: "30000000-0000-4000-8000-000000000000", Created: time.Now().Add(-time.Hour),
					Stages: []string{awssecretsmanager.Pending}, String: replacePassword(t, s.Versions[0].String, "never-set-Pa55")})
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for kind, secret := range map[string]string{"pair": newAWSPair(t).Name, "single": newAWSSingleUser(t).Name} {
				prepare(t, secret)
				stale := *awsStoredVersion(t, secret, "30000000-0000-4000-8000-000000000000")
				for _, s := range stack.Secrets() {
					if s.Name == secret {
						result := rotate(t, s, nil)
						require.Equal(t, rotation.Rotated, result.Outcome, "%s: %v", kind, result.Reason)
						require.Contains(t, strings.Join(result.Notes, "; "), stale.ID)
					}
				}
				left := awsStoredVersion(t, secret, stale.ID)
				require.Equal(t, stale.String, left.String, "it is not filled")
				require.Empty(t, left.Stages, "the label has moved")
				require.True(t, logsIn(t, awsHolder(t, secret, awssecretsmanager.Current)))
			}
		})
	}
}

func awsStoredVersion(t *testing.T, name, id string) *awssecretsmanager.Version {
	t.Helper()
	s := awsStored(t, name)
	v := s.Version(id)
	require.NotNil(t, v)
	return v
}

// A version that was just written is not seen by the next step.
func TestAWSStaleReads(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"GetSecretValue", "DescribeSecret", "ListSecretVersionIds"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			const lag = time.Second
			secret := newAWSPair(t)
			added := time.Now()
			eventually(t, 2*lag, "the secret itself is visible", func() bool { return time.Since(added) > lag })
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Resource: secret.Name, Action: action, Times: cloudsim.Always, Lag: lag})
			require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
			require.Len(t, awsStored(t, secret.Name).Versions, 2)
		})
	}
}

// Their first rotation works with an admin that lacks what the second one takes.
func TestWhatTheSecondRotationTakesIsFoundByTheFirst(t *testing.T) {
	t.Parallel()
	secret := newAWSPair(t)
	execute(t, "REVOKE SELECT ON mysql.* FROM '"+secret.AdminAccount+"'@'%'")
	before := picture(t, secret)
	result := rotate(t, secret, nil)
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "mysql")
	require.Equal(t, before, picture(t, secret))
}

// Their passwords have characters that other programs stumble over.
func TestPasswordsBreakNothing(t *testing.T) {
	t.Parallel()
	secret := newAWSSingleUser(t)
	for name, c := range map[string]struct {
		policy rotation.PasswordPolicy
		form   string
	}{
		"the worker's":            {rotation.PasswordPolicy{}, `^[A-Za-z][A-Za-z0-9_-]{31}$`},
		"the store's":             {rotation.PasswordPolicy{Source: rotation.PasswordSourceStore}, `^[^/@"'\\ ]{32}$`},
		"the store's, as wished":  {rotation.PasswordPolicy{Source: rotation.PasswordSourceStore, Length: 20, ExcludePunctuation: true, ExcludeUppercase: true}, `^[a-z0-9]{20}$`},
		"the worker's, as wished": {rotation.PasswordPolicy{Length: 40, ExcludeNumbers: true, Punctuation: "!", ExcludeCharacters: "abc"}, `^[A-Zd-z!]{40}$`},
	} {
		result := rotate(t, secret, func(r *rotation.Request) { r.Password = c.policy })
		require.Equal(t, rotation.Rotated, result.Outcome, "%s: %v", name, result.Reason)
		now := awsHolder(t, secret.Name, awssecretsmanager.Current)
		require.Regexp(t, c.form, now.AccountPassword, name)
		require.True(t, logsIn(t, now))
	}
}

func TestKMSMakesPasswords(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	result := rotate(t, secret, func(r *rotation.Request) { r.Password = rotation.PasswordPolicy{Source: rotation.PasswordSourceStore} })
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	now := holder(t, secret, "ACSCurrent")
	require.Regexp(t, `^[^/@"'\\ ]{32}$`, now.AccountPassword)
	require.True(t, logsIn(t, now))
}

// Whatever a store call meets, the rotation gets there, writes one version, and locks nobody out.
func TestAWSStoreFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []cloudsim.Kind{cloudsim.Throttle, cloudsim.ErrorBefore, cloudsim.ErrorAfter, cloudsim.CloseBefore, cloudsim.CloseAfter, cloudsim.Malformed} {
		for _, action := range []string{"GetSecretValue", "DescribeSecret", "ListSecretVersionIds", "PutSecretValue", "UpdateSecretVersionStage"} {
			t.Run(string(kind)+" at "+action, func(t *testing.T) {
				t.Parallel()
				secret := newAWSSingleUser(t)
				fault := stack.Cloud.Inject(cloudsim.Fault{Kind: kind, API: cloudsim.AWSSecretsManager, Resource: secret.Name, Action: action})
				defer fault.Remove()
				run := start(t, queue, secret, nil)
				result := outcome(t, run)
				require.Equal(t, 1, fault.Hits(), "the fault was met")
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				s := awsStored(t, secret.Name)
				require.Len(t, s.Versions, 2, "one version is written")
				require.Equal(t, run.GetRunID(), s.Holder(awssecretsmanager.Current).ID)
				require.True(t, logsIn(t, awsHolder(t, secret.Name, awssecretsmanager.Current)))
			})
		}
	}
}
