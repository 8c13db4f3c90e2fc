package chaos

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/mocks"

	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// The audit at the end finds what it is for: each of these is planted in what two good rotations left.
func TestAuditFindsWhatIsPlanted(t *testing.T) {
	dual := trial.Kind{Strategy: rotation.DualAccount}
	single := trial.Kind{Strategy: rotation.SingleUser}
	retires := trial.Kind{Strategy: rotation.DualAccount, Retires: true}
	twoPasswords := trial.Kind{Strategy: rotation.DualPassword}
	for name, test := range map[string]struct {
		kind  trial.Kind
		plant func(*trial.Picture)
		finds string
	}{
		"nothing":                       {dual, func(*trial.Picture) {}, ""},
		"nothing, with one account":     {single, func(p *trial.Picture) { p.Versions[1].LogsIn = false }, ""},
		"readers are locked out":        {dual, func(p *trial.Picture) { p.Versions[2].LogsIn = false }, "the current version does not log in"},
		"no version is current":         {dual, func(p *trial.Picture) { p.Versions[2].Stages = nil }, "the current version does not log in"},
		"no version is previous":        {dual, func(p *trial.Picture) { p.Versions[1].Stages = nil }, "there is no previous version"},
		"cached clients are refused":    {dual, func(p *trial.Picture) { p.Versions[1].LogsIn = false }, "the previous version does not log in"},
		"a former password still works": {single, func(*trial.Picture) {}, "the previous version still logs in"},
		"nothing, retired":              {retires, func(p *trial.Picture) { p.Versions[1].LogsIn = false }, ""},
		"a retired password works":      {retires, func(*trial.Picture) {}, "the previous version still logs in"},
		"nothing, beside a rollback":    {twoPasswords, func(p *trial.Picture) { p.Versions[1].LogsIn = false }, ""},
		"two old passwords work":        {twoPasswords, func(p *trial.Picture) { p.Versions[0].LogsIn = true }, "3 versions log in, not 2"},
		"an old password works again":   {dual, func(p *trial.Picture) { p.Versions[0].LogsIn = true }, "3 versions log in, not 2"},
		"a grant is missing":            {dual, func(p *trial.Picture) { p.Accounts["app"] = nil }, "may not do the same"},
		"a version is lost":             {dual, func(p *trial.Picture) { p.Versions = p.Versions[1:] }, "2 versions, of 2 rotations"},
		"a version too many":            {dual, func(p *trial.Picture) { p.Versions = append(p.Versions, trial.Version{ID: "v3"}) }, "4 versions, of 2 rotations"},
		"a stage is left":               {dual, func(p *trial.Picture) { p.Versions[0].Stages = []string{"ACSPending"} }, "is pending still"},
	} {
		t.Run(name, func(t *testing.T) {
			picture := trial.Picture{
				Versions: []trial.Version{
					{ID: "v0", Account: "app"}, {ID: "v1", Account: "app_rt", Stages: []string{"ACSPrevious"}, LogsIn: true},
					{ID: "v2", Account: "app", Stages: []string{"ACSCurrent"}, LogsIn: true},
				},
				Accounts: map[string][]string{"app": {"SELECT"}, "app_rt": {"SELECT"}},
			}
			test.plant(&picture)
			broken := (&run{}).audit(&subject{kind: test.kind, rotated: 2, started: 2, retired: test.kind.Retires, tookOne: test.kind.Strategy == rotation.DualPassword}, picture)
			if test.finds == "" {
				require.Empty(t, broken)
				return
			}
			require.Contains(t, strings.Join(broken, "\n"), test.finds)
		})
	}
}

// A run in which nothing was done to the rotations proves nothing, and neither does one in which hardly any rotated.
func TestARunWithoutTroubleIsAViolation(t *testing.T) {
	good := func() *run {
		r := &run{trouble: &trouble{counts: map[string]int{killed: 4, restarts[0].name: 2, restarts[1].name: 2}},
			tally: map[string]*tally{"a kind": {outcomes: map[rotation.Outcome]int{rotation.Rotated: 3, rotation.RolledBack: 1}, took: make([]time.Duration, 4)}}}
		r.trouble.broken.Store(1)
		r.retirements.Store(4)
		r.retirementsDone.Store(3)
		return r
	}
	for name, test := range map[string]struct {
		plant func(*run)
		finds string
	}{
		"nothing":                        {func(*run) {}, ""},
		"no worker was killed":           {func(r *run) { delete(r.trouble.counts, killed) }, "there was no worker killed"},
		"the database was not restarted": {func(r *run) { delete(r.trouble.counts, restarts[0].name) }, "there was no database restarted"},
		"Temporal was not restarted":     {func(r *run) { delete(r.trouble.counts, restarts[1].name) }, "there was no Temporal restarted"},
		"no fault was met":               {func(r *run) { r.trouble.broken.Store(0) }, "no request and no statement met a fault"},
		"hardly any rotated":             {func(r *run) { r.tally["a kind"].outcomes[rotation.Rotated] = 2 }, "of 4 rotations only 2 rotated"},
		"hardly anything was retired":    {func(r *run) { r.retirementsDone.Store(2) }, "of 4 former credentials that were to be retired only 2 were"},
	} {
		t.Run(name, func(t *testing.T) {
			r := good()
			test.plant(r)
			r.auditTrouble()
			if test.finds == "" {
				require.Empty(t, r.violated)
				return
			}
			require.Contains(t, strings.Join(r.violated, "\n"), test.finds)
		})
	}
}

// A rotation under another id that rotates by itself, instead of having the canonical run do it, is found by its version.
func TestAVersionIsWrittenByACanonicalRun(t *testing.T) {
	subject := &subject{secret: devstack.Secret{Name: "app", Region: devstack.Region, Store: rotation.StoreAlibabaKMS}}
	temporal := &mocks.Client{}
	temporal.On("DescribeWorkflowExecution", mock.Anything, trial.ID(subject.secret), "canonical").Return(&workflowservice.DescribeWorkflowExecutionResponse{}, nil)
	temporal.On("DescribeWorkflowExecution", mock.Anything, trial.ID(subject.secret), "another").Return(nil, serviceerror.NewNotFound("no such run"))
	r := &run{Bench: &trial.Bench{Temporal: temporal}}
	ended := func(version string) trial.Ended {
		return trial.Ended{Run: "another", Result: rotation.Result{Version: version}}
	}
	run, err := r.canonicalRun(t.Context(), subject, ended("canonical"))
	require.NoError(t, err)
	require.Equal(t, "canonical", run)
	_, err = r.canonicalRun(t.Context(), subject, ended("another"))
	require.ErrorContains(t, err, "was written by no run of")
	_, err = r.canonicalRun(t.Context(), subject, ended(""))
	require.NoError(t, err, "it was refused before it had one")
}
