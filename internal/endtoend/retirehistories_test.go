package endtoend

import (
	"maps"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/rotation"
)

// The histories of what becomes of former credentials, and of rotations with two passwords where the server has those: record them with a
// server of ROTOR_MYSQLD that does.
func TestHistoriesOfFormerCredentials(t *testing.T) {
	t.Parallel()
	later := func(t *testing.T, ask func(*rotation.Request)) client.WorkflowRun {
		secret := newSecret(t)
		require.Equal(t, rotation.Rotated, rotate(t, secret, ask).Outcome)
		run := temporal.GetWorkflow(t.Context(), rotation.RetireWorkflowID(canonicalID(secret)), "")
		require.False(t, retirement(t, secret).Superseded)
		return run
	}
	rotated := func(t *testing.T, ask func(*rotation.Request)) client.WorkflowRun {
		run := start(t, queue, newSecret(t), ask)
		require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
		return run
	}
	cases := map[string]func(*testing.T) client.WorkflowRun{
		"leaked": func(t *testing.T) client.WorkflowRun { return rotated(t, leaked) },
		"rotated-and-later": func(t *testing.T) client.WorkflowRun {
			return rotated(t, func(r *rotation.Request) { r.RetireFormer = "1h" })
		},
		"retired-later": func(t *testing.T) client.WorkflowRun {
			return later(t, func(r *rotation.Request) { r.RetireFormer = "1s" })
		},
		"retired-when-idle": func(t *testing.T) client.WorkflowRun {
			return later(t, func(r *rotation.Request) { r.RetireFormer, r.RetireWhenIdle = "1s", true })
		},
	}
	if twoPasswords() {
		with := func(r *rotation.Request) { r.Strategy = rotation.DualPassword }
		maps.Copy(cases, map[string]func(*testing.T) client.WorkflowRun{
			"dual-password-rotated": func(t *testing.T) client.WorkflowRun { return rotated(t, with) },
			"dual-password-rolled-back": func(t *testing.T) client.WorkflowRun {
				secret := newSecret(t)
				run := start(t, queue, secret, with)
				denyAt(t, secret, run, rotation.StepTest)
				require.Equal(t, rotation.RolledBack, outcome(t, run).Outcome)
				return run
			},
		})
	}
	for name, make := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			history := historyOf(t, make(t))
			require.NotEmpty(t, history.Events)
			if *record {
				write(t, filepath.Join(module(t), "workflows", "testdata", name+".json.gz"), history)
			}
		})
	}
}
