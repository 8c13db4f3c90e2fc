package model_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/model"
	"rotor/internal/rotation"
)

// full explores a second rotation also where that takes ten times as long.
var full = flag.Bool("full", false, "explore everything, which takes minutes")

func TestProtocolHolds(t *testing.T) {
	tests := map[string]struct {
		options model.Options
		// reached are outcomes that must occur, so that the exploration is known to have got there.
		reached []rotation.Outcome
	}{
		"nothing goes wrong":              {model.Options{Rotations: 2}, []rotation.Outcome{rotation.Rotated}},
		"a crash":                         {model.Options{Rotations: 2, Budget: model.Budget{Crashes: 2}}, []rotation.Outcome{rotation.Rotated}},
		"a lost answer":                   {model.Options{Rotations: 2, Budget: model.Budget{LostAnswers: 2}}, []rotation.Outcome{rotation.Rotated}},
		"a late attempt":                  {model.Options{Rotations: 2, Budget: model.Budget{Late: 1}}, []rotation.Outcome{rotation.Rotated}},
		"a failure":                       {model.Options{Rotations: 2, Budget: model.Budget{Denials: 2}}, []rotation.Outcome{rotation.Rotated, rotation.RolledBack, rotation.Refused}},
		"a failure and a crash":           {model.Options{Rotations: 2, Budget: model.Budget{Denials: 1, Crashes: 1}}, []rotation.Outcome{rotation.RolledBack}},
		"a failure and a late attempt":    {model.Options{Rotations: 2, Budget: model.Budget{Denials: 1, Late: 1}}, []rotation.Outcome{rotation.RolledBack}},
		"a termination":                   {model.Options{Rotations: 2, Budget: model.Budget{Terminations: 1}}, []rotation.Outcome{rotation.Rotated}},
		"a termination and a lost answer": {model.Options{Rotations: 2, Budget: model.Budget{Terminations: 1, LostAnswers: 1}}, []rotation.Outcome{rotation.Rotated}},
	}
	for name, test := range tests {
		for kind, of := range map[string]func(*model.Options){
			"first rotation": func(*model.Options) {},
			"with a partner": func(o *model.Options) { o.Partner = true },
			"single user":    func(o *model.Options) { o.Single = true },
			"two passwords":  func(o *model.Options) { o.DualPassword = true },
			"two passwords, the former one still there": func(o *model.Options) { o.DualPassword, o.Partner = true, true },
			"two passwords, the stage moved back":       func(o *model.Options) { o.DualPassword, o.MovedBack = true, true },
			"two passwords of its own":                  func(o *model.Options) { o.DualPassword, o.Single = true, true },
			"within the grace time":                     func(o *model.Options) { o.Partner, o.Grace = true, true },
			"a store that compares":                     func(o *model.Options) { o.Partner, o.Swaps = true, true },
			"a store that compares, single user":        func(o *model.Options) { o.Single, o.Swaps = true, true },
			"a store that compares, two passwords":      func(o *model.Options) { o.DualPassword, o.Swaps = true, true },
		} {
			if more := strings.HasPrefix(kind, "two passwords,") || strings.HasPrefix(kind, "two passwords of") || strings.HasPrefix(kind, "a store"); more && test.options.Budget.Late+
				test.options.Budget.Terminations+test.options.Budget.LostAnswers > 0 && !*full {
				continue
			}
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				options := test.options
				if options.Budget.Late > 0 && options.Budget.Denials > 0 && !*full {
					options.Rotations = 1
				}
				of(&options)
				begin := time.Now()
				report := model.Explore(options)
				require.Empty(t, report.Violation, strings.Join(report.Events, "\n"))
				for _, outcome := range test.reached {
					require.Contains(t, report.Outcomes, outcome)
				}
				t.Logf("%d states in %s, %v", report.States, time.Since(begin).Round(time.Millisecond), report.Outcomes)
			})
		}
	}
}

// A store that keeps ten versions drops the earliest: never one that carries a stage, because nothing is put then.
func TestTenVersions(t *testing.T) {
	for name, test := range map[string]struct {
		options model.Options
		reached rotation.Outcome
	}{
		"the earliest carry none":              {model.Options{Partner: true, Older: 8}, rotation.Rotated},
		"the earliest carry none, single user": {model.Options{Single: true, Older: 8}, rotation.Rotated},
		"the earliest is the previous one":     {model.Options{Partner: true, Newer: 8}, rotation.Refused},
		"the earliest is the current one":      {model.Options{Newer: 9}, rotation.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.options.Rotations, test.options.Budget = 2, model.Budget{Crashes: 1, LostAnswers: 1}
			report := model.Explore(test.options)
			require.Empty(t, report.Violation, strings.Join(report.Events, "\n"))
			require.Contains(t, report.Outcomes, test.reached)
			t.Logf("%d states, %v", report.States, report.Outcomes)
		})
	}
}

// Whatever somebody else does between two attempts stands until a person decides, and no outcome lies about it.
func TestStrangersAreNotUndone(t *testing.T) {
	for kind, options := range map[string]model.Options{
		"first rotation": {}, "with a partner": {Partner: true}, "single user": {Single: true},
		"two passwords": {DualPassword: true}, "two passwords, the former one still there": {DualPassword: true, Partner: true},
		"two passwords of its own": {DualPassword: true, Single: true},
	} {
		for name, budget := range map[string]model.Budget{
			"nothing else": {}, "a crash": {Crashes: 1}, "a failure": {Denials: 1}, "a lost answer": {LostAnswers: 1},
		} {
			t.Run(kind+", "+name, func(t *testing.T) {
				t.Parallel()
				o := options
				o.Rotations, o.Budget = 1, budget
				o.Budget.Strangers = 1
				report := model.Explore(o)
				require.Empty(t, report.Violation, strings.Join(report.Events, "\n"))
				require.Contains(t, report.Outcomes, model.Parked)
				t.Logf("%d states, %v", report.States, report.Outcomes)
			})
		}
	}
}
