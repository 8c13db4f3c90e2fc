package endtoend

import (
	"context"
	"database/sql"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
)

// leaked is what is asked for where somebody knows a credential.
func leaked(r *rotation.Request) {
	r.Now, r.RetireFormer, r.EndSessions = true, rotation.RetireNow, true
}

// session opens a session that stays open.
func session(t *testing.T, c credential) *sql.Conn {
	t.Helper()
	db, err := stack.MySQL.Open(c.AccountName, c.AccountPassword, "")
	require.NoError(t, err)
	db.SetMaxIdleConns(0) // one that is given back is closed
	conn, err := db.Conn(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = conn.Close() // the server may have ended it
		require.NoError(t, db.Close())
	})
	return conn
}

func alive(t *testing.T, conn *sql.Conn) bool {
	t.Helper()
	return conn.PingContext(t.Context()) == nil
}

// A credential that is known to somebody is of no use after the rotation: its login fails on every host, its sessions are gone, and the rotation after
// it is as any other.
func TestLeaked(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare  func(*testing.T, devstack.Secret)
		strategy rotation.Strategy
	}{
		"two accounts":                      {func(*testing.T, devstack.Secret) {}, rotation.DualAccount},
		"two accounts, on several hosts":    {onSeveralHosts, rotation.DualAccount},
		"one account that changes itself":   {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, without("MasterSecret")) }, rotation.SingleUser},
		"one account, changed by its admin": {func(*testing.T, devstack.Secret) {}, rotation.SingleUser},
		"two passwords, set by itself":      {selfChanging, rotation.DualPassword},
		"two passwords, set by the admin":   {func(*testing.T, devstack.Secret) {}, rotation.DualPassword},
		"two passwords, on several hosts":   {onSeveralHosts, rotation.DualPassword},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			if test.strategy == rotation.DualPassword && !twoPasswords() {
				dualPassword(t, secret, leaked)
				return
			}
			test.prepare(t, secret)
			var past []credential
			for range 4 {
				former := holder(t, secret, alibabakms.Current)
				past = append(past, former)
				open := session(t, former)
				require.True(t, alive(t, open))
				result := rotate(t, secret, func(r *rotation.Request) {
					leaked(r)
					r.Strategy = test.strategy
				})
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.NotNil(t, result.FormerCredential)
				require.Nil(t, result.FormerCredential.Failure)
				require.False(t, result.FormerCredential.Valid)
				retired := result.FormerCredential.Retired
				require.NotNil(t, retired)
				require.Equal(t, former.AccountName, retired.Account)
				require.Equal(t, result.Former, retired.Version)
				require.Equal(t, rotation.ProofLogin, retired.Proof)
				require.NotNil(t, retired.Sessions, retired.Unseen)
				// On a busy machine an attempt can be given up after it has ended them; the next one finds none.
				require.Equal(t, retired.Sessions.Open, retired.Sessions.Ended)
				require.False(t, alive(t, open), "its sessions are gone")
				require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
				for _, old := range past {
					require.False(t, logsIn(t, old), "nor does any before it")
				}
				requireOneHash(t, former.AccountName)
			}
		})
	}
}

// onSeveralHosts gives the account a second host. Clients of this machine are let in by that one.
func onSeveralHosts(t *testing.T, s devstack.Secret) {
	t.Helper()
	execute(t, "CREATE USER '"+s.Account+"'@'127.0.0.1' IDENTIFIED BY '"+s.Password.Reveal()+"'")
	execute(t, "GRANT SELECT, INSERT, UPDATE, DELETE, EXECUTE, CREATE TEMPORARY TABLES, LOCK TABLES ON `"+s.Database+"`.* TO '"+s.Account+"'@'127.0.0.1'")
}

// Where an account has no connection left, its sessions are seen and ended by the admin, if that may; if not, the result says that it takes a person.
func TestLeakedWithNoConnectionLeft(t *testing.T) {
	t.Parallel()
	for name, may := range map[string]bool{"the admin may": true, "the admin may not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			if may {
				execute(t, "GRANT PROCESS ON *.* TO '"+secret.AdminAccount+"'@'%'")
				execute(t, "GRANT "+connectionAdmin()+" ON *.* TO '"+secret.AdminAccount+"'@'%'")
			}
			limit := "ALTER USER '" + secret.Account + "'@'%' WITH MAX_USER_CONNECTIONS 2"
			if strings.HasPrefix(stack.MySQL.Version, "5.6.") {
				limit = "GRANT USAGE ON *.* TO '" + secret.Account + "'@'%' WITH MAX_USER_CONNECTIONS 2"
				// What sets a limit there is a GRANT.
				execute(t, "GRANT GRANT OPTION ON *.* TO '"+secret.AdminAccount+"'@'%'")
			}
			execute(t, limit)
			former := holder(t, secret, alibabakms.Current)
			var open []*sql.Conn
			onceCurrent(t, secret, func() { open = []*sql.Conn{session(t, former), session(t, former)} })
			result := rotate(t, secret, leaked)
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			require.Len(t, open, 2)
			require.False(t, logsIn(t, former))
			require.Equal(t, !may, alive(t, open[0]))
			require.Equal(t, !may, alive(t, open[1]))
			if may {
				require.NotNil(t, result.FormerCredential.Retired)
				return
			}
			require.Nil(t, result.FormerCredential.Retired)
			require.Contains(t, result.FormerCredential.Failure.Text, "GRANT PROCESS")
			require.NotEmpty(t, result.FormerCredential.Workflow, "another workflow goes on")
		})
	}
}

// onceCurrent acts once, at the first request about the secret after another version has become current.
func onceCurrent(t *testing.T, secret devstack.Secret, act func()) {
	t.Helper()
	var once sync.Once
	t.Cleanup(stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if r.Resource == secret.Name {
			s := stored(t, secret.Name)
			if s.Holder(alibabakms.Current).ID != secret.Version && s.Holder("ACSPending") == nil {
				once.Do(act)
			}
		}
		return cloudsim.Apply
	}))
}

// connectionAdmin is the right to end other accounts' sessions.
func connectionAdmin() string {
	switch {
	case twoPasswords():
		return "CONNECTION_ADMIN"
	case stack.MySQL.Flavour == mysqld.MariaDB:
		return "CONNECTION ADMIN"
	}
	return "SUPER"
}

// requireOneHash: on no host of the account one of the former passwords is left, because all hosts have got theirs in one go.
func requireOneHash(t *testing.T, account string) {
	t.Helper()
	var second int
	if !twoPasswords() {
		return
	}
	require.NoError(t, stack.MySQL.DB().QueryRowContext(t.Context(),
		"SELECT COUNT(*) FROM mysql.user WHERE User = ? AND User_attributes->'$.additional_password' IS NOT NULL", account).Scan(&second))
	require.Zero(t, second)
}

// Without being asked nothing is retired, and the result says how long the former credential is good.
func TestFormerCredentialIsReported(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ask      func(*rotation.Request)
		valid    bool
		workflow bool
	}{
		"two accounts":                {func(r *rotation.Request) {}, true, false},
		"two accounts, never":         {func(r *rotation.Request) { r.RetireFormer = rotation.RetireNever }, true, false},
		"two accounts, later":         {func(r *rotation.Request) { r.RetireFormer = "1h" }, true, true},
		"one account":                 {func(r *rotation.Request) { r.Strategy = rotation.SingleUser }, false, false},
		"two passwords":               {func(r *rotation.Request) { r.Strategy = rotation.DualPassword }, true, true},
		"two passwords, never":        {func(r *rotation.Request) { r.Strategy, r.RetireFormer = rotation.DualPassword, rotation.RetireNever }, true, false},
		"two accounts, when not used": {func(r *rotation.Request) { r.RetireFormer, r.RetireWhenIdle = "1h", true }, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			former := holder(t, secret, alibabakms.Current)
			result := rotate(t, secret, test.ask)
			if result.Outcome == rotation.Refused && !twoPasswords() {
				require.Contains(t, result.Reason.Text, "has no second passwords")
				return
			}
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			require.Equal(t, test.valid, result.FormerCredential.Valid)
			require.Equal(t, test.valid, logsIn(t, former))
			if !test.workflow {
				require.Zero(t, result.FormerCredential.Until)
				require.Empty(t, result.FormerCredential.Workflow)
				return
			}
			require.WithinRange(t, result.FormerCredential.Until, result.Started.Add(time.Hour), result.Ended.Add(time.Hour))
			require.Equal(t, "retire/"+secret.Store+"/"+secret.Region+"/"+secret.Name, result.FormerCredential.Workflow)
		})
	}
}

// retirement waits for the end of the workflow that retires the former credential of a secret.
func retirement(t *testing.T, secret devstack.Secret) (retired rotation.Retired) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, temporal.GetWorkflow(ctx, rotation.RetireWorkflowID(canonicalID(secret)), "").Get(ctx, &retired))
	return retired
}

// After the time that was asked for, the former credential is retired by a workflow of its own; a rotation that comes before it replaces that.
func TestRetiredLater(t *testing.T) {
	t.Parallel()
	for name, strategy := range map[string]rotation.Strategy{"two accounts": rotation.DualAccount, "two passwords": rotation.DualPassword} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			if strategy == rotation.DualPassword && !twoPasswords() {
				dualPassword(t, secret, nil)
				return
			}
			first := holder(t, secret, alibabakms.Current)
			later := func(d string) func(*rotation.Request) {
				return func(r *rotation.Request) { r.Strategy, r.RetireFormer = strategy, d }
			}
			require.Equal(t, rotation.Rotated, rotate(t, secret, later("1h")).Outcome)
			second := holder(t, secret, alibabakms.Current)
			require.True(t, logsIn(t, first))
			result := rotate(t, secret, later("1s"))
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			require.False(t, logsIn(t, first), "the rotation itself replaces what the one before has left")
			retired := retirement(t, secret)
			require.False(t, retired.Superseded)
			require.Equal(t, second.AccountName, retired.Account)
			require.Equal(t, rotation.ProofLogin, retired.Proof)
			require.Zero(t, retired.Sessions.Ended)
			require.False(t, logsIn(t, second))
			require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
			require.Equal(t, rotation.Rotated, rotate(t, secret, later("never")).Outcome)
		})
	}
}

// closed says whether the rotation of a secret has ended.
func closed(secret devstack.Secret) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	found, err := temporal.DescribeWorkflowExecution(ctx, canonicalID(secret), "")
	return err == nil && found.WorkflowExecutionInfo.Status == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED
}

// moveBack makes the first version current again, as a person does.
func moveBack(t *testing.T, secret devstack.Secret) {
	t.Helper()
	s := stored(t, secret.Name)
	for i := range s.Versions {
		s.Versions[i].Stages = nil
		if s.Versions[i].ID == secret.Version {
			s.Versions[i].Stages = []string{alibabakms.Current}
		}
	}
	kms().Put(s)
}

// A version that became current meanwhile may have the former credential: nothing is touched.
func TestRetirementIsSuperseded(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	former := holder(t, secret, alibabakms.Current)
	t.Cleanup(stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if s := stored(t, secret.Name); r.Resource == secret.Name && s.Holder("ACSPending") == nil && s.Holder(alibabakms.Current).ID != secret.Version && closed(secret) {
			moveBack(t, secret)
		}
		return cloudsim.Apply
	}))
	require.Equal(t, rotation.Rotated, rotate(t, secret, func(r *rotation.Request) { r.RetireFormer = "1s" }).Outcome)
	require.True(t, retirement(t, secret).Superseded)
	require.True(t, logsIn(t, former))
}

// Who still uses the former credential keeps it; the result says when it was seen last.
func TestRetiredWhenIdle(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	former := holder(t, secret, alibabakms.Current)
	used := session(t, former)
	require.Equal(t, rotation.Rotated, rotate(t, secret, func(r *rotation.Request) { r.RetireFormer, r.RetireWhenIdle = "1s", true }).Outcome)
	run := temporal.GetWorkflow(t.Context(), rotation.RetireWorkflowID(canonicalID(secret)), "")
	eventually(t, 2*time.Minute, "waiting for who uses it", func() bool {
		status, err := query(run)
		return err == nil && status.State == rotation.StateWaiting
	})
	require.True(t, logsIn(t, former))
	require.True(t, alive(t, used))
	require.NoError(t, used.Close())
	retired := retirement(t, secret)
	require.False(t, logsIn(t, former))
	require.GreaterOrEqual(t, retired.Usage.Samples, 2)
	require.True(t, retired.Usage.LastSeen.Before(retired.At))
	require.False(t, retired.Usage.LastSeen.IsZero())
	require.Zero(t, retired.Sessions.Open)
}

// A rotation that begins with a retired standby account leaves it retired where it fails, and the one after it does not mind either.
func TestRollbackToARetiredAccount(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	first := holder(t, secret, alibabakms.Current)
	require.Equal(t, rotation.Rotated, rotate(t, secret, leaked).Outcome)
	// The first look is Look's, the second New's, two are Set's, and the fifth is Test's.
	t.Cleanup(stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: secret.Name, Action: "ListSecretVersionIds", Nth: 5}).Remove)
	result := outcome(t, start(t, queue, secret, nil))
	require.Equal(t, rotation.RolledBack, result.Outcome)
	require.False(t, logsIn(t, first), "what was retired stays so")
	written := stored(t, secret.Name)
	require.False(t, logsIn(t, credentialOf(t, written.Version(result.Version))))
	require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
}

// A standby account that only looks retired is somebody else's.
func TestARetiredAccountThatSomebodyTookOver(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	require.Equal(t, rotation.Rotated, rotate(t, secret, leaked).Outcome)
	execute(t, passwordStatement(secret.Account, "theirs-0815"))
	before := picture(t, secret)
	result := rotate(t, secret, nil)
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "somebody else's")
	require.Equal(t, before, picture(t, secret))
}

// What can't be done about the former credential is refused before anything is changed.
func TestRetirementsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ask  func(*rotation.Request)
		says []string
	}{
		"unknown":                         {func(r *rotation.Request) { r.RetireFormer = "soon" }, []string{"RetireFormer", "never, now"}},
		"in the past":                     {func(r *rotation.Request) { r.RetireFormer = "-1h" }, []string{"RetireFormer"}},
		"when idle, and never":            {func(r *rotation.Request) { r.RetireWhenIdle = true }, []string{"RetireWhenIdle", "RetireFormer"}},
		"when idle, and sessions ended":   {func(r *rotation.Request) { r.RetireFormer, r.RetireWhenIdle, r.EndSessions = "1h", true, true }, []string{"contradicts"}},
		"sessions ended, nothing retired": {func(r *rotation.Request) { r.EndSessions = true }, []string{"EndSessions", "RetireFormer"}},
		"when idle, with one account": {func(r *rotation.Request) {
			r.Strategy, r.RetireFormer, r.RetireWhenIdle = rotation.SingleUser, "1h", true
		},
			[]string{"RetireWhenIdle", "can't be seen"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			before := picture(t, secret)
			result := rotate(t, secret, test.ask)
			require.Equal(t, rotation.Refused, result.Outcome)
			for _, words := range test.says {
				require.Contains(t, result.Reason.Text, words)
			}
			require.Equal(t, before, picture(t, secret))
		})
	}
}
