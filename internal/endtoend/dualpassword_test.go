package endtoend

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
	"rotor/internal/target"
)

// twoPasswords says whether the server's accounts can take two passwords. Where they can't, dual-password has to be refused.
func twoPasswords() bool {
	var major int
	_, err := fmt.Sscanf(stack.MySQL.Version, "%d.", &major)
	return err == nil && stack.MySQL.Flavour == mysqld.MySQL && major >= 8
}

// dualPassword rotates with two passwords; where the server has none, it makes sure of the refusal and gives false.
func dualPassword(t *testing.T, secret devstack.Secret, ask func(*rotation.Request)) (rotation.Result, bool) {
	t.Helper()
	before := picture(t, secret)
	result := rotate(t, secret, func(r *rotation.Request) {
		r.Strategy = rotation.DualPassword
		if ask != nil {
			ask(r)
		}
	})
	if twoPasswords() {
		return result, true
	}
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "has no second passwords")
	require.Equal(t, before, picture(t, secret))
	return result, false
}

// selfChanging lets an account change itself and keep its former password beside the new one, and no more.
func selfChanging(t *testing.T, secret devstack.Secret) {
	t.Helper()
	edit(t, secret.Name, without("MasterSecret"))
	if twoPasswords() {
		documented(t, "the account itself", "shop", secret.Account)
	}
}

// documented grants an account what the documentation says that it needs for two passwords.
func documented(t *testing.T, whose, name, account string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(module(t), "docs", "strategies.md"))
	require.NoError(t, err)
	_, part, found := strings.Cut(string(text), "<!-- dual-password: "+whose+" -->\n```sql\n")
	require.True(t, found)
	part, _, found = strings.Cut(part, "```")
	require.True(t, found)
	for line := range strings.Lines(part) {
		execute(t, strings.TrimSuffix(strings.ReplaceAll(strings.TrimSpace(line), "'"+name+"'", "'"+account+"'"), ";"))
	}
}

// The new credential and the one before it log in, and there is no moment in which one does not.
func TestTwoPasswords(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, devstack.Secret){
		"changes itself":       selfChanging,
		"changed by its admin": func(*testing.T, devstack.Secret) {},
		"changed by an admin with the rights in the documentation": func(t *testing.T, s devstack.Secret) {
			execute(t, "REVOKE ALL PRIVILEGES, GRANT OPTION FROM '"+s.AdminAccount+"'@'%'")
			documented(t, "the admin", "rotor_admin", s.AdminAccount)
		},
		"with a stale password": func(t *testing.T, s devstack.Secret) {
			selfChanging(t, s)
			makeStale(t, s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			prepare(t, secret)
			past := []credential{holder(t, secret, alibabakms.Current)}
			for range 3 {
				result, can := dualPassword(t, secret, func(r *rotation.Request) { r.RetireFormer = rotation.RetireNever })
				if !can {
					return
				}
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.Equal(t, secret.Account, result.Account)
				require.Zero(t, result.Exposure)
				now := holder(t, secret, alibabakms.Current)
				require.True(t, logsIn(t, now), "the new credential works")
				require.True(t, logsIn(t, past[len(past)-1]), "and the one before")
				for _, old := range past[:len(past)-1] {
					require.False(t, logsIn(t, old), "older ones don't")
				}
				s := stored(t, secret.Name)
				require.Nil(t, s.Holder("ACSPending"))
				past = append(past, now)
			}
		})
	}
}

// What a rollback leaves takes the former password and no other.
func TestTwoPasswordsRollBack(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(*testing.T, devstack.Secret){
		"changes itself":       selfChanging,
		"changed by its admin": func(*testing.T, devstack.Secret) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			prepare(t, secret)
			if !twoPasswords() {
				dualPassword(t, secret, nil)
				return
			}
			former := holder(t, secret, alibabakms.Current)
			run := start(t, queue, secret, func(r *rotation.Request) { r.Strategy = rotation.DualPassword })
			denyAt(t, secret, run, rotation.StepTest)
			result := outcome(t, run)
			require.Equal(t, rotation.RolledBack, result.Outcome)
			require.True(t, logsIn(t, former))
			s := stored(t, secret.Name)
			require.Len(t, s.Versions, 2)
			written := s.Version(result.Version)
			require.False(t, logsIn(t, credentialOf(t, written)))
			require.False(t, secondPassword(t, secret.Account))
		})
	}
}

func secondPassword(t *testing.T, account string) (has bool) {
	t.Helper()
	require.NoError(t, stack.MySQL.DB().QueryRowContext(t.Context(),
		"SELECT COALESCE(MAX(User_attributes->'$.additional_password' IS NOT NULL), FALSE) FROM mysql.user WHERE User = ?", account).Scan(&has))
	return has
}

// What can't be rotated with two passwords is refused before anything is changed.
func TestTwoPasswordsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, devstack.Secret)
		says    string
	}{
		"no right to keep a password": {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, without("MasterSecret")) }, "APPLICATION_PASSWORD_ADMIN"},
		"a second password that is somebody else's": {func(t *testing.T, s devstack.Secret) {
			execute(t, "ALTER USER '"+s.Account+"'@'%' IDENTIFIED BY 'theirs-0815'")
			execute(t, "ALTER USER '"+s.Account+"'@'%' IDENTIFIED BY '"+s.Password.Reveal()+"' RETAIN CURRENT PASSWORD")
		}, "somebody else may use it"},
		"a password history": {func(t *testing.T, s devstack.Secret) { execute(t, "ALTER USER '"+s.Account+"'@'%' PASSWORD HISTORY 3") }, "AcceptPasswordHistory"},
		"no password at all": {func(t *testing.T, s devstack.Secret) {
			execute(t, "ALTER USER '"+s.Account+"'@'%' IDENTIFIED BY 'other-0815'")
		}, "does not log in"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			if twoPasswords() {
				test.prepare(t, secret)
			}
			before := picture(t, secret)
			result, can := dualPassword(t, secret, nil)
			if !can {
				return
			}
			require.Equal(t, rotation.Refused, result.Outcome)
			require.Contains(t, result.Reason.Text, test.says)
			require.Equal(t, before, picture(t, secret))
		})
	}
}

// Somebody who changes the account's password while a step looks at it knows nothing of the lock. Whichever login of the step they come before, theirs
// stands, and so does what they have left of the others.
func TestTwoPasswordsChangedMeanwhile(t *testing.T) {
	t.Parallel()
	if !twoPasswords() {
		dualPassword(t, newSecret(t), nil)
		return
	}
	set := func(h byHand, plan rotation.Plan, around func(*activities.Rotation)) error {
		_, err := h.attempt(around).Set(h.Context(), activities.StepInput{Plan: plan})
		return err
	}
	for name, test := range map[string]struct {
		prepare func(byHand) rotation.Plan
		step    func(byHand, rotation.Plan, func(*activities.Rotation)) error
	}{
		"the first rotation sets": {func(h byHand) rotation.Plan { return h.begin() }, set},
		"a later rotation sets":   {func(h byHand) rotation.Plan { h.rotate(); return h.begin() }, set},
		"it is set again": {func(h byHand) rotation.Plan {
			plan := h.begin()
			h.set(plan)
			return plan
		}, set},
		"it is rolled back": {func(h byHand) rotation.Plan {
			plan := h.begin()
			h.set(plan)
			return plan
		}, func(h byHand, plan rotation.Plan, around func(*activities.Rotation)) error {
			_, err := h.attempt(around).Rollback(h.Context(), activities.RollbackInput{Plan: plan, SetStarted: true})
			return err
		}},
		"the former one is retired": {func(h byHand) rotation.Plan { return h.rotate() }, func(h byHand, plan rotation.Plan, around func(*activities.Rotation)) error {
			_, err := h.attempt(around).Retire(h.Context(), activities.RetireInput{Plan: plan})
			return err
		}},
	} {
		for how, after := range map[string]string{"": "", ", and they keep the one before": " RETAIN CURRENT PASSWORD"} {
			t.Run(name+how, func(t *testing.T) {
				t.Parallel()
				for before, changed := 1, true; changed; before++ {
					h := byHand{t, newSecret(t), rotation.DualPassword}
					plan := test.prepare(h)
					theirs := credential{h.secret.Account, "theirs-0815-" + strconv.Itoa(before)}
					var left []bool
					logins := 0
					err := test.step(h, plan, beforeLogin(func() {
						if logins++; logins == before {
							execute(t, "ALTER USER '"+theirs.AccountName+"'@'%' IDENTIFIED BY '"+theirs.AccountPassword+"'"+after)
							left = h.loggingIn()
						}
					}))
					if changed = left != nil; !changed {
						require.NoError(t, err)
						return
					}
					require.True(t, logsIn(t, theirs), "before login %d: %v", before, err)
					require.Equal(t, left, h.loggingIn(), "before login %d: %v", before, err)
				}
			})
		}
	}
}

// loggingIn tells of each version whether it logs in.
func (h byHand) loggingIn() (which []bool) {
	h.Helper()
	versions := stored(h.T, h.secret.Name).Versions
	for i := range versions {
		which = append(which, logsIn(h.T, credentialOf(h.T, &versions[i])))
	}
	return which
}

// beforeLogin calls before each login that a step tries.
func beforeLogin(call func()) func(*activities.Rotation) {
	return func(r *activities.Rotation) {
		r.Targets = map[string]target.Target{rotation.TargetMySQL: calledTarget{r.Targets[rotation.TargetMySQL], call}}
	}
}

type calledTarget struct {
	target.Target
	beforeLogin func()
}

func (t calledTarget) Probe(ctx context.Context, login target.Login) target.Proof {
	t.beforeLogin()
	return t.Target.Probe(ctx, login)
}
