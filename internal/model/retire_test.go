package model_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/model"
	"rotor/internal/rotation"
)

// A credential may be retired at any time after its grace, whatever the next rotation does meanwhile: the current version logs in all the same.
func TestRetirementsHold(t *testing.T) {
	for kind, options := range map[string]model.Options{
		"two accounts": {Partner: true}, "two passwords": {DualPassword: true}, "two passwords of its own": {DualPassword: true, Single: true},
	} {
		for name, budget := range map[string]model.Budget{"nothing goes wrong": {}, "a crash": {Crashes: 1}, "a failure": {Denials: 1}} {
			if budget.Crashes > 0 && !*full {
				continue
			}
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				o := options
				o.Retires, o.Rotations, o.Budget = true, 2, budget
				report := model.Explore(o)
				require.Empty(t, report.Violation, strings.Join(report.Events, "\n"))
				require.Contains(t, report.Outcomes, rotation.Rotated)
				t.Logf("%d states, %v", report.States, report.Outcomes)
			})
		}
	}
}

// Without the lock, or where it is not looked again under it, a late discard takes the password that clients have read meanwhile.
func TestALateDiscardNeedsTheLock(t *testing.T) {
	for name, options := range map[string]model.Options{
		"two accounts":                         {Partner: true, Off: model.TakesLock},
		"two accounts, no look under the lock": {Partner: true, Off: model.LooksUnderLock},
		"two passwords":                        {DualPassword: true, Off: model.TakesLock},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options.Retires, options.Rotations = true, 2
			report := model.Explore(options)
			require.Contains(t, report.Violation, "readers: the current version does not log in")
			t.Log(strings.Join(report.Events, "\n"))
		})
	}
}
