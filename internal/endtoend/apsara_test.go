package endtoend

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"rotor/internal/canary"
	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/apsarards"
)

// newApsara adds a ready-made secret of an instance that no other test has.
func newApsara(t *testing.T) devstack.Secret {
	t.Helper()
	secret, err := stack.AddKMSApsaraPair(t.Context(), fmt.Sprintf("a%d", secretNumber.Add(1)))
	require.NoError(t, err)
	change(t, secret, func(i *sim.Instance) { i.Delay = 50 * time.Millisecond })
	return secret
}

func instances() sim.Region {
	return stack.Cloud.ApsaraRDS().In(stack.Cloud.Credential().Account, devstack.Region)
}

// change changes the settings of a secret's instance.
func change(t *testing.T, secret devstack.Secret, edit func(*sim.Instance)) {
	t.Helper()
	require.True(t, instances().Change(secret.Instance, edit))
}

// outOfReach takes the worker's way to the server away: the secret has no address, and at the instance's nobody listens.
func outOfReach(t *testing.T, secret devstack.Secret) {
	t.Helper()
	withoutAddress(t, secret)
	change(t, secret, func(i *sim.Instance) { i.Port = 1 })
}

func withoutAddress(t *testing.T, secret devstack.Secret) {
	t.Helper()
	edit(t, secret.Name, func(d map[string]any) {
		delete(d, "Endpoint")
		delete(d, "Port")
	})
}

func inReach(*testing.T, devstack.Secret) {}

// described are the accounts of a secret's instance as the API shows them: "s1 Available s1:ReadWrite".
func described(secret devstack.Secret) []string {
	var lines []string
	for _, a := range instances().Accounts(secret.Instance) {
		line := a.Name + " " + a.Status
		if p := a.Privileges[secret.Database]; p != "" {
			line += " " + p
		}
		lines = append(lines, line)
	}
	return lines
}

// calls counts the requests of one action about a secret's instance that were carried out.
func calls(secret devstack.Secret, action string) (n int) {
	for _, r := range stack.Cloud.Requests() {
		if r.Applied && r.Action == action && concerns(r, secret) {
			n++
		}
	}
	return n
}

// concerns says whether a request is about a secret's instance.
func concerns(r cloudsim.Request, secret devstack.Secret) bool {
	return r.API == cloudsim.AlibabaRDS && (r.Resource == secret.Instance || strings.HasPrefix(r.Resource, secret.Instance+"/"))
}

// about narrows a fault down to a secret's instance.
func about(secret devstack.Secret, f cloudsim.Fault) cloudsim.Fault {
	f.API, f.If = cloudsim.AlibabaRDS, func(r cloudsim.Request) bool { return concerns(r, secret) }
	return f
}

// reaches are whether the worker has a way to the server, and what then proves an outcome.
var reaches = map[string]struct {
	prepare func(*testing.T, devstack.Secret)
	proof   string
}{"in reach": {inReach, rotation.ProofLogin}, "out of reach": {outOfReach, rotation.ProofAPI}}

// First from an account without a partner; current and previous log in, older ones don't.
func TestApsaraThreeRotationsInARow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, devstack.Secret)
		proof   string
	}{
		"at the secret's address":      {inReach, rotation.ProofLogin},
		"at the instance's address":    {withoutAddress, rotation.ProofLogin},
		"out of reach":                 {outOfReach, rotation.ProofAPI},
		"with an admin secret unasked": {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, with("MasterSecret", "no-such-secret")) }, rotation.ProofLogin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			test.prepare(t, secret)
			past := []credential{holder(t, secret, alibabakms.Current)}
			for _, account := range []string{secret.Account + "_rt", secret.Account, secret.Account + "_rt"} {
				run := start(t, queue, secret, nil)
				result := outcome(t, run)
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.Equal(t, account, result.Account)
				require.Equal(t, test.proof, result.Proof)
				status, err := query(run)
				require.NoError(t, err)
				require.Equal(t, test.proof == rotation.ProofAPI, strings.Contains(status.Doing, "Proof: `api`. Nobody logged in"), status.Doing)
				require.Equal(t, rotation.TargetApsaraRDS, result.Target)
				require.Equal(t, rotation.DualAccount, result.Strategy)
				now := holder(t, secret, alibabakms.Current)
				require.Equal(t, account, now.AccountName)
				require.True(t, logsIn(t, now), "the new credential works")
				require.True(t, logsIn(t, past[len(past)-1]), "the one before still works")
				for _, old := range past[:len(past)-1] {
					require.False(t, logsIn(t, old), "older ones don't")
				}
				require.Equal(t, []string{secret.Account + " Available ReadWrite", secret.Account + "_rt Available ReadWrite"}, described(secret))
				require.Equal(t, privileges(grants(t, secret.Account)), privileges(grants(t, secret.Account+"_rt")), "on the server, too")
				s := stored(t, secret.Name)
				require.Nil(t, s.Holder("ACSPending"), "pending is off")
				past = append(past, now)
			}
			require.Len(t, stored(t, secret.Name).Versions, 4, "one version a rotation")
			require.Equal(t, 1, calls(secret, "CreateAccount"))
			require.Equal(t, 2, calls(secret, "ResetAccountPassword"), "once a rotation")
			require.NoError(t, stack.Cloud.ApsaraRDS().Errors())
			nothingLeaked(t, secret)
		})
	}
}

// nothingLeaked searches what the rotations of a secret left behind for each of its passwords.
func nothingLeaked(t *testing.T, secret devstack.Secret) {
	t.Helper()
	var passwords []rotation.Secret
	var histories strings.Builder
	s := stored(t, secret.Name)
	for i := range s.Versions {
		passwords = append(passwords, rotation.NewSecret(credentialOf(t, &s.Versions[i]).AccountPassword))
		if s.Versions[i].ID == secret.Version {
			continue
		}
		// A version has the id of the run that wrote it.
		events := temporal.GetWorkflowHistory(t.Context(), "rotate/"+secret.Store+"/"+secret.Region+"/"+secret.Name, s.Versions[i].ID, false,
			enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			text, err := protojson.Marshal(event)
			require.NoError(t, err)
			histories.Write(text)
		}
	}
	require.Contains(t, histories.String(), "ACTIVITY_TASK_COMPLETED")
	found, err := canary.Search(passwords, canary.Text("histories", histories.String()), canary.Text("the worker's log", workerLog.String()))
	require.NoError(t, err)
	require.Empty(t, found)
}

// privileges are grants without whose they are.
func privileges(grants []string) []string {
	var found []string
	for _, g := range grants {
		what, _, _ := strings.Cut(g, " TO ")
		found = append(found, what)
	}
	slices.Sort(found)
	return found
}

// The API is slow, busy, throttled, and loses answers; the rotation gets there, and changes no password twice that it did not have to.
func TestApsaraWaits(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		begin func(*testing.T, devstack.Secret) func()
	}{
		"the accounts are slow": {func(t *testing.T, s devstack.Secret) func() {
			// Much slower than an attempt of a step may be, so that attempts have to look and come again.
			change(t, s, func(i *sim.Instance) { i.Delay = 30 * time.Second })
			return func() {}
		}},
		"the instance is busy when it is looked at": {func(t *testing.T, s devstack.Secret) func() { return busyUntil(t, s, "DescribeDBInstanceAttribute", 3) }},
		"the instance gets busy before the change":  {busyFromPut},
		"throttled": {func(t *testing.T, s devstack.Secret) func() {
			return stack.Cloud.Inject(about(s, cloudsim.Fault{Kind: cloudsim.Throttle, Times: 6})).Remove
		}},
		"throttled, every other call": {func(t *testing.T, s devstack.Secret) func() {
			var n atomic.Int64
			f := about(s, cloudsim.Fault{Kind: cloudsim.Throttle, Times: cloudsim.Always})
			f.If = func(r cloudsim.Request) bool { return concerns(r, s) && n.Add(1)%2 == 0 }
			return stack.Cloud.Inject(f).Remove
		}},
	} {
		for where, reach := range reaches {
			t.Run(name+", "+where, func(t *testing.T) {
				t.Parallel()
				secret := newApsara(t)
				reach.prepare(t, secret)
				for n := range 2 {
					former := holder(t, secret, alibabakms.Current)
					end := test.begin(t, secret)
					result := outcome(t, start(t, queue, secret, nil)) // a step that waits so long does not go express
					end()
					require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
					require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
					require.True(t, logsIn(t, former))
					require.Equal(t, []string{secret.Account + " Available ReadWrite", secret.Account + "_rt Available ReadWrite"}, described(secret))
					if name == "the accounts are slow" { // an attempt that ran out of time may have to ask again
						require.GreaterOrEqual(t, calls(secret, "CreateAccount"), 1)
						require.GreaterOrEqual(t, calls(secret, "ResetAccountPassword"), n)
					} else {
						require.Equal(t, 1, calls(secret, "CreateAccount"))
						require.Equal(t, n, calls(secret, "ResetAccountPassword"))
					}
					require.Equal(t, reach.proof, result.Proof)
				}
			})
		}
	}
}

// busyUntil has the instance busy until an action was asked for so often.
func busyUntil(t *testing.T, secret devstack.Secret, action string, times int64) func() {
	t.Helper()
	change(t, secret, func(i *sim.Instance) { i.Status = "DBInstanceClassChanging" })
	var n atomic.Int64
	return stack.Cloud.After(func(r cloudsim.Request) {
		if concerns(r, secret) && r.Action == action && n.Add(1) == times {
			instances().Change(secret.Instance, func(i *sim.Instance) { i.Status = "Running" })
		}
	})
}

// busyFromPut has the instance get busy when the pending version is written, until it was asked a dozen things.
func busyFromPut(_ *testing.T, secret devstack.Secret) func() {
	var put atomic.Bool
	var asked atomic.Int64
	return stack.Cloud.After(func(r cloudsim.Request) {
		switch {
		case r.Action == "PutSecretValue" && r.Resource == secret.Name:
			put.Store(true)
			instances().Change(secret.Instance, func(i *sim.Instance) { i.Status = "MinorVersionUpgrading" })
		case put.Load() && concerns(r, secret) && asked.Add(1) == 12:
			instances().Change(secret.Instance, func(i *sim.Instance) { i.Status = "Running" })
		}
	})
}

// Whatever one call meets, the rotation gets there.
func TestApsaraFaults(t *testing.T) {
	t.Parallel()
	for _, kind := range []cloudsim.Kind{cloudsim.CloseAfter, cloudsim.CloseBefore, cloudsim.ErrorAfter, cloudsim.Malformed, cloudsim.SlowAnswer} {
		for _, action := range []string{"DescribeAccounts", "CreateAccount", "GrantAccountPrivilege", "ResetAccountPassword"} {
			for where, reach := range reaches {
				t.Run(fmt.Sprintf("%s at %s, %s", kind, action, where), func(t *testing.T) {
					t.Parallel()
					secret := newApsara(t)
					reach.prepare(t, secret)
					f := about(secret, cloudsim.Fault{Kind: kind, Action: action, Hold: 7 * time.Second})
					injected := stack.Cloud.Inject(f)
					defer injected.Remove()
					for range 2 {
						former := holder(t, secret, alibabakms.Current)
						result := rotate(t, secret, nil)
						require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
						require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
						require.True(t, logsIn(t, former))
					}
					require.Equal(t, 1, injected.Hits(), "the fault was met")
					require.Len(t, stored(t, secret.Name).Versions, 3)
					nothingLeaked(t, secret)
					require.Equal(t, []string{secret.Account + " Available ReadWrite", secret.Account + "_rt Available ReadWrite"}, described(secret))
				})
			}
		}
	}
}

// One account: only the current credential logs in. It may be the instance's privileged one.
func TestApsaraSingleUser(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, devstack.Secret)
		proof   string
	}{
		"in reach":     {inReach, rotation.ProofLogin},
		"out of reach": {outOfReach, rotation.ProofAPI},
		"privileged":   {makeSuper, rotation.ProofLogin},
		"slow": {func(t *testing.T, s devstack.Secret) {
			change(t, s, func(i *sim.Instance) { i.Delay = 8 * time.Second })
		}, rotation.ProofLogin},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			test.prepare(t, secret)
			for n := range 2 {
				former := holder(t, secret, alibabakms.Current)
				result := rotate(t, secret, func(r *rotation.Request) { r.Strategy = rotation.SingleUser })
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.Equal(t, test.proof, result.Proof)
				require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)), "the new credential works")
				require.False(t, logsIn(t, former), "the old one doesn't")
				if name != "slow" { // an attempt that ran out of time may have to set the password again
					require.Equal(t, n+1, calls(secret, "ResetAccountPassword"))
				}
			}
			require.Len(t, described(secret), 1)
		})
	}
}

// makeSuper makes the account the instance's privileged one.
func makeSuper(t *testing.T, secret devstack.Secret) {
	t.Helper()
	remake(t, secret, func(i *sim.Instance, a *sim.Account) { a.Type = sim.Super })
}

// remake registers the instance anew, without a change on the server.
func remake(t *testing.T, secret devstack.Secret, edit func(*sim.Instance, *sim.Account)) {
	t.Helper()
	var instance sim.Instance
	change(t, secret, func(i *sim.Instance) { instance = *i })
	account := instances().Accounts(secret.Instance)[0]
	edit(&instance, &account)
	instance.Accounts = []sim.Account{account}
	require.NoError(t, instances().PutInstance(t.Context(), instance))
}

// Nothing that is refused changes anything.
func TestApsaraRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, devstack.Secret)
		ask     func(*rotation.Request)
		says    []string
	}{
		"unknown instance": {inReach, func(r *rotation.Request) { r.InstanceId = "rm-nowhere" }, []string{"InstanceId", "no such instance", "InvalidDBInstanceName.NotFound"}},
		"strange instance": {inReach, func(r *rotation.Request) { r.InstanceId = "rm/../x" }, []string{"InstanceId"}},
		"another engine":   {func(t *testing.T, s devstack.Secret) { change(t, s, func(i *sim.Instance) { i.Engine = "PostgreSQL" }) }, nil, []string{"PostgreSQL"}},
		"read-only":        {func(t *testing.T, s devstack.Secret) { change(t, s, func(i *sim.Instance) { i.Type = "Readonly" }) }, nil, []string{"read-only"}},
		"locked": {func(t *testing.T, s devstack.Secret) {
			change(t, s, func(i *sim.Instance) { i.LockMode = "LockByExpiration" })
		}, nil, []string{"LockByExpiration"}},
		"privileged, dual": {makeSuper, nil, []string{"only one such account", "single-user"}},
		"privileges by SQL": {func(t *testing.T, s devstack.Secret) {
			execute(t, "REVOKE DELETE ON `"+s.Database+"`.* FROM '"+s.Account+"'@'%'")
		}, nil, []string{"Custom", "on database"}},
		"the password is wrong":                     {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, with("AccountPassword", "Wrong-Pa55-word")) }, nil, []string{"does not log in", "1045"}},
		"a standby account that is somebody else's": {func(t *testing.T, s devstack.Secret) { stranger(t, s) }, nil, []string{"_rt", "somebody else", "AdoptStandby"}},
		"a standby account, and no way to see whose": {func(t *testing.T, s devstack.Secret) { outOfReach(t, s); stranger(t, s) }, nil,
			[]string{"_rt", "can't reach the server", "AdoptStandby"}},
		"a standby account that only an older version names, and no way to see whose": {func(t *testing.T, s devstack.Secret) {
			outOfReach(t, s)
			withFormer(t, s, stranger(t, s), "")
		}, nil, []string{"_rt", "can't reach the server", "AdoptStandby"}},
		"accounts can't be listed": {func(_ *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(about(s, cloudsim.Fault{Kind: cloudsim.Deny, Action: "DescribeAccounts", Times: cloudsim.Always}))
		}, nil, []string{"rds:DescribeAccounts on acs:rds:cn-hangzhou:*:dbinstance/rm-", "Forbidden.RAM"}},
		"a login is demanded, out of reach":      {outOfReach, func(r *rotation.Request) { r.Proof, r.Patience = rotation.ProofLogin, "1s" }, []string{"demands a login"}},
		"a password the API would not set again": {func(t *testing.T, s devstack.Secret) { withOddPrevious(t, s) }, nil, []string{"AcceptPasswordHistory", "rollback"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			test.prepare(t, secret)
			before, accounts := picture(t, secret), described(secret)
			result := rotate(t, secret, test.ask)
			require.Equal(t, rotation.Refused, result.Outcome)
			require.NotNil(t, result.Reason)
			for _, words := range test.says {
				require.Contains(t, result.Reason.Text, words)
			}
			require.Equal(t, before, picture(t, secret), "nothing was changed")
			require.Equal(t, accounts, described(secret))
		})
	}
}

// stranger has somebody else create the standby account, past this program.
func stranger(t *testing.T, secret devstack.Secret) credential {
	t.Helper()
	theirs := credential{secret.Account + "_rt", "Theirs-0815-x"}
	api, err := apsarards.New(apsarards.Options{Endpoint: stack.CloudURL, Wait: 10 * time.Second})
	require.NoError(t, err)
	place := rotation.Place{Instance: secret.Instance, Region: secret.Region}
	session, err := api.Lock(t.Context(), target.Login{Place: place, Version: "theirs"}, rotation.Pair{Base: secret.Account, Suffixed: theirs.AccountName})
	require.NoError(t, err)
	_, err = session.Create(t.Context(), theirs.AccountName, secret.Account, rotation.NewSecret(theirs.AccountPassword))
	require.NoError(t, err)
	return theirs
}

// withOddPrevious leaves a standby account and a previous version with a password that SQL takes and the API does not.
func withOddPrevious(t *testing.T, secret devstack.Secret) {
	t.Helper()
	odd := credential{stranger(t, secret).AccountName, "only letters"}
	withFormer(t, secret, odd, alibabakms.Previous)
	setPasswordBySQL(t, odd.AccountName, odd.AccountPassword)
}

// withFormer adds a version that is older than the current one, with a stage or without.
func withFormer(t *testing.T, secret devstack.Secret, c credential, stage string) {
	t.Helper()
	s := stored(t, secret.Name)
	former := *s.Holder(alibabakms.Current)
	now := credentialOf(t, &former)
	former.ID, former.Stages, former.Created = "former", nil, former.Created.Add(-time.Hour)
	if stage != "" {
		former.Stages = []string{stage}
	}
	former.Data = strings.Replace(strings.Replace(former.Data, now.AccountPassword, c.AccountPassword, 1), `"`+now.AccountName+`"`, `"`+c.AccountName+`"`, 1)
	s.Versions = append([]alibabakms.Version{former}, s.Versions...)
	kms().Put(s)
}

func setPasswordBySQL(t *testing.T, account, password string) {
	t.Helper()
	statement := "ALTER USER '" + account + "'@'%' IDENTIFIED BY '" + password + "'"
	if strings.HasPrefix(stack.MySQL.Version, "5.6.") {
		statement = "SET PASSWORD FOR '" + account + "'@'%' = PASSWORD('" + password + "')"
	}
	execute(t, statement)
}
