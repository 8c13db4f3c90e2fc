package endtoend

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// theirs is the id of the version that somebody else writes.
const theirs = "70000000-0000-4000-8000-000000000000"

// giveStage lets somebody else put a stage on a version, which is written with the current value if there is none; "" takes it off.
func giveStage(t *testing.T, secret devstack.Secret, stage rotation.Stage, id string) {
	t.Helper()
	off := func(stages []string, name string) []string {
		return slices.DeleteFunc(slices.Clone(stages), func(s string) bool { return s == name })
	}
	if secret.Store == rotation.StoreAWS {
		name := map[rotation.Stage]string{rotation.Current: awssecretsmanager.Current, rotation.Pending: awssecretsmanager.Pending}[stage]
		awsChange(t, secret.Name, func(s *awssecretsmanager.Secret) {
			if id != "" && s.Version(id) == nil {
				s.Versions = append(s.Versions, awssecretsmanager.Version{ID: id, String: s.Holder(awssecretsmanager.Current).String, Created: time.Now()})
			}
			for i := range s.Versions {
				s.Versions[i].Stages = off(s.Versions[i].Stages, name)
			}
			if id != "" {
				s.Version(id).Stages = append(s.Version(id).Stages, name)
			}
		})
		return
	}
	name := map[rotation.Stage]string{rotation.Current: alibabakms.Current, rotation.Pending: "ACSPending"}[stage]
	s := stored(t, secret.Name)
	if id != "" {
		s.Versions = append(s.Versions, alibabakms.Version{ID: id, Data: s.Holder(alibabakms.Current).Data, Created: time.Now()})
	}
	for i := range s.Versions {
		s.Versions[i].Stages = off(s.Versions[i].Stages, name)
		if s.Versions[i].ID == id {
			s.Versions[i].Stages = append(s.Versions[i].Stages, name)
		}
	}
	kms().Put(s)
}

// scheduleDeletion lets somebody else delete the secret, as far as that goes at once.
func scheduleDeletion(t *testing.T, secret devstack.Secret) {
	t.Helper()
	if secret.Store == rotation.StoreAWS {
		awsChange(t, secret.Name, func(s *awssecretsmanager.Secret) { s.Deletion = time.Now().Add(time.Hour) })
		return
	}
	s := stored(t, secret.Name)
	s.PlannedDelete = time.Now().Add(time.Hour)
	kms().Put(s)
}

// forward makes the steps from New on, and goes back to Set where a test finds differences, as the workflow does.
func (h byHand) forward(plan rotation.Plan) error {
	h.Helper()
	steps := h.attempt()
	if _, err := steps.New(h.Context(), activities.StepInput{Plan: plan}); err != nil {
		return err
	}
	for range 3 {
		if _, err := steps.Set(h.Context(), activities.StepInput{Plan: plan}); err != nil {
			return err
		}
		ended, err := steps.End(h.Context(), activities.EndInput{Plan: plan})
		if err != nil || len(ended.Differences) == 0 {
			return err
		}
	}
	return nil
}

// Whatever somebody else does between two steps is seen before the change that would destroy it, and a rollback leaves it alone, too.
func TestConflicts(t *testing.T) {
	t.Parallel()
	const beforeNew, beforeSet, beforeEnd = "before New", "before Set", "before End"
	kinds := map[string]func(*testing.T) byHand{
		"AWS, a pair": func(t *testing.T) byHand {
			h := byHand{t, newAWSPair(t), ""}
			h.rotate()
			return h
		},
		"AWS, a single account that changes itself": func(t *testing.T) byHand { return byHand{t, newAWSSingleUser(t), ""} },
	}
	for name, prepare := range lateSecrets {
		kinds["KMS, "+name] = prepare
	}
	strangers := map[string]struct {
		does func(byHand, rotation.Plan)
		at   []string
		// on says of which rotations it can happen; nil: of all.
		on func(rotation.Plan) bool
		// goesOn: a single account's rotation that has changed the password does not stop.
		goesOn bool
	}{
		"another version is made current": {func(h byHand, _ rotation.Plan) { giveStage(h.T, h.secret, rotation.Current, theirs) },
			[]string{beforeNew, beforeSet, beforeEnd}, nil, false},
		"another version is made pending": {func(h byHand, _ rotation.Plan) { giveStage(h.T, h.secret, rotation.Pending, theirs) },
			[]string{beforeNew, beforeSet, beforeEnd}, nil, true},
		"the pending stage is taken off": {func(h byHand, _ rotation.Plan) { giveStage(h.T, h.secret, rotation.Pending, "") },
			[]string{beforeSet, beforeEnd}, nil, true},
		"the secret is deleted": {func(h byHand, _ rotation.Plan) { scheduleDeletion(h.T, h.secret) }, []string{beforeNew, beforeSet, beforeEnd}, nil, false},
		"the account's password is changed": {func(h byHand, p rotation.Plan) { execute(h.T, passwordStatement(p.Next(), "Theirs-0815_x")) },
			[]string{beforeSet, beforeEnd}, func(p rotation.Plan) bool { return p.Standby == "" || p.StandbyExists }, false},
		"the standby account is dropped": {func(h byHand, p rotation.Plan) { execute(h.T, "DROP USER '"+p.Standby+"'@'%'") },
			[]string{beforeSet, beforeEnd}, func(p rotation.Plan) bool { return p.StandbyExists }, false},
		"the standby account is created": {func(h byHand, p rotation.Plan) {
			execute(h.T, "CREATE USER '"+p.Standby+"'@'%' IDENTIFIED BY 'Theirs-0815_x'")
		}, []string{beforeSet}, func(p rotation.Plan) bool { return p.Standby != "" && !p.StandbyExists }, false},
	}
	for kind, prepare := range kinds {
		for what, stranger := range strangers {
			for _, at := range stranger.at {
				t.Run(kind+", "+what+" "+at, func(t *testing.T) {
					t.Parallel()
					h := prepare(t)
					steps := h.attempt()
					plan, err := steps.Look(t.Context(), activities.LookInput{Request: h.request(), Version: newVersion()})
					require.NoError(t, err)
					if stranger.on != nil && !stranger.on(plan) {
						return
					}
					if at != beforeNew {
						_, err := steps.New(t.Context(), activities.StepInput{Plan: plan})
						require.NoError(t, err)
					}
					if at == beforeEnd {
						h.set(plan)
					}
					stranger.does(h, plan)
					before := picture(t, h.secret)

					err = h.forward(plan)
					if plan.Strategy == rotation.SingleUser && at == beforeEnd && stranger.goesOn {
						require.NoError(t, err)
						require.Equal(t, plan.Version, currentVersion(t, h.secret))
						require.True(t, logsIn(t, currentCredential(t, h.secret)))
						return
					}
					require.Equal(t, rotation.Conflict, rotation.KindOf(err), "%v", err)
					require.ErrorContains(t, err, "somebody")
					require.Equal(t, before, picture(t, h.secret))

					_, err = steps.Rollback(t.Context(), activities.RollbackInput{Plan: plan, SetStarted: at == beforeEnd})
					require.True(t, err == nil || rotation.KindOf(err) == rotation.Conflict, "%v", err)
					require.Equal(t, withoutPending(before, plan.Version), withoutPending(picture(t, h.secret), plan.Version), "only its own stage is taken off")
				})
			}
		}
	}
}

// withoutPending is a picture in which a version carries no stage.
func withoutPending(picture, version string) string {
	for _, stage := range []string{awssecretsmanager.Pending, "ACSPending"} {
		picture = strings.ReplaceAll(picture, version+" ["+stage+"]", version+" []")
	}
	return picture
}
