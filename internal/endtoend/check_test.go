package endtoend

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"

	"rotor/internal/canary"
	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// startCheck starts a check of what would be rotated.
func startCheck(t *testing.T, taskQueue string, secret devstack.Secret, ask func(*rotation.Request)) client.WorkflowRun {
	t.Helper()
	run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: taskQueue, WorkflowExecutionTimeout: time.Minute},
		rotation.CheckWorkflowType, requestFor(secret, ask))
	require.NoError(t, err)
	return run
}

func checkOf(t *testing.T, run client.WorkflowRun) (found rotation.Check) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	require.NoError(t, run.Get(ctx, &found))
	return found
}

// check checks a secret, which must change nothing, and show no password.
func check(t *testing.T, secret devstack.Secret, ask func(*rotation.Request)) rotation.Check {
	t.Helper()
	before, seq := picture(t, secret), lastRequest()
	run := startCheck(t, queue, secret, ask)
	found := checkOf(t, run)
	require.Equal(t, before, picture(t, secret), "a check changes nothing")
	for _, r := range stack.Cloud.RequestsSince(seq) {
		if r.Resource == secret.Name || strings.HasPrefix(r.Resource, secret.Instance+"/") && secret.Instance != "" {
			require.False(t, writes(r), r)
		}
	}
	history, err := protojson.Marshal(historyOf(t, run))
	require.NoError(t, err)
	leaks, err := canary.Search(passwordsOf(t, secret), canary.Text("history", string(history)))
	require.NoError(t, err)
	require.Empty(t, leaks)
	return found
}

func lastRequest() int {
	all := stack.Cloud.Requests()
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Seq
}

// writes says whether a request asks for a change.
func writes(r cloudsim.Request) bool {
	for _, verb := range []string{"Put", "Update", "Create", "Reset", "Grant", "Revoke", "Delete", "Cancel"} {
		if strings.HasPrefix(r.Action, verb) {
			return true
		}
	}
	return false
}

// passwordsOf are those of all versions of the secret and its admin secret.
func passwordsOf(t *testing.T, secret devstack.Secret) (all []rotation.Secret) {
	t.Helper()
	add := func(password string) {
		if len(password) >= 8 {
			all = append(all, rotation.NewSecret(password))
		}
	}
	for _, name := range []string{secret.Name, secret.AdminSecret} {
		s, _ := kms().Secret(name)
		for i := range s.Versions {
			if strings.HasPrefix(s.Versions[i].Data, "{") {
				add(credentialOf(t, &s.Versions[i]).AccountPassword)
			}
		}
		other, _ := secretsManager().Secret(name)
		for i := range other.Versions {
			if strings.HasPrefix(other.Versions[i].String, "{") {
				add(awsCredentialOf(t, &other.Versions[i]).AccountPassword)
			}
		}
	}
	add(secret.Password.Reveal())
	return all
}

// words are those of the findings of a severity.
func findingWords(found rotation.Check, severity rotation.Severity) (list []string) {
	for _, f := range found.Findings {
		if f.Severity == severity {
			list = append(list, f.Word)
		}
	}
	return list
}

func finding(t *testing.T, found rotation.Check, word string) rotation.Finding {
	t.Helper()
	i := slices.IndexFunc(found.Findings, func(f rotation.Finding) bool { return f.Word == word })
	require.GreaterOrEqual(t, i, 0, "%s is not among the findings: %+v", word, found.Findings)
	return found.Findings[i]
}

// Nothing is wrong with these: there is no problem, and the rotation that follows is Rotated.
func TestCheckFindsNothingWrong(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(*testing.T) devstack.Secret{
		"two accounts": newSecret, "two accounts, rotated before": func(t *testing.T) devstack.Secret {
			secret := newSecret(t)
			require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
			return secret
		},
		"one account": func(t *testing.T) devstack.Secret {
			secret := newSecret(t)
			edit(t, secret.Name, without("MasterSecret"))
			return secret
		},
		"AWS, two accounts": newAWSPair, "AWS, one account": newAWSSingleUser, "ApsaraDB RDS": newApsara,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := make(t)
			found := check(t, secret, nil)
			require.True(t, found.Fine(), found.Findings)
			require.NotEmpty(t, found.Looked)
			require.NotEmpty(t, found.Changes)
			require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
		})
	}
}

// planted is a problem, and what a check calls it.
type planted struct {
	make  func(*testing.T) devstack.Secret
	plant func(*testing.T, devstack.Secret)
	ask   func(*rotation.Request)
	word  string
	says  []string
	// code is the number or code that came back.
	code string
}

// A check finds each of these, says what to do, and changes nothing. What it calls a problem makes the rotation Refused, under the same
// word; what it calls a warning doesn't.
func TestCheckFindsPlantedProblems(t *testing.T) {
	t.Parallel()
	problems := map[string]planted{
		"an unknown secret": {plant: nothing, ask: func(r *rotation.Request) { r.SecretName = "no-such-" + r.SecretName }, word: rotation.FindingSecret,
			says: []string{"no-such-"}, code: "Forbidden.ResourceNotFound"},
		"a secret of another type": {plant: func(t *testing.T, s devstack.Secret) {
			secret := stored(t, s.Name)
			secret.Type = "Rds"
			kms().Put(secret)
		}, word: rotation.FindingType, says: []string{"Rds"}},
		"a secret to be deleted": {plant: func(t *testing.T, s devstack.Secret) {
			secret := stored(t, s.Name)
			secret.PlannedDelete = time.Now().Add(time.Hour)
			kms().Put(secret)
		}, word: rotation.FindingDeleted, says: []string{"delet"}},
		"reading is denied": {plant: func(t *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.Name, Action: "GetSecretValue", Times: cloudsim.Always})
		}, word: rotation.FindingPermission, says: []string{"kms:GetSecretValue"}},
		"listing is denied": {plant: func(t *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.Name, Action: "ListSecretVersionIds", Times: cloudsim.Always})
		}, word: rotation.FindingPermission, says: []string{"kms:ListSecretVersionIds"}},
		"a field is missing": {plant: edited(without("AccountName")), word: rotation.FindingDocument, says: []string{"AccountName"}},
		"no JSON":            {plant: func(t *testing.T, s devstack.Secret) { replace(t, s.Name, "not json") }, word: rotation.FindingDocument, says: []string{"no JSON object"}},
		"a bad port":         {plant: edited(with("Port", "x")), word: rotation.FindingDocument, says: []string{"Port"}},
		"no admin secret named": {plant: edited(without("MasterSecret")), ask: func(r *rotation.Request) { r.Strategy = rotation.DualAccount },
			word: rotation.FindingStrategy, says: []string{"MasterSecret"}},
		"within the grace time": {plant: func(t *testing.T, s devstack.Secret) {
			secret := stored(t, s.Name)
			secret.Versions[0].Created = time.Now().Add(-10*time.Minute - 30*time.Second)
			kms().Put(secret)
		}, ask: func(r *rotation.Request) { r.Now = false }, word: rotation.FindingGrace, says: []string{"49m", "--now"}},
		"ten versions": {plant: tenVersions, word: rotation.FindingVersionLimit, says: []string{"10 versions", "audited"}},
		"current does not log in": {plant: edited(with("AccountPassword", "wrong-0815")), word: rotation.FindingCurrentLogin, says: []string{"does not log in"},
			code: "1045"},
		"the account is missing": {plant: func(t *testing.T, s devstack.Secret) { execute(t, "DROP USER '"+s.Account+"'@'%'") },
			word: rotation.FindingCurrentLogin, says: []string{"does not log in"}, code: "1045"},
		"the password has expired": {plant: func(t *testing.T, s devstack.Secret) { execute(t, "ALTER USER '"+s.Account+"'@'%' PASSWORD EXPIRE") },
			word: rotation.FindingExpired, says: []string{"has expired"}},
		"TLS is demanded and not offered": {plant: edited(with("SSL", true)), word: rotation.FindingTLS, says: []string{"offers no TLS"}},
		"nothing listens":                 {plant: edited(with("Port", 1)), word: rotation.FindingUnreachable, says: []string{"nothing listens"}, code: "refused"},
		"the admin secret is missing":     {plant: func(t *testing.T, s devstack.Secret) { kms().Remove(s.AdminSecret) }, word: rotation.FindingAdminSecret, says: []string{"-admin"}},
		"the admin does not log in": {plant: func(t *testing.T, s devstack.Secret) { edit(t, s.AdminSecret, with("AccountPassword", "wrong-0815")) },
			word: rotation.FindingAdminLogin, says: []string{"the admin secret"}, code: "1045"},
		"the admin is elsewhere": {plant: func(t *testing.T, s devstack.Secret) { edit(t, s.AdminSecret, with("Endpoint", "localhost")) },
			word: rotation.FindingAdminAddress, says: []string{"differ"}},
		"the admin is of the pair": {plant: func(t *testing.T, s devstack.Secret) {
			edit(t, s.AdminSecret, func(d map[string]any) { d["AccountName"], d["AccountPassword"] = s.Account, s.Password.Reveal() })
		}, word: rotation.FindingAdminSecret, says: []string{"of the account pair"}},
		"the admin may not create accounts": {plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "REVOKE CREATE USER ON *.* FROM '"+s.AdminAccount+"'@'%'")
		}, word: rotation.FindingAdminRights, says: []string{"CREATE USER"}},
		"the admin may not read accounts": {plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "REVOKE SELECT ON mysql.* FROM '"+s.AdminAccount+"'@'%'")
		}, word: rotation.FindingAdminRights, says: []string{"SELECT on mysql.*"}},
		"the admin may not pass on a privilege": {plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "REVOKE DELETE ON `"+s.Database+"`.* FROM '"+s.AdminAccount+"'@'%'")
		}, word: rotation.FindingAdminRights, says: []string{"can't grant DELETE"}},
		"a standby account that is somebody else's": {plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "CREATE USER '"+s.Account+"_rt'@'%' IDENTIFIED BY 'theirs-0815'")
		}, word: rotation.FindingForeign, says: []string{"_rt", "somebody else", "AdoptStandby"}},
		"a name that gets too long": {plant: longName, word: rotation.FindingAccountName, says: []string{"this server takes"}},
		"a policy that leaves no characters": {plant: nothing, ask: func(r *rotation.Request) {
			r.Password = rotation.PasswordPolicy{ExcludeLowercase: true, ExcludeUppercase: true, ExcludeNumbers: true, ExcludePunctuation: true}
		}, word: rotation.FindingPassword, says: []string{"no characters"}},

		"AWS: rotated by a Lambda": {make: newAWSPair, plant: func(t *testing.T, s devstack.Secret) {
			awsChange(t, s.Name, func(s *awssecretsmanager.Secret) {
				s.Rotation = &awssecretsmanager.Rotation{Enabled: true, LambdaARN: "arn:aws:lambda:eu-central-1:123456789012:function:rotate"}
			})
		}, word: rotation.FindingOtherRotator, says: []string{"function:rotate", "cancel-rotate-secret"}},
		"AWS: owned by a service": {make: newAWSPair, plant: func(t *testing.T, s devstack.Secret) {
			awsChange(t, s.Name, func(s *awssecretsmanager.Secret) { s.OwningService = "rds" })
		}, word: rotation.FindingOwned, says: []string{"managed by rds"}},
		"AWS: to be deleted": {make: newAWSPair, plant: func(t *testing.T, s devstack.Secret) {
			awsChange(t, s.Name, func(s *awssecretsmanager.Secret) { s.Deletion = time.Now().Add(time.Hour) })
		}, word: rotation.FindingDeleted, says: []string{"RestoreSecret"}},
		"AWS: reading is denied": {make: newAWSPair, plant: func(t *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.Name, Action: "GetSecretValue", Times: cloudsim.Always})
		}, word: rotation.FindingPermission, says: []string{"secretsmanager:GetSecretValue"}},

		"RDS: a privileged account": {make: newApsara, plant: makeSuper, word: rotation.FindingSuper, says: []string{"Super", "single-user"}},
		"RDS: privileges given by SQL": {make: newApsara, plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "REVOKE DELETE ON `"+s.Database+"`.* FROM '"+s.Account+"'@'%'")
		}, word: rotation.FindingCustom, says: []string{"given by SQL"}},
		"RDS: a read-only instance": {make: newApsara, plant: func(t *testing.T, s devstack.Secret) {
			change(t, s, func(i *sim.Instance) { i.Type, i.Master = "Readonly", "rm-primary" })
		}, word: rotation.FindingReadOnly, says: []string{"rm-primary"}},
	}
	require.GreaterOrEqual(t, len(problems), 20)
	for name, p := range problems {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p.make == nil {
				p.make = newSecret
			}
			secret := p.make(t)
			p.plant(t, secret)
			found := check(t, secret, p.ask)
			require.False(t, found.Fine())
			f := finding(t, found, p.word)
			require.Equal(t, rotation.Problem, f.Severity)
			for _, says := range p.says {
				require.Contains(t, f.Text+"\n"+f.Do, says)
			}
			require.NotEmpty(t, f.Do)
			if p.code != "" {
				require.Equal(t, p.code, f.Code)
			}
			if p.word == rotation.FindingUnreachable {
				return // a rotation has patience with that
			}
			before := picture(t, secret)
			refused := rotate(t, secret, p.ask)
			require.Equal(t, rotation.Refused, refused.Outcome)
			require.Contains(t, findingWords(found, rotation.Problem), refused.Reason.Finding, "what refuses the rotation was found")
			require.Equal(t, before, picture(t, secret))
		})
	}
}

// What somebody should know is said, and keeps no rotation from going on.
func TestCheckWarns(t *testing.T) {
	t.Parallel()
	rotatedOnce := func(t *testing.T) devstack.Secret {
		secret := newSecret(t)
		require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
		return secret
	}
	for name, p := range map[string]planted{
		"a stale pending version": {plant: func(t *testing.T, s devstack.Secret) { makeStale(t, s) }, word: rotation.WarningPending, says: []string{"stale", "taken over"}},
		"a stale pending version that is set": {plant: func(t *testing.T, s devstack.Secret) {
			edit(t, s.Name, without("MasterSecret"))
			setStale(t, s, makeStale(t, s))
		}, word: rotation.WarningPending, says: []string{"logs in already"}},
		"the standby has more": {make: rotatedOnce, plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "GRANT DROP ON `"+s.Database+"`.* TO '"+s.Account+"'@'%'")
			execute(t, "GRANT DROP ON `"+s.Database+"`.* TO '"+s.AdminAccount+"'@'%' WITH GRANT OPTION")
		}, word: rotation.WarningDrift, says: []string{"too much: DROP"}},
		"the standby has less": {make: rotatedOnce, plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "REVOKE INSERT ON `"+s.Database+"`.* FROM '"+s.Account+"'@'%'")
		}, word: rotation.WarningDrift, says: []string{"missing: INSERT"}},
		"the standby has another limit": {make: rotatedOnce, plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "GRANT USAGE ON *.* TO '"+s.AdminAccount+"'@'%' WITH GRANT OPTION") // MySQL 5.6 sets limits by GRANT
			statement := "ALTER USER '" + s.Account + "'@'%' WITH MAX_USER_CONNECTIONS 7"
			if strings.HasPrefix(stack.MySQL.Version, "5.6.") {
				statement = "GRANT USAGE ON *.* TO '" + s.Account + "'@'%' WITH MAX_USER_CONNECTIONS 7"
			}
			execute(t, statement)
		}, word: rotation.WarningDrift, says: []string{"MAX_USER_CONNECTIONS"}},
		"the previous version does not log in": {make: rotatedOnce, plant: func(t *testing.T, s devstack.Secret) {
			secret := stored(t, s.Name)
			other := *secret.Holder(alibabakms.Previous)
			other.ID, other.Stages, other.Created = "other", nil, other.Created.Add(time.Second)
			other.Data = strings.Replace(other.Data, s.Password.Reveal(), "Other-0815-"+s.Name, 1)
			secret.Versions = append(secret.Versions, other)
			kms().Put(secret)
			execute(t, passwordStatement(s.Account, "Other-0815-"+s.Name))
		}, word: rotation.WarningPrevious, says: []string{"version other does"}},
		"the previous version logs in, the current one doesn't": {plant: func(t *testing.T, s devstack.Secret) {
			edit(t, s.Name, without("MasterSecret"))
			secret := stored(t, s.Name)
			former := *secret.Holder(alibabakms.Current)
			former.ID, former.Stages = "former", []string{alibabakms.Previous}
			secret.Versions = append(secret.Versions, former)
			kms().Put(secret)
			edit(t, s.Name, with("AccountPassword", "wrong-0815"))
		}, word: rotation.WarningCurrent, says: []string{"former"}},
		"somebody else's standby, adopted": {plant: func(t *testing.T, s devstack.Secret) {
			execute(t, "CREATE USER '"+s.Account+"_rt'@'%' IDENTIFIED BY 'theirs-0815'")
		}, ask: func(r *rotation.Request) { r.AdoptStandby = true }, word: rotation.WarningAdopted, says: []string{"adopted"}},
		"no TLS":                          {plant: nothing, word: rotation.WarningPlain, says: []string{"offers no TLS"}},
		"the account can't see its hosts": {plant: edited(without("MasterSecret")), word: rotation.WarningUnseen, says: []string{"further hosts"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if p.make == nil {
				p.make = newSecret
			}
			secret := p.make(t)
			p.plant(t, secret)
			found := check(t, secret, p.ask)
			require.True(t, found.Fine(), found.Findings)
			f := finding(t, found, p.word)
			require.Equal(t, rotation.Warning, f.Severity)
			for _, says := range p.says {
				require.Contains(t, f.Text, says)
			}
			require.NotEmpty(t, f.Do)
			require.Equal(t, rotation.Rotated, rotate(t, secret, p.ask).Outcome)
		})
	}
}

// Beside a rotation a check says so, ends nobody's session and takes nothing away.
func TestCheckBesideARotation(t *testing.T) {
	t.Parallel()
	secret, run := parkedRotation(t)
	found := check(t, secret, nil)
	require.Contains(t, finding(t, found, rotation.WarningOpen).Text, run.GetRunID())
	execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
	require.NoError(t, decide(t, run, rotation.UpdateRetry, "the account is gone"))
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
}

// All problems are found at once, where one does not hide another.
func TestCheckGoesOnAfterAProblem(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	edit(t, secret.Name, with("AccountPassword", "wrong-0815"))
	execute(t, "REVOKE CREATE USER ON *.* FROM '"+secret.AdminAccount+"'@'%'")
	execute(t, "CREATE USER '"+secret.Account+"_rt'@'%' IDENTIFIED BY 'theirs-0815'")
	tenVersions(t, secret)
	found := check(t, secret, func(r *rotation.Request) { r.Password.ExcludePunctuation, r.Password.Length = false, 8 })
	for _, word := range []string{rotation.FindingCurrentLogin, rotation.FindingAdminRights, rotation.FindingForeign, rotation.FindingVersionLimit} {
		finding(t, found, word)
	}
}

func nothing(*testing.T, devstack.Secret) {}

func edited(change func(map[string]any)) func(*testing.T, devstack.Secret) {
	return func(t *testing.T, s devstack.Secret) { edit(t, s.Name, change) }
}
