package trial_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/canary"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// planted is what stands before somebody who plants a fault after a rotation that went well.
type planted struct {
	*testing.T
	*trial.Trial
	ended *trial.Ended
	// out are the clients that were refused.
	out *[]trial.Lockout
}

// execute runs a statement as the database's own administrator.
func (p planted) execute(statement string) {
	p.Helper()
	_, err := bench.Stack.MySQL.DB().ExecContext(p.Context(), statement)
	require.NoError(p, err)
}

// edit changes the secret at the store.
func (p planted) edit(change func(*alibabakms.Secret)) {
	p.Helper()
	region := bench.Stack.Cloud.KMS().In(bench.Stack.Cloud.Credential().Account, devstack.Region)
	secret, found := region.Secret(p.Secret.Name)
	require.True(p, found)
	change(&secret)
	region.Put(secret)
}

// rolledBack has the outcome be a rollback, and the store as after one, but for the stages that are left on the rotation's version.
func (p planted) rolledBack(left ...string) {
	p.Helper()
	p.ended.Result.Outcome = rotation.RolledBack
	p.edit(func(s *alibabakms.Secret) {
		s.Version(p.ended.Run).Stages = left
		s.Version(p.Outset.Holder(rotation.Current).ID).Stages = []string{alibabakms.Current}
	})
}

func (p planted) password(account, password string) {
	p.Helper()
	p.execute("ALTER USER '" + account + "'@'%' IDENTIFIED BY '" + password + "'")
}

// The audit that every trial ends with finds what it is for: each of these is planted in what a good rotation left.
func TestAuditFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	dual, single := kindOf(t, "kms, dual-account"), kindOf(t, "kms, single-user by its admin")
	for name, test := range map[string]struct {
		kind  trial.Kind
		plant func(planted)
		finds string
	}{
		"nothing":                   {dual, func(planted) {}, ""},
		"nothing, with one account": {single, func(planted) {}, ""},
		"a lost pending version": {dual, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				s.Versions = slices.DeleteFunc(s.Versions, func(v alibabakms.Version) bool { return v.ID == p.ended.Run })
				s.Version(p.Outset.Holder(rotation.Current).ID).Stages = []string{alibabakms.Current}
			})
		}, "0 versions were written"},
		"a second version": {dual, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				second := *s.Holder(alibabakms.Current)
				second.ID, second.Stages = "second", nil
				s.Versions = append(s.Versions, second)
			})
		}, "2 versions were written"},
		"a rollback that lies about the target": {dual, func(p planted) { p.rolledBack() }, "which was rolled back, logs in"},
		"a rollback that lies about the store":  {dual, func(p planted) { p.ended.Result.Outcome = rotation.RolledBack }, "the version from before is not current"},
		"a rollback that leaves its account":    {kindOf(t, "kms, dual-account, first"), func(p planted) { p.ended.Result.Outcome = rotation.RolledBack }, "there are accounts"},
		"a refusal that changed something":      {dual, func(p planted) { p.ended.Result.Outcome = rotation.Refused }, "something has changed"},
		"a promoted account without a grant": {dual, func(p planted) {
			p.execute("REVOKE DELETE ON `" + p.Secret.Database + "`.* FROM '" + p.ended.Result.Account + "'@'%'")
		}, "was promoted, and may not do the same"},
		"a promoted account with a grant too many": {dual, func(p planted) {
			p.execute("GRANT DROP ON `" + p.Secret.Database + "`.* TO '" + p.ended.Result.Account + "'@'%'")
		}, "was promoted, and may not do the same"},
		"a late attempt that sets another password": {dual, func(p planted) { p.password(p.ended.Result.Account, "Late-0815-attempt") }, "the current version does not log in"},
		"a late attempt that takes the password that clients cached": {dual, func(p planted) {
			p.password(p.ended.Result.FormerAccount, "Late-0815-attempt")
		}, "the former credential no longer works"},
		"a late attempt that moves the stage back": {dual, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				s.Version(p.ended.Run).Stages = []string{"ACSPrevious"}
				s.Version(p.Outset.Holder(rotation.Current).ID).Stages = []string{alibabakms.Current}
			})
		}, "is current, the outcome says"},
		"a pending stage that was left": {dual, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				current := s.Holder(alibabakms.Current)
				current.Stages = append(current.Stages, "ACSPending")
			})
		}, "is pending still"},
		"a field of the document that was lost": {dual, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				current := s.Holder(alibabakms.Current)
				current.Data = strings.Replace(current.Data, `"Team":"orders"`, `"Team":""`, 1)
			})
		}, "the document has changed"},
		"an admin that lost a right": {dual, func(p planted) {
			p.execute("REVOKE CREATE USER ON *.* FROM '" + p.Secret.AdminAccount + "'@'%'")
		}, "may do other things than before"},
		"a former password that still works": {single, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				s.Version(p.ended.Run).Data = s.Version(p.Outset.Holder(rotation.Current).ID).Data
			})
			p.password(p.Secret.Account, p.Secret.Password.Reveal())
		}, "the former password still works"},
		"an account that nobody asked for": {single, func(p planted) {
			p.execute("CREATE USER '" + p.Secret.Account + "_rt'@'%' IDENTIFIED BY 'No-0815-body'")
		}, "was made, and is not the one"},
		"an earlier version that is lost": {dual, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				s.Versions = slices.DeleteFunc(s.Versions, func(v alibabakms.Version) bool { return p.Outset.Find(v.ID) != nil && len(v.Stages) == 0 })
			})
		}, "is lost"},
		"an earlier version with another credential": {dual, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				s.Version(p.Outset.Holder(rotation.Current).ID).Data = s.Version(p.ended.Run).Data
			})
		}, "has another credential"},
		"a previous stage that was lost": {dual, func(p planted) {
			p.edit(func(s *alibabakms.Secret) { s.Version(p.Outset.Holder(rotation.Current).ID).Stages = nil })
		}, "the version before is not the previous one"},
		"an account that is lost": {dual, func(p planted) { p.execute("DROP USER '" + p.Secret.AdminAccount + "'@'%'") }, "is lost"},
		"a password that is the former one": {single, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				s.Version(p.ended.Run).Data = s.Version(p.Outset.Holder(rotation.Current).ID).Data
			})
		}, "the password is the one from before"},
		"a rollback that leaves its version pending": {dual, func(p planted) { p.rolledBack("ACSPending") }, "is pending still"},
		"a rollback that leaves the account without its password": {single, func(p planted) {
			p.ended.Result.Outcome = rotation.RolledBack
		}, "no longer logs in"},
		"a rollback of two versions": {dual, func(p planted) {
			p.ended.Result.Outcome = rotation.RolledBack
			p.edit(func(s *alibabakms.Secret) {
				second := *s.Holder(alibabakms.Current)
				second.ID, second.Stages = "second", nil
				s.Versions = append(s.Versions, second)
			})
		}, "2 versions were written"},
		"an account that was not to change": {single, func(p planted) {
			p.edit(func(s *alibabakms.Secret) {
				current := s.Holder(alibabakms.Current)
				current.Data = strings.Replace(current.Data, `"`+p.Secret.Account+`"`, `"`+p.Secret.AdminAccount+`"`, 1)
			})
		}, "the account was "},
		"an outcome that is none":   {dual, func(p planted) { p.ended.Result.Outcome = "Done" }, "is none"},
		"an outcome of another run": {dual, func(p planted) { p.ended.Run = "another" }, "and the run is another"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tr := newTrial(t, test.kind)
			ended, err := bench.RotateOnce(t.Context(), tr.Kind, tr.Secret)
			require.NoError(t, err)
			test.plant(planted{t, tr, &ended, nil})
			after, err := bench.Look(t.Context(), tr.Secret)
			require.NoError(t, err)
			broken := strings.Join(trial.Audit(tr.Kind, tr.Secret, tr.Outset, after, ended), "\n")
			if test.finds == "" {
				require.Empty(t, broken)
				return
			}
			require.Contains(t, broken, test.finds)
		})
	}
}

// So does the audit of a rotation beside which somebody acted.
func TestAuditBesideFindsWhatIsPlanted(t *testing.T) {
	t.Parallel()
	current, pending := []string{alibabakms.Current}, []string{"ACSPending"}
	stagesOf := func(id string, stages []string) func(planted, *trial.Meddling) {
		return func(p planted, m *trial.Meddling) {
			p.edit(func(s *alibabakms.Secret) {
				if id != "" {
					s.Version(m.Version).Stages = nil
				}
				s.Version(p.ended.Run).Stages = stages
			})
		}
	}
	ends := func(as rotation.Outcome) func(planted, *trial.Meddling) {
		return func(p planted, _ *trial.Meddling) { p.ended.Result.Outcome = as }
	}
	for name, test := range map[string]struct {
		who   string
		plant func(planted, *trial.Meddling)
		finds string
	}{
		"nothing, beside a person":          {"a person makes a version current", func(planted, *trial.Meddling) {}, ""},
		"nothing, beside another rotator":   {"another rotator rotates", func(planted, *trial.Meddling) {}, ""},
		"their current version is replaced": {"a person makes a version current", stagesOf("theirs", current), "their version is no longer current"},
		"their pending version is replaced": {"a person puts a version pending", stagesOf("theirs", pending), "their version is no longer pending"},
		"their password is replaced": {"another rotator rotates", func(p planted, m *trial.Meddling) {
			p.password(m.Account, "Over-0815-written")
		}, "their version no longer logs in"},
		"the account that they changed is dropped": {"another rotator rotates", func(p planted, m *trial.Meddling) {
			p.execute("DROP USER '" + m.Account + "'@'%'")
		}, "which they changed, is gone"},
		"their version is lost": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.edit(func(s *alibabakms.Secret) {
				s.Versions = slices.DeleteFunc(s.Versions, func(v alibabakms.Version) bool { return v.ID == m.Version })
			})
		}, "is lost"},
		"a refusal after which something has changed": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.ended.Result.Outcome = rotation.Refused
			p.password(p.ended.Result.FormerAccount, "Re-0815-fused")
		}, "something has changed since"},
		"a rollback that was none": {"a person puts a version pending", ends(rotation.RolledBack), "the version that was rolled back logs in"},
		"a rollback that leaves its version pending": {"a person changes the password", func(p planted, m *trial.Meddling) {
			p.ended.Result.Outcome = rotation.RolledBack
			stagesOf("", pending)(p, m)
		}, "is pending still"},
		"an outcome that is none": {"a person puts a version pending", ends("Done"), "is none"},
		"a version too many": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.edit(func(s *alibabakms.Secret) {
				second := *s.Holder(alibabakms.Current)
				second.ID, second.Stages = "second", nil
				s.Versions = append(s.Versions, second)
			})
		}, "neither theirs nor the rotation's"},
		"readers are locked out": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.password(p.ended.Result.Account, "Locked-0815-out")
		}, "the current version does not log in"},
		"a client is refused once": {"a person changes the password", func(p planted, m *trial.Meddling) {
			*p.out = append(*p.out, trial.Lockout{Account: p.ended.Result.Account, Text: "refused"})
		}, "locked out: refused"},
		"a client of the account that they changed is refused": {"a person changes the password", func(p planted, m *trial.Meddling) {
			*p.out = append(*p.out, trial.Lockout{Account: m.Account, Version: p.Outset.Holder(rotation.Current).ID, Text: "refused"})
		}, ""},
		"a client whose password they had left is refused": {"another rotator puts a version and sets it", func(p planted, m *trial.Meddling) {
			*p.out = append(*p.out, trial.Lockout{Account: m.Account, Version: m.Version, Text: "refused"})
		}, "locked out: refused"},
		"a client is refused by a version that came later": {"a person changes the password", func(p planted, m *trial.Meddling) {
			*p.out = append(*p.out, trial.Lockout{Account: m.Account, Version: "later", Text: "refused"})
		}, "locked out: refused"},
		"the rotation's version is refused": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.password(p.ended.Result.Account, "Re-0815-fused")
		}, "the rotation's version does not log in"},
		"a promoted account without a grant": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.execute("REVOKE DELETE ON `" + p.Secret.Database + "`.* FROM '" + p.ended.Result.Account + "'@'%'")
		}, "was promoted, and may not do the same"},
		"no version is current for a moment": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			*p.out = append(*p.out, trial.Lockout{Text: "no version is current"})
		}, "locked out: no version is current"},
		"a rollback after which readers are locked out": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.ended.Result.Outcome = rotation.RolledBack
			p.password(p.ended.Result.Account, "Locked-0815-out")
		}, "it was rolled back, and the current version does not log in"},
		"a rollback that moves the stage": {"a person puts a version pending", func(p planted, m *trial.Meddling) { p.rolledBack() }, "is current no longer"},
		"a rollback that takes the former password": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.ended.Result.Outcome = rotation.RolledBack
			p.password(p.ended.Result.FormerAccount, "Taken-0815-away")
		}, "no longer logs in"},
		"a rollback that leaves an account": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.ended.Result.Outcome = rotation.RolledBack
			delete(p.Outset.Accounts, p.ended.Result.Account)
		}, "was made, and is left"},
		"a right too many": {"a person puts a version pending", func(p planted, m *trial.Meddling) {
			p.execute("GRANT DROP ON `" + p.Secret.Database + "`.* TO '" + p.Secret.Account + "'@'%'")
		}, "may do other things than before"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := auditBeside(t, test.who, test.plant, trial.Occasion{})
			if test.finds == "" {
				require.Empty(t, broken)
				return
			}
			require.Contains(t, broken, test.finds)
		})
	}
}

// A retirement may overlook nothing that it could see, and only that.
func TestAuditFindsWhatARetirementOverlooks(t *testing.T) {
	t.Parallel()
	looks := trial.Effect{Source: trial.Store, Step: trial.StepRetire, Name: "ListSecretVersionIds"}
	changes := trial.Effect{Source: trial.SQL, Step: trial.StepRetire, Name: "ALTER USER IF EXISTS ?@? IDENTIFIED BY ?"}
	retires := func(p planted, m *trial.Meddling) { p.password(p.ended.Result.FormerAccount, "Re-0815-tired") }
	for name, test := range map[string]struct {
		who   string
		since []trial.Effect
		finds string
	}{
		"it could see their version":                                 {"another rotator puts a version and sets it", []trial.Effect{looks, changes}, "their version no longer logs in"},
		"it could see a version of theirs that they set nothing for": {"a person puts a version pending", []trial.Effect{looks, changes}, "could be seen"},
		"they come when it has looked, and set nothing":              {"a person puts a version pending", []trial.Effect{changes}, ""},
		"they come when it has looked":                               {"another rotator puts a version and sets it", []trial.Effect{changes}, ""},
		"there is no version to be seen":                             {"a person changes the password", []trial.Effect{looks, changes}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			broken := auditBeside(t, test.who, retires, trial.Occasion{Effects: test.since})
			if test.finds == "" {
				require.Empty(t, broken)
				return
			}
			require.Contains(t, broken, test.finds)
		})
	}
}

// auditBeside audits a rotation beside which somebody acted, with a fault that is planted when both have ended.
func auditBeside(t *testing.T, who string, plant func(planted, *trial.Meddling), occasion trial.Occasion) string {
	t.Helper()
	tr := newTrial(t, kindOf(t, "kms, dual-account"))
	ended, err := bench.RotateOnce(t.Context(), tr.Kind, tr.Secret)
	require.NoError(t, err)
	i := slices.IndexFunc(trial.Strangers, func(s trial.Stranger) bool { return s.Name == who })
	require.GreaterOrEqual(t, i, 0)
	done, err := tr.Meddle(t.Context(), trial.Strangers[i])
	require.NoError(t, err)
	out := tr.LockedOut()
	plant(planted{t, tr, &ended, &out}, done)
	after, err := bench.Look(t.Context(), tr.Secret)
	require.NoError(t, err)
	return strings.Join(trial.AuditBeside(tr.Kind, tr.Secret, tr.Outset, done, occasion, after, ended, out), "\n")
}

func kindOf(t *testing.T, name string) trial.Kind {
	t.Helper()
	i := slices.IndexFunc(bench.Kinds(), func(k trial.Kind) bool { return k.Name == name })
	require.GreaterOrEqual(t, i, 0)
	return bench.Kinds()[i]
}

// A client that is locked out for the time of a single call is noticed.
func TestClientsNoticeAMoment(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, kindOf(t, "kms, dual-account"))
	p := planted{T: t, Trial: tr}
	current := tr.Outset.Holder(rotation.Current)
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		switch {
		case e.Name != "PutSecretValue":
		case m == trial.Before:
			p.password(current.Account, "Moment-0815-other")
		default:
			p.password(current.Account, current.Password.Reveal())
		}
		return trial.Pass
	})
	startWorker(t, tr)
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	require.Equal(t, rotation.Rotated, ended.Result.Outcome)
	require.Len(t, tr.LockedOut(), 2, "the one that reads and the one that cached")
	require.Contains(t, tr.LockedOut()[0].Text, "PutSecretValue")
}

// A password in an error is found, in the place that it was planted in and nowhere else. It runs before the trials begin, too.
func TestLeakIsFound(t *testing.T) {
	tr := newTrial(t, kindOf(t, "kms, dual-account"))
	password := tr.Outset.Holder(rotation.Current).Password.Reveal()
	found, _, err := bench.Leaks(t.Context(), canary.Text("an error", "set the password of app: near "+password+" at line 1"))
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "an error", found[0].Source)
}

// A password in the error of a step is found in the history, where the server keeps it, and in the database file.
func TestLeakInAFailureIsFound(t *testing.T) {
	const queue = "leaks"
	password := rotation.NewSecret("In-0815-an-error")
	w := worker.New(bench.Temporal, queue, worker.Options{})
	w.RegisterActivityWithOptions(func(context.Context) error {
		return temporal.NewNonRetryableApplicationError("set the password of app: near '"+password.Reveal()+"' at line 1", "Permanent", nil)
	}, activity.RegisterOptions{Name: "Leak"})
	w.RegisterWorkflowWithOptions(func(ctx workflow.Context) error {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		_ = workflow.ExecuteActivity(ctx, "Leak").Get(ctx, nil) // the history has it, and the outcome has not
		return nil
	}, workflow.RegisterOptions{Name: "Leaks"})
	require.NoError(t, w.Start())
	defer w.Stop()
	run, err := bench.Temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "leaks", TaskQueue: queue}, "Leaks")
	require.NoError(t, err)
	require.NoError(t, run.Get(t.Context(), nil))
	left, _, err := bench.Left(t.Context())
	require.NoError(t, err)
	found, err := canary.Search([]rotation.Secret{password}, left...)
	require.NoError(t, err)
	for _, source := range []string{"history of leaks", "file " + filepath.Base(bench.Stack.Temporal.DatabaseFile)} {
		require.True(t, slices.ContainsFunc(found, func(f canary.Finding) bool { return strings.Contains(f.Source, source) }), "%s is not searched", source)
	}
}

// Accounts that nobody knows, and a bystander that was touched, are found. It runs before the trials begin.
func TestAsideFindsWhatIsPlanted(t *testing.T) {
	execute := func(statement string) {
		t.Helper()
		_, err := bench.Stack.MySQL.DB().ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	finds := func(want ...string) {
		t.Helper()
		broken, err := bench.Aside(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, broken)
	}
	finds()
	execute("CREATE USER 'nobody-s'@'%' IDENTIFIED BY 'No-0815-body'")
	finds("nobody knows whose account nobody-s@% is")
	execute("RENAME USER 'nobody-s'@'%' TO 'nobody-s'@'10.0.0.%', 'bystander'@'%' TO 'nobody-s'@'%'")
	broken, err := bench.Aside(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"the bystander no longer logs in", "nobody knows whose account nobody-s@% is",
		"nobody knows whose account nobody-s@10.0.0.% is", "account bystander@% is gone"}, broken)
	execute("RENAME USER 'nobody-s'@'%' TO 'bystander'@'%'")
	execute("DROP USER 'nobody-s'@'10.0.0.%'")
	finds()
}

// All that a rotation leaves behind is searched: what is known to stand in a place is found there, as a password would be. It runs before the trials
// begin, among which commands could get no answer.
func TestEverythingLeftIsSearched(t *testing.T) {
	tr := newTrial(t, kindOf(t, "kms, dual-account"))
	startWorker(t, tr)
	metered, err := bench.StartWorker(t.Context(), bench.Stack.Temporal.Address, "metered", map[string]string{config.SettingMetrics: "127.1.1.1:9464"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, metered.Kill()) })
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	requireRotated(t, tr, ended)
	left, _, err := bench.Left(t.Context())
	require.NoError(t, err)
	places := []struct{ source, known string }{
		{"history of " + trial.ID(tr.Secret) + ", run " + ended.Run, tr.Secret.AdminSecret},
		{"file " + filepath.Base(bench.Stack.Temporal.DatabaseFile), trial.ID(tr.Secret)},
		{"worker-", ended.Run},
		{".metrics", "rotor_rotations_in_flight"},
		{"starter [list", tr.Secret.Region},
		{"starter [describe", ended.Run},
		{"starter [history", "STARTED   "},
		{"temporal.log", "Metrics: http"},
		{"the cloud's log", ended.Run},
		{"what was shown", ended.Run},
		{"the database server's log", "ready for connections"},
	}
	var known []rotation.Secret
	for _, place := range places {
		known = append(known, rotation.NewSecret(place.known))
	}
	found, err := canary.Search(known, left...)
	require.NoError(t, err)
	for i, place := range places {
		require.True(t, slices.ContainsFunc(found, func(f canary.Finding) bool { return f.Password == i && strings.Contains(f.Source, place.source) }),
			"%s is not searched", place.source)
	}
}
