package model_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/model"
	"rotor/internal/rotation"
)

// Each rule of the protocol is needed: without it the exploration finds a course of events that breaks something; with it, in the same
// circumstances, it finds none.
func TestRulesAreNeeded(t *testing.T) {
	for rule, with := range map[model.Rule]model.Options{
		model.TakesLock:           model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}},
		model.KillsHolder:         model.Options{Partner: true, Budget: model.Budget{Crashes: 1}},
		model.LooksUnderLock:      model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}},
		model.LocksTwice:          model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}},
		model.LooksOnce:           model.Options{Budget: model.Budget{Denials: 1, Crashes: 1}},
		model.KnowsSetStarted:     model.Options{Partner: true, Budget: model.Budget{Denials: 1}},
		model.KnowsSetNotStarted:  model.Options{Partner: true, Budget: model.Budget{Denials: 1}},
		model.GoesForward:         model.Options{Single: true, Budget: model.Budget{Denials: 1}},
		model.NamesBase:           model.Options{Partner: true, Swaps: true, Budget: model.Budget{Intruders: 1}},
		model.WaitsOutAttempts:    model.Options{Partner: true, NoSessions: true, Rotations: 2, Budget: model.Budget{Terminations: 1}},
		model.WaitsOutMove:        model.Options{Partner: true, Rotations: 2, Budget: model.Budget{Late: 1}},
		model.Adopts:              model.Options{Single: true, Rotations: 2, Budget: model.Budget{Terminations: 1}},
		model.OneID:               model.Options{Budget: model.Budget{LostAnswers: 1}},
		model.ProvesByLogin:       model.Options{Single: true, Budget: model.Budget{Strangers: 1, Denials: 1}},
		model.SeesWhoseAccount:    model.Options{Partner: true, Budget: model.Budget{Strangers: 1}},
		model.OnlyForwardAfterEnd: model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}},
		model.ComparesPrivileges:  model.Options{Partner: true, Budget: model.Budget{Strangers: 1}},
	} {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			with.Rotations = max(with.Rotations, 1)
			report := model.Explore(with)
			require.Empty(t, report.Violation, strings.Join(report.Events, "\n"))
			without := with
			without.Off = rule
			broken := model.Explore(without)
			if broken.Violation != "" {
				t.Logf("without it: %s\n%s", broken.Violation, strings.Join(broken.Events, "\n"))
				return
			}
			// Else it ends in a way in which it need not have ended.
			for outcome := range report.Outcomes {
				delete(broken.Outcomes, outcome)
			}
			require.NotEmpty(t, broken.Outcomes, "%d states, and nothing broke", broken.States)
			t.Logf("without it: %v", broken.Outcomes)
		})
	}
}

// A person may decide anything at a parked rotation: no outcome lies, and nobody is locked out.
func TestDecisions(t *testing.T) {
	for kind, options := range map[string]model.Options{
		"first rotation": {}, "with a partner": {Partner: true}, "single user": {Single: true}, "a store that compares": {Partner: true, Swaps: true},
		"two passwords": {DualPassword: true}, "two passwords, the former one still there": {DualPassword: true, Partner: true},
	} {
		for name, budget := range map[string]model.Budget{
			"after somebody else": {Strangers: 1}, "after a failure": {Denials: 2}, "and a crash": {Strangers: 1, Crashes: 1},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				o := options
				o.Rotations, o.Budget = 1, budget
				o.Budget.Decisions = 2
				report := model.Explore(o)
				require.Empty(t, report.Violation, strings.Join(report.Events, "\n"))
				if budget.Strangers > 0 {
					require.Contains(t, report.Outcomes, rotation.Abandoned)
				}
				t.Logf("%d states, %v", report.States, report.Outcomes)
			})
		}
	}
}
