package apsarards_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/rotation"
	"rotor/internal/target"
)

var newPassword = rotation.NewSecret(newWord)

func TestCreate(t *testing.T) {
	b := start(t, sim.Instance{Delay: 20 * time.Millisecond})
	change, err := b.lock(t).Create(t.Context(), "app_rt", "app", newPassword)
	require.NoError(t, err)
	require.Equal(t, target.Change{Given: []string{`ReadOnly on "blog"`, `ReadWrite on "shop"`}}, change)
	require.Equal(t, []string{"app Available blog:ReadOnly shop:ReadWrite", "app_rt Available blog:ReadOnly shop:ReadWrite"}, b.accounts())
	require.Equal(t, []string{"CreateAccount", "GrantAccountPrivilege"}, b.writes())
	require.True(t, b.server.Login("app_rt", newWord))
	require.True(t, b.server.Login("app", oldWord))
	require.Equal(t, mark, b.instances.Accounts("rm-1")[1].Description)
	differences, err := b.lock(t).Differences(t.Context(), "app_rt", "app")
	require.NoError(t, err)
	require.Empty(t, differences)
}

// An account that takes longer than an attempt is waited for by the next ones, each of which looks first.
func TestSlowAccounts(t *testing.T) {
	b := start(t, sim.Instance{Delay: time.Hour})
	session := b.lock(t)
	_, err := session.Create(t.Context(), "app_rt", "app", newPassword)
	ours := failureOf(t, err, rotation.Retryable, "busy", "account app_rt of instance rm-1 is Unavailable: a change of it is under way")
	require.True(t, ours.Unanswered, "the change is being made")
	_, err = b.Lock(t.Context(), target.Login{Place: place, Version: version}, pair)
	requireError(t, err, rotation.Retryable, "busy", "account app_rt")
	_, err = session.Exists(t.Context(), "app_rt")
	requireError(t, err, rotation.Retryable, "busy")
	_, err = session.Level(t.Context(), "app_rt", "app", newPassword)
	requireError(t, err, rotation.Retryable, "busy")
	_, err = session.Differences(t.Context(), "app_rt", "app")
	requireError(t, err, rotation.Retryable, "busy")
	err = session.SetPassword(t.Context(), "app_rt", newPassword)
	ours = failureOf(t, err, rotation.Retryable, "IncorrectAccountStatus", "reset the password of account app_rt of instance rm-1 in cn-hangzhou", "another change")
	require.False(t, ours.Unanswered, "that is an answer")
	err = session.Drop(t.Context(), "app_rt")
	requireError(t, err, rotation.Retryable, "IncorrectAccountStatus")
	require.Equal(t, []string{"CreateAccount", "ResetAccountPassword", "DeleteAccount"}, b.writes())

	b.instances.Settle("rm-1")
	exists, err := b.lock(t).Exists(t.Context(), "app_rt")
	require.NoError(t, err)
	require.True(t, exists)
	_, err = session.Level(t.Context(), "app_rt", "app", newPassword)
	requireError(t, err, rotation.Retryable, "busy")
	b.instances.Settle("rm-1")
	change, err := session.Level(t.Context(), "app_rt", "app", newPassword)
	require.NoError(t, err)
	require.Empty(t, change, "it is done already")
}

// Lock waits for a while itself.
func TestLockWaits(t *testing.T) {
	b := start(t, sim.Instance{Delay: 150 * time.Millisecond, Accounts: []sim.Account{app(), partner(nil)}})
	require.NoError(t, b.lock(t).SetPassword(t.Context(), "app_rt", newPassword))
	b.instances.Change("rm-1", func(i *sim.Instance) { i.Delay = 100 * time.Millisecond })
	_, err := b.lock(t).Level(t.Context(), "app_rt", "app", newPassword)
	require.NoError(t, err)
	b.lock(t)
	require.True(t, b.server.Login("app_rt", newWord))
}

// A password that the API has accepted is not set twice because the account takes long.
func TestSetPasswordIsAcceptedOnce(t *testing.T) {
	b := start(t, sim.Instance{Delay: time.Hour, Accounts: []sim.Account{app(), partner(nil)}})
	require.NoError(t, b.lock(t).SetPassword(t.Context(), "app_rt", newPassword))
	require.Equal(t, []string{"ResetAccountPassword"}, b.writes())
	require.True(t, b.server.Login("app_rt", oldWord))
	b.instances.Settle("rm-1")
	require.True(t, b.server.Login("app_rt", newWord))
	require.False(t, b.server.Login("app_rt", oldWord))
}

func TestLevel(t *testing.T) {
	for name, c := range map[string]struct {
		has   map[string]string
		sql   bool
		given []string
		taken []string
		calls []string
		words []string
	}{
		"equal": {has: map[string]string{"blog": "ReadOnly", "shop": "ReadWrite"}},
		"nothing": {given: []string{`ReadOnly on "blog"`, `ReadWrite on "shop"`}, calls: []string{"GrantAccountPrivilege"},
			words: []string{`app_rt lacks ReadOnly on "blog"`, `app_rt lacks ReadWrite on "shop"`}},
		"too much": {has: map[string]string{"blog": "ReadOnly", "shop": "ReadWrite", "wiki": "DDLOnly"}, taken: []string{`DDLOnly on "wiki"`},
			calls: []string{"RevokeAccountPrivilege"}, words: []string{`app_rt has DDLOnly on "wiki", and app has nothing there`}},
		"other": {has: map[string]string{"blog": "ReadWrite", "shop": "ReadWrite"}, given: []string{`ReadOnly on "blog"`}, calls: []string{"GrantAccountPrivilege"},
			words: []string{`app_rt lacks ReadOnly on "blog"`}},
		"both": {has: map[string]string{"blog": "ReadOnly", "wiki": "ReadWrite"}, given: []string{`ReadWrite on "shop"`}, taken: []string{`ReadWrite on "wiki"`},
			calls: []string{"RevokeAccountPrivilege", "GrantAccountPrivilege"},
			words: []string{`app_rt lacks ReadWrite on "shop"`, `app_rt has ReadWrite on "wiki", and app has nothing there`}},
		"by SQL": {has: map[string]string{"blog": "ReadOnly", "shop": "ReadOnly"}, sql: true, given: []string{`ReadWrite on "shop"`}, taken: []string{`Custom on "shop"`},
			calls: []string{"RevokeAccountPrivilege", "GrantAccountPrivilege"}, words: []string{`app_rt lacks ReadWrite on "shop"`}},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, sim.Instance{Accounts: []sim.Account{app(), partner(c.has)}, Delay: 10 * time.Millisecond})
			if c.sql {
				require.NoError(t, b.server.Grant(t.Context(), "app_rt", "shop", []string{"DELETE"}))
			}
			session := b.lock(t)
			words, err := session.Differences(t.Context(), "app_rt", "app")
			require.NoError(t, err)
			require.Equal(t, c.words, words)
			change, err := session.Level(t.Context(), "app_rt", "app", newPassword)
			require.NoError(t, err)
			require.Equal(t, target.Change{Given: c.given, Taken: c.taken}, change)
			require.Equal(t, c.calls, b.writes())
			words, err = session.Differences(t.Context(), "app_rt", "app")
			require.NoError(t, err)
			require.Empty(t, words)
			require.Equal(t, []string{"app Available blog:ReadOnly shop:ReadWrite", "app_rt Available blog:ReadOnly shop:ReadWrite"}, b.accounts())
		})
	}
}

// What SQL gave the current account meanwhile can't be given to the other one.
func TestPrivilegesBySQLMeanwhile(t *testing.T) {
	b := start(t, sim.Instance{Accounts: []sim.Account{app(), partner(nil)}})
	require.NoError(t, b.server.Grant(t.Context(), "app", "shop", []string{"SUPER"}))
	session := b.lock(t)
	_, err := session.Level(t.Context(), "app_rt", "app", newPassword)
	requireError(t, err, rotation.Permanent, "", `privileges Custom on database "shop"`)
	_, err = session.Create(t.Context(), "app2", "app", newPassword)
	requireError(t, err, rotation.Permanent, "", `privileges Custom on database "shop"`)
	require.Empty(t, b.writes())
}

func TestAccountOfAnotherType(t *testing.T) {
	b := start(t, sim.Instance{Accounts: []sim.Account{app(), {Name: "app_rt", Type: sim.Super, Password: oldWord}}})
	words, err := b.lock(t).Differences(t.Context(), "app_rt", "app")
	require.NoError(t, err)
	require.Contains(t, words, "app_rt is of type Super and app of type Normal")
}

// An account that exists when it is created is this rotation's own if it bears its mark.
func TestCreateOfWhatExists(t *testing.T) {
	for name, c := range map[string]struct {
		others []sim.Account
		stale  bool
		kind   rotation.Kind
		words  string
		gives  bool
	}{
		"own":              {others: []sim.Account{{Name: "app_rt", Description: mark, Password: newWord}}, gives: true},
		"somebody else's":  {others: []sim.Account{{Name: "app_rt", Description: "the team's", Password: oldWord}}, kind: rotation.Conflict, words: "somebody else created it"},
		"another rotation": {others: []sim.Account{{Name: "app_rt", Description: mark + "x", Password: oldWord}}, kind: rotation.Conflict, words: "mark"},
		"other case":       {others: []sim.Account{{Name: "APP_RT", Password: oldWord}}, kind: rotation.Permanent, words: "nothing but case"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, sim.Instance{Accounts: append(c.others, app())})
			change, err := b.lock(t).Create(t.Context(), "app_rt", "app", newPassword)
			if c.gives {
				require.NoError(t, err)
				require.Len(t, change.Given, 2)
				require.True(t, b.server.Login("app_rt", newWord))
				return
			}
			requireError(t, err, c.kind, "InvalidAccountName.Duplicate", c.words)
			require.Equal(t, []string{"CreateAccount"}, b.writes())
		})
	}
	t.Run("not visible yet", func(t *testing.T) {
		b := start(t, sim.Instance{})
		session := b.lock(t)
		_, err := session.Create(t.Context(), "app_rt", "app", newPassword)
		require.NoError(t, err)
		// Level's read of the list is the first after the refusal, and shows what was before the account.
		require.NoError(t, session.Drop(t.Context(), "app_rt"))
		b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.CloseAfter, Action: "CreateAccount"})
		_, err = session.Create(t.Context(), "app_rt", "app", newPassword)
		ours := failureOf(t, err, rotation.Retryable, "reset")
		require.True(t, ours.Unanswered)
		b.instances.Settle("rm-1")
		b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: "DescribeAccounts", Resource: "rm-1", Lag: time.Hour})
		_, err = session.Create(t.Context(), "app_rt", "app", newPassword)
		requireError(t, err, rotation.Retryable, "InvalidAccountName.Duplicate", "not visible yet")
	})
}

// Answers that are lost leave it open whether the change was made; the next attempt finds out.
func TestLostAnswers(t *testing.T) {
	for _, kind := range []cloudsim.Kind{cloudsim.CloseAfter, cloudsim.ErrorAfter, cloudsim.Malformed, cloudsim.CloseBefore, cloudsim.ErrorBefore} {
		for _, action := range []string{"CreateAccount", "GrantAccountPrivilege", "RevokeAccountPrivilege", "ResetAccountPassword", "DeleteAccount"} {
			t.Run(string(kind)+" "+action, func(t *testing.T) {
				b := start(t, sim.Instance{Accounts: []sim.Account{app(), {Name: "other_rt", Password: oldWord, Privileges: map[string]string{"wiki": "ReadOnly"}}}})
				injected := b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: action})
				session := b.lock(t)
				act := func() error {
					exists, err := session.Exists(t.Context(), "app_rt")
					if err != nil {
						return err
					}
					if !exists {
						if _, err := session.Create(t.Context(), "app_rt", "app", newPassword); err != nil {
							return err
						}
					}
					if _, err := session.Level(t.Context(), "app_rt", "app", newPassword); err != nil {
						return err
					}
					if err := session.SetPassword(t.Context(), "app_rt", newPassword); err != nil {
						return err
					}
					if exists, err := session.Exists(t.Context(), "other_rt"); err != nil || !exists {
						return err
					}
					if _, err := session.Level(t.Context(), "other_rt", "app", newPassword); err != nil {
						return err
					}
					return session.Drop(t.Context(), "other_rt")
				}
				err := act()
				ours := failureOf(t, err, rotation.Retryable, rotation.CodeOf(err))
				require.True(t, ours.Unanswered, err)
				require.Equal(t, 1, injected.Hits())
				b.instances.Settle("rm-1")
				require.NoError(t, act())
				require.Equal(t, []string{"app Available blog:ReadOnly shop:ReadWrite", "app_rt Available blog:ReadOnly shop:ReadWrite"}, b.accounts())
				require.True(t, b.server.Login("app_rt", newWord))
				require.NoError(t, b.cloud.ApsaraRDS().Errors())
			})
		}
	}
}

// A call that was turned away for there being too many is made again, not for ever.
func TestThrottledCalls(t *testing.T) {
	b := start(t, sim.Instance{Accounts: []sim.Account{app(), partner(nil)}})
	session := b.lock(t)
	few := b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Action: "ResetAccountPassword", Times: 3})
	require.NoError(t, session.SetPassword(t.Context(), "app_rt", newPassword))
	require.Equal(t, 3, few.Hits())
	require.True(t, b.server.Login("app_rt", newWord))

	many := b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Action: "ResetAccountPassword", Times: cloudsim.Always})
	ours := failureOf(t, session.SetPassword(t.Context(), "app_rt", rotation.NewSecret(oldWord)), rotation.Retryable, "Throttling.User", "no more requests")
	require.False(t, ours.Unanswered, "nothing was carried out")
	require.Equal(t, 4, many.Hits())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	requireError(t, session.SetPassword(ctx, "app_rt", rotation.NewSecret(oldWord)), rotation.Retryable, "cancelled")
	require.Equal(t, 4, many.Hits())
	require.True(t, b.server.Login("app_rt", newWord))
}

func TestDrop(t *testing.T) {
	b := start(t, sim.Instance{Delay: 20 * time.Millisecond, Accounts: []sim.Account{app(), partner(nil)}})
	session := b.lock(t)
	require.NoError(t, session.Drop(t.Context(), "app_rt"))
	require.False(t, b.server.Login("app_rt", oldWord))
	exists, err := session.Exists(t.Context(), "app_rt")
	require.NoError(t, err)
	require.False(t, exists)
	require.NoError(t, session.Drop(t.Context(), "app_rt"), "an account that does not exist is no error")

	b.instances.Change("rm-1", func(i *sim.Instance) { i.Delay = time.Hour })
	err = session.Drop(t.Context(), "app")
	ours := failureOf(t, err, rotation.Retryable, "busy", "account app of instance rm-1 is still there")
	require.True(t, ours.Unanswered)
}

// Changes that the API refuses are told with what to do, and nothing has changed.
func TestRefusedChanges(t *testing.T) {
	busy := func(i *sim.Instance) { i.Status = "DBInstanceClassChanging" }
	for name, c := range map[string]struct {
		change func(*bench)
		kind   rotation.Kind
		code   string
		words  string
	}{
		"instance busy":   {func(b *bench) { b.instances.Change("rm-1", busy) }, rotation.Retryable, "OperationDenied.DBInstanceStatus", "Running again"},
		"instance locked": {func(b *bench) { b.instances.Change("rm-1", func(i *sim.Instance) { i.LockMode = "ManualLock" }) }, rotation.Permanent, "IncorrectDBInstanceLockMode", "unlock"},
		"read-only":       {func(b *bench) { b.instances.Change("rm-1", func(i *sim.Instance) { i.Type = "Readonly" }) }, rotation.Permanent, "IncorrectDBInstanceType", "read-only"},
		"throttled":       {func(b *bench) { fault(b, cloudsim.Throttle) }, rotation.Retryable, "Throttling.User", "no more requests"},
		"denied":          {func(b *bench) { fault(b, cloudsim.Deny) }, rotation.Permanent, "Forbidden.RAM", "permission denied; allow rds:"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, sim.Instance{Accounts: []sim.Account{app(), partner(map[string]string{"wiki": "ReadOnly"}), {Name: "bare", Password: oldWord}}})
			c.change(b)
			before := b.accounts()
			session := b.lock(t)
			_, createErr := session.Create(t.Context(), "app2", "app", newPassword)
			_, revokeErr := session.Level(t.Context(), "app_rt", "app", newPassword)
			_, grantErr := session.Level(t.Context(), "bare", "app", newPassword)
			for action, err := range map[string]error{
				"CreateAccount": createErr, "RevokeAccountPrivilege": revokeErr, "GrantAccountPrivilege": grantErr,
				"ResetAccountPassword": session.SetPassword(t.Context(), "app_rt", newPassword), "DeleteAccount": session.Drop(t.Context(), "app_rt"),
			} {
				ours := failureOf(t, err, c.kind, c.code, c.words, "instance rm-1 in cn-hangzhou")
				require.False(t, ours.Unanswered)
				if name == "denied" {
					require.ErrorContains(t, err, "rds:"+action+" on acs:rds:cn-hangzhou:*:dbinstance/rm-1")
				}
			}
			require.Equal(t, before, b.accounts())
		})
	}
}

// fault lets every change go wrong.
func fault(b *bench, kind cloudsim.Kind) {
	for _, action := range []string{"CreateAccount", "RevokeAccountPrivilege", "GrantAccountPrivilege", "ResetAccountPassword", "DeleteAccount"} {
		b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: action, Times: cloudsim.Always})
	}
}

func TestPasswordsThatTheAPIRefuses(t *testing.T) {
	b := start(t, sim.Instance{Accounts: []sim.Account{app(), partner(nil)}})
	err := b.lock(t).SetPassword(t.Context(), "app_rt", rotation.NewSecret("no/good/word1A"))
	requireError(t, err, rotation.Permanent, "InvalidAccountPassword.Format", "8 to 32 characters")
	_, err = b.lock(t).Create(t.Context(), "app2", "app", rotation.NewSecret("short"))
	requireError(t, err, rotation.Permanent, "InvalidAccountPassword.Format")
	_, err = b.lock(t).Create(t.Context(), "root", "app", newPassword)
	requireError(t, err, rotation.Permanent, "InvalidAccountName.Forbid", "reserved")
}

func TestGeneratedPasswordsAreTaken(t *testing.T) {
	b := start(t, sim.Instance{Accounts: []sim.Account{app(), partner(nil)}})
	survey, err := b.Survey(t.Context(), question(rotation.DualAccount, "app"))
	require.NoError(t, err)
	random := newRandom()
	for name, policy := range map[string]rotation.PasswordPolicy{
		"default": {}, "shortest": {Length: 8}, "punctuation": {Punctuation: "!@#$%^&*()_+-=[]{}|;:,.<>?"}, "none": {ExcludePunctuation: true},
	} {
		t.Run(name, func(t *testing.T) {
			recipe, err := policy.Fit(survey.Passwords)
			require.NoError(t, err)
			for range 20 {
				password, err := recipe.Generate(random)
				require.NoError(t, err)
				require.NoError(t, b.lock(t).SetPassword(t.Context(), "app_rt", password))
				require.True(t, b.server.Login("app_rt", password.Reveal()))
			}
		})
	}
	_, err = rotation.PasswordPolicy{Length: 33}.Fit(survey.Passwords)
	requireError(t, err, rotation.Permanent, "", "takes 8 to 32")
}

func TestNobodyChangesItself(t *testing.T) {
	b := start(t, sim.Instance{})
	requireError(t, b.lock(t).SetOwnPassword(t.Context(), newPassword, newPassword), rotation.Permanent, "")
	require.Empty(t, b.writes())
}

// A wait ends with its context.
func TestCancelledWait(t *testing.T) {
	b := start(t, sim.Instance{Delay: time.Hour}, func(o *options) { o.Wait = time.Hour })
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := b.lock(t).Create(ctx, "app_rt", "app", newPassword)
		ended <- err
	}()
	eventually(t, "the account is being created", func() bool { return len(b.accounts()) == 2 })
	cancel()
	select {
	case err := <-ended:
		ours := failureOf(t, err, rotation.Retryable, rotation.CodeOf(err))
		require.True(t, ours.Unanswered)
	case <-time.After(patience):
		require.Fail(t, "it waits on")
	}
}
