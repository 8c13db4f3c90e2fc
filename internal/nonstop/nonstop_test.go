package nonstop

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	kms "rotor/internal/secretstore/alibabakms"
	aws "rotor/internal/secretstore/awssecretsmanager"
	"rotor/internal/trial/sqlrelay"
)

var rotations = flag.Int("rotations", 60, "how many rotations beneath clients that log in without pause")

func TestMain(m *testing.M) { mysqldtest.Main(m) }

// scenery is one secret, and all that a rotation of it meets.
type scenery struct {
	*worker
	t       *testing.T
	server  *mysqld.Server
	relay   *sqlrelay.Relay
	secret  devstack.Secret
	current func() credential
	clients []*client
	request rotation.Request
}

// With two passwords no client ever fails to log in: through a thousand rotations, of which some are rolled back and some are left unfinished for
// the next one, while workers die at every statement, before it and after it.
func TestTwoPasswordsWithoutAPause(t *testing.T) {
	server, can := mysqldtest.TwoPasswords(t)
	for name, build := range map[string]func(*testing.T, *mysqld.Server) *scenery{
		"KMS, by the admin": onKMS, "Secrets Manager, by itself": onSecretsManager,
	} {
		t.Run(name, func(t *testing.T) {
			s := build(t, server)
			if !can {
				_, err := s.steps(t).Look(t.Context(), activities.LookInput{Request: s.request, Version: uuid.NewString()})
				require.ErrorContains(t, err, "has no second passwords")
				return
			}
			for range 2 {
				s.clients = append(s.clients, begin(t, server, s.current))
			}
			begun := time.Now()
			for i := range max(*rotations/2, 1) {
				s.rotate(i)
				for _, c := range s.clients {
					require.NoError(t, c.failed(), "a client could not log in around rotation %d; workers died at %v", i, s.deaths)
				}
			}
			logins := int64(0)
			for _, c := range s.clients {
				logins += c.logins.Load()
			}
			t.Logf("%d rotations and %d logins in %s; workers died at %d statements: %v", *rotations/2, logins, time.Since(begun).Round(time.Second),
				len(s.deaths), s.deaths)
			changes := 0
			for statement, deaths := range s.deaths {
				if strings.HasPrefix(statement, "ALTER USER") {
					changes += deaths
				}
			}
			require.Positive(t, changes, "workers died where they change the account")
		})
	}
}

// How a rotation goes on after Set, and about how many statements the longest step has.
const (
	rollsBackEvery = 7
	leavesEvery    = 11
	mostStatements = 97
)

// rotate is one rotation, whose worker dies at one statement of one of its steps.
func (s *scenery) rotate(i int) {
	t := s.t
	deadly := []rotation.Step{rotation.StepSet, rotation.StepTest, rotation.StepEnd, rotation.StepRetire, rotation.StepRollback, rotation.StepLook}
	dies := func(step rotation.Step) moment {
		round := i / len(deadly)
		switch {
		case deadly[i%len(deadly)] != step:
			return moment{}
		case round%4 < 2:
			return moment{at: 1, changing: true, after: round%2 == 1}
		}
		return moment{at: 1 + 7*i%mostStatements, after: round%2 == 1}
	}
	plan := step(t, s.worker, dies(rotation.StepLook), func(ctx context.Context, r *activities.Rotation) (rotation.Plan, error) {
		return r.Look(ctx, activities.LookInput{Request: s.request, Version: uuid.NewString()})
	})
	in := activities.StepInput{Plan: plan}
	step(t, s.worker, moment{}, func(ctx context.Context, r *activities.Rotation) (activities.NewResult, error) { return r.New(ctx, in) })
	// The session that a worker leaves in the server, with the lock, is as from a machine that has lost its power.
	s.relay.Linger(i%2 == 0)
	step(t, s.worker, dies(rotation.StepSet), func(ctx context.Context, r *activities.Rotation) (activities.SetResult, error) { return r.Set(ctx, in) })
	switch {
	case i%leavesEvery == leavesEvery-1:
		return // it was terminated; the next one adopts what it left
	case i%rollsBackEvery == rollsBackEvery-1:
		rolled := step(t, s.worker, dies(rotation.StepRollback), func(ctx context.Context, r *activities.Rotation) (activities.RollbackResult, error) {
			return r.Rollback(ctx, activities.RollbackInput{Plan: plan, SetStarted: true, SetUncertain: true})
		})
		require.False(t, rolled.Forward)
		return
	}
	tested := step(t, s.worker, dies(rotation.StepTest), func(ctx context.Context, r *activities.Rotation) (activities.TestResult, error) {
		return r.Test(ctx, in)
	})
	require.Empty(t, tested.Differences)
	step(t, s.worker, dies(rotation.StepEnd), func(ctx context.Context, r *activities.Rotation) (activities.EndResult, error) {
		return r.End(ctx, activities.EndInput{Plan: plan})
	})
	for _, c := range s.clients {
		c.grace(t)
	}
	if i%3 == 0 {
		return // what is not retired is a leftover for the next one
	}
	retired := step(t, s.worker, dies(rotation.StepRetire), func(ctx context.Context, r *activities.Rotation) (rotation.Retired, error) {
		return r.Retire(ctx, activities.RetireInput{Plan: plan})
	})
	require.False(t, retired.Superseded)
	require.Equal(t, rotation.ProofLogin, retired.Proof)
}

// build sets a secret up behind a relay.
func build(t *testing.T, server *mysqld.Server, make func(devstack.Seeder, context.Context, string) (devstack.Secret, error)) (*scenery, *cloudsim.Cloud, string) {
	t.Helper()
	key := cloudsim.DefaultCredential
	for name, value := range map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID": key.AccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.Secret, "ALIBABA_CLOUD_SECURITY_TOKEN": "",
		"AWS_ACCESS_KEY_ID": key.AccessKeyID, "AWS_SECRET_ACCESS_KEY": key.Secret, "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
	} {
		t.Setenv(name, value)
	}
	cloud := cloudsim.New(cloudsim.Options{})
	url, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	d := &death{}
	relay, err := sqlrelay.Listen(server.Address(), d.hook)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, relay.Close()) })
	name := fmt.Sprintf("n%d", time.Now().UnixNano()%1e9)
	secret, err := make(devstack.Seeder{DB: server.DB(), Host: "127.0.0.1", Port: relay.Port(), Cloud: cloud}, t.Context(), name)
	require.NoError(t, err)
	s := &scenery{
		worker: &worker{name: secret.Store, death: d, deaths: map[string]int{}}, t: t, server: server, relay: relay, secret: secret,
		request: rotation.Request{SecretName: secret.Name, RegionId: secret.Region, Store: secret.Store, Strategy: rotation.DualPassword, Now: true},
	}
	s.request, err = s.request.Validate()
	require.NoError(t, err)
	return s, cloud, url
}

func onKMS(t *testing.T, server *mysqld.Server) *scenery {
	s, cloud, url := build(t, server, devstack.Seeder.KMSMySQLPair)
	store, err := kms.New(kms.Options{Endpoint: url})
	require.NoError(t, err)
	s.store = store
	s.current = func() (c credential) {
		secret, _ := cloud.KMS().In(cloud.Credential().Account, s.secret.Region).Secret(s.secret.Name)
		var document struct{ AccountName, AccountPassword string }
		_ = json.Unmarshal([]byte(secret.Holder(alibabakms.Current).Data), &document) // else the login fails
		return credential{document.AccountName, document.AccountPassword}
	}
	return s
}

func onSecretsManager(t *testing.T, server *mysqld.Server) *scenery {
	s, cloud, url := build(t, server, devstack.Seeder.AWSSingleUser)
	store, err := aws.New(aws.Options{Endpoint: url})
	require.NoError(t, err)
	s.store = store
	s.current = func() (c credential) {
		secret, _ := cloud.SecretsManager().In(cloud.Credential().Account, s.secret.Region).Secret(s.secret.Name)
		var document struct{ Username, Password string }
		_ = json.Unmarshal([]byte(secret.Holder(awssecretsmanager.Current).String), &document) // else the login fails
		return credential{document.Username, document.Password}
	}
	if _, can := mysqldtest.TwoPasswords(t); can {
		_, err = server.DB().ExecContext(t.Context(), "GRANT APPLICATION_PASSWORD_ADMIN ON *.* TO '"+s.secret.Account+"'@'%'")
		require.NoError(t, err)
	}
	return s
}
