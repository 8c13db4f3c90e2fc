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
	for rule, test := range map[model.Rule]struct {
		with   model.Options
		breaks string
	}{
		model.TakesLock:            {model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}}, "RolledBack: the standby account does not have its former password"},
		model.KillsHolder:          {model.Options{Partner: true, Budget: model.Budget{Crashes: 1}}, "tried for ever"},
		model.LooksUnderLock:       {model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}}, "RolledBack: the standby account does not have its former password"},
		model.LocksTwice:           {model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}}, "RolledBack: the standby account does not have its former password"},
		model.LooksOnce:            {model.Options{Budget: model.Budget{Denials: 1, Crashes: 1}}, "RolledBack: the account that it created is there"},
		model.KnowsSetStarted:      {model.Options{Partner: true, Budget: model.Budget{Denials: 1}}, "RolledBack: the standby account does not have its former password"},
		model.KnowsSetNotStarted:   {model.Options{Partner: true, Budget: model.Budget{Denials: 1}}, "ends: parked"},
		model.GoesForward:          {model.Options{Single: true, Budget: model.Budget{Denials: 1}}, "readers: the current version does not log in"},
		model.NamesBase:            {model.Options{Partner: true, Swaps: true, Budget: model.Budget{Intruders: 1}}, "writes a version that becomes current, and it was undone"},
		model.WaitsOutAttempts:     {model.Options{Partner: true, NoSessions: true, Rotations: 2, Budget: model.Budget{Terminations: 1}}, "readers: the current version does not log in"},
		model.WaitsOutMove:         {model.Options{Partner: true, Rotations: 2, Budget: model.Budget{Late: 1}}, "Rotated: another version is current"},
		model.Adopts:               {model.Options{Single: true, Rotations: 2, Budget: model.Budget{Terminations: 1}}, "readers: the current version does not log in"},
		model.OneID:                {model.Options{Budget: model.Budget{LostAnswers: 1}}, "ends: RolledBack"},
		model.ProvesByLogin:        {model.Options{Single: true, Budget: model.Budget{Strangers: 1, Denials: 1}}, "Rotated: its version does not log in"},
		model.SeesWhoseAccount:     {model.Options{Partner: true, Budget: model.Budget{Strangers: 1}}, "changes the standby account's password, and it was undone"},
		model.OnlyForwardAfterEnd:  {model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}}, "readers: the current version does not log in"},
		model.LeavesRoom:           {model.Options{Partner: true, Newer: 8}, "which carries a stage, was pushed out"},
		model.KeepsGrace:           {model.Options{Partner: true, Grace: true, Rotations: 2}, "readers: the version that was current within the grace time does not log in"},
		model.SeesWhoseStandby:     {model.Options{Foreign: true}, "ends: parked"},
		model.SeesSecondPassword:   {model.Options{DualPassword: true, Foreign: true}, "somebody else's password was taken"},
		model.KeepsWhatItPut:       {model.Options{Budget: model.Budget{LostAnswers: 1}}, "ends: RolledBack"},
		model.LevelsAgain:          {model.Options{Budget: model.Budget{Crashes: 1}}, "ends: RolledBack"},
		model.TestsAgain:           {model.Options{Partner: true, Budget: model.Budget{Strangers: 1}}, "readers: the current version does not log in"},
		model.SparesPending:        {model.Options{Partner: true, Retires: true, Rotations: 2}, "readers: the current version does not log in"},
		model.ComparesPrivileges:   {model.Options{Partner: true, Budget: model.Budget{Strangers: 1}}, "Rotated: an account was promoted that is not the equal"},
		model.LogsInBeforeRetiring: {model.Options{DualPassword: true, Retires: true, Rotations: 2, Budget: model.Budget{Strangers: 1}}, "changes the current account's password, and it was undone"},
		model.SeesSuperseded:       {model.Options{Partner: true, Retires: true, Rotations: 2}, "readers: the current version does not log in"},
		model.UnknownIsNoRefusal:   {model.Options{Single: true, Budget: model.Budget{Denials: 2}}, "readers: the current version does not log in"},
		model.ProvesBeforeDrop:     {model.Options{Budget: model.Budget{Strangers: 1, Denials: 1}}, "creates the standby account, and it was undone"},
		model.SeesItsMove:          {model.Options{Partner: true, Budget: model.Budget{LostAnswers: 1}}, "ends: parked"},
		model.SeesPending:          {model.Options{Partner: true, Budget: model.Budget{Denials: 1, Late: 1}}, "RolledBack: the standby account does not have its former password"},
		model.SeesBase:             {model.Options{Partner: true, Budget: model.Budget{Strangers: 1, Denials: 1}}, "RolledBack: the base version is not current"},
	} {
		t.Run(string(rule), func(t *testing.T) {
			t.Parallel()
			with := test.with
			with.Rotations = max(with.Rotations, 1)
			report := model.Explore(with)
			require.Empty(t, report.Violation, strings.Join(report.Events, "\n"))
			without := with
			without.Off = rule
			broken := model.Explore(without)
			// Where nothing breaks, it ends in a way in which it need not have ended.
			if broken.Violation == "" {
				for outcome := range broken.Outcomes {
					if report.Outcomes[outcome] == 0 {
						broken.Violation += "ends: " + string(outcome)
					}
				}
			}
			require.Contains(t, broken.Violation, test.breaks, "%d states", broken.States)
			t.Log(strings.Join(broken.Events, "\n"))
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
