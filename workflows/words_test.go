package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"rotor/activities"
	"rotor/internal/rotation"
)

// doing collects what the rotation says at a moment.
func (s *stage) doing(t *testing.T, after time.Duration) *rotation.Status {
	status := &rotation.Status{}
	s.RegisterDelayedCallback(func() { *status = s.status(t) }, after)
	return status
}

// A rotation that passed its test says that it goes forward only, when the next try is, and what that means for clients.
func TestWordsWhileAStepDoesNotSucceed(t *testing.T) {
	failingEnd := func(n int, _ activities.EndInput) (activities.EndResult, error) {
		if n < 20 {
			return activities.EndResult{}, permanent
		}
		return activities.EndResult{}, nil
	}
	single := func(int) (rotation.Plan, error) {
		p := plan("v1")
		p.Strategy, p.Standby = rotation.SingleUser, ""
		return p, nil
	}
	for name, test := range map[string]struct {
		script script
		says   []string
	}{
		"set": {script{set: always(retryable)}, []string{"**Step set does not succeed.** Busy (1040).", "It is tried again after ", ", and given up at ", "Then it is rolled back."}},
		"look": {script{look: func(int) (rotation.Plan, error) { return rotation.Plan{}, retryable }},
			[]string{"**Step look does not succeed.**", "Nothing was changed so far, and then the rotation is refused."}},
		"end": {script{end: failingEnd}, []string{"**Step end does not succeed.** Not allowed (1227).", "It is tried again after ", ", and so on until it succeeds.",
			"The test has passed, so the rotation only goes forward.", "Clients are not affected: orders and orders_rt both log in."}},
		"end of a single account": {script{look: single, end: failingEnd}, []string{"the rotation only goes forward", "the current version does not log in", "locked out"}},
		"rollback": {script{set: always(permanent), rollback: func(int, activities.RollbackInput) (activities.RollbackResult, error) {
			return activities.RollbackResult{}, retryable
		}}, []string{"**Step rollback does not succeed.**", "Then a person has to decide."}},
		"rollback of a single account": {script{look: single, set: always(permanent), rollback: func(n int, _ activities.RollbackInput) (activities.RollbackResult, error) {
			if n < 20 {
				return activities.RollbackResult{}, permanent
			}
			return activities.RollbackResult{}, nil
		}}, []string{"**Step rollback does not succeed.**", "and so on until it succeeds", "clients may be locked out"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, test.script)
			said := ""
			for at := time.Second; at < 5*time.Minute; at += time.Second {
				s.RegisterDelayedCallback(func() {
					if status := s.status(t); status.State == rotation.StateWaiting && said == "" {
						said = status.Doing
					}
				}, at)
			}
			s.decide(100*time.Hour, rotation.UpdateAbandon, "enough")
			s.run()
			require.True(t, s.IsWorkflowCompleted())
			for _, words := range test.says {
				require.Contains(t, said, words)
			}
		})
	}
}

// Whatever parked a rotation, its details say what happened, how store, target, logins and clients are, and what each decision would do.
func TestWordsOfAParkedRotation(t *testing.T) {
	conflictAtEnd := func(int, activities.EndInput) (activities.EndResult, error) { return activities.EndResult{}, conflict }
	accepted := func(account, version string) rotation.LoginState {
		return rotation.LoginState{Account: account, Version: version}
	}
	for name, test := range map[string]struct {
		script script
		park   bool
		cancel bool
		plan   func(*rotation.Plan)
		found  rotation.Situation
		says   []string
		silent []string
	}{
		"a conflict in set": {
			script: script{set: always(conflict)},
			found: rotation.Situation{Current: "v0", Pending: "v1", Written: true, Logins: []rotation.LoginState{
				accepted("orders", "v0"), {Account: "orders_rt", Refused: []string{"v1"}}}},
			says: []string{"met a conflict in step **set**: somebody else was here.", "Nothing is undone beside somebody else",
				"version `v0` is current, as when the rotation began; this rotation's version `v1` is pending", "creating account `orders_rt`",
				"**Login** `orders`: takes the password of version `v0`, which was current when the rotation began",
				"**Login** `orders_rt`: takes the password of none of the versions that were tried (`v1`), or does not exist",
				"**Clients**: the current version logs in, as `orders`", "Find out who else changes this secret or these accounts",
				"- `retry`: go on from what there is", "- `rollback`: drop account `orders_rt` if this rotation created it", "- `abandon`: give up"},
		},
		"a conflict in end: another version is current": {
			script: script{end: conflictAtEnd},
			found:  rotation.Situation{Current: "v9", Written: true, Logins: []rotation.LoginState{{Account: "orders", Refused: []string{"v9"}, Version: "v0"}, accepted("orders_rt", "v1")}},
			says: []string{"has passed its test and only goes forward. Step **end** met a conflict", "version `v9` is current, which is neither",
				"`v1` is there and carries no pending stage", "the current version does **not** log in as `orders`; version `v0` does",
				"Clients that read the secret now are locked out", "Find out who made version `v9` current", "make `v0` current again"},
			silent: []string{"`rollback`"},
		},
		"a conflict in end: the secret was deleted": {
			script: script{end: conflictAtEnd},
			found:  rotation.Situation{Unseen: "secret orders/db was deleted"},
			says: []string{"it could not be looked at: secret orders/db was deleted", "Version `v0` was current when the rotation began; the one that it writes is `v1`",
				"**Logins** of `orders` and `orders_rt`: not looked at", "whether the current version logs in could not be seen"},
		},
		"a conflict at the very end: the move was made": {
			script: script{end: conflictAtEnd},
			found:  rotation.Situation{Current: "v1", Written: true, Logins: []rotation.LoginState{accepted("orders", "v0"), {Account: "orders_rt", Unknown: "no answer"}}},
			says:   []string{"version `v1`, which this rotation wrote, is current", "**Login** `orders_rt`: could not be tried: no answer", "could not be seen"},
		},
		"asked to park": {
			script: script{set: always(permanent)}, park: true,
			plan:  func(p *rotation.Plan) { p.StandbyExists, p.Restore = true, "v-1" },
			found: rotation.Situation{Current: "v0", Pending: "v1", Written: true, Logins: []rotation.LoginState{accepted("orders", "v0"), accepted("orders_rt", "v-1")}},
			says: []string{"failed in step **set**: not allowed (1227)", "asked to park (OnFailure: park)", "changing the password and the privileges of account `orders_rt`, and left `orders` alone",
				"**Login** `orders_rt`: takes the password of version `v-1`, which it had when the rotation began", "Look at the reason first",
				"give account `orders_rt` the password of version `v-1` back"},
		},
		"a rollback that can't be proven": {
			script: unprovable(99),
			plan:   func(p *rotation.Plan) { p.StandbyExists = true },
			found:  rotation.Situation{Current: "v0", Pending: "v7", Logins: []rotation.LoginState{accepted("orders", "v0"), {Account: "orders_rt", ByAPI: true}}},
			says: []string{"failed in step **set**: not allowed (1227)", "could not be proven: somebody else was here", "version `v1` is not there",
				"version `v7` is pending, which is not this rotation's", "`retry` writes it again, with another password", "the cloud's API says that the account is there",
				"random password that is kept nowhere"},
		},
		"a rollback that took the pending stage off and got no further": {
			script: unprovable(99),
			found:  rotation.Situation{Current: "v0", Written: true, Logins: []rotation.LoginState{accepted("orders", "v0"), {Account: "orders_rt", Refused: []string{"v1"}}}},
			says: []string{"could not be proven: somebody else was here", "`v1` is there and carries no pending stage", "let `rollback` finish it",
				"- `retry`: does not help: the pending stage is off", "- `rollback`: drop account `orders_rt`"},
			silent: []string{"Find out who else", "go on from what there is"},
		},
		"a cancel whose rollback can't be proven": {
			script: script{set: always(retryable), rollback: unprovable(99).rollback}, cancel: true,
			found: rotation.Situation{Current: "v0", Pending: "v1", Written: true},
			says:  []string{"was cancelled. It was to be rolled back, and that the rollback worked could not be proven: somebody else was here"},
		},
		"a single account": {
			script: script{set: always(permanent), rollback: unprovable(99).rollback},
			plan:   func(p *rotation.Plan) { p.Strategy, p.Standby = rotation.SingleUser, "" },
			found:  rotation.Situation{Current: "v0", Pending: "v1", Written: true, Logins: []rotation.LoginState{{Account: "orders", Refused: []string{"v0", "v1"}}}},
			says: []string{"changing the password of account `orders`", "takes the password of none of the versions that were tried (`v0`, `v1`)",
				"the current version does **not** log in as `orders`. Clients that read the secret now are locked out", "there is no way back without locking clients out"},
			silent: []string{"or does not exist"},
		},
		"nobody could look": {
			script: script{set: always(conflict), inspect: func(activities.InspectInput) (rotation.Situation, error) { return rotation.Situation{}, permanent }},
			says:   []string{"it could not be looked at: no worker could look at it in time"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if test.script.inspect == nil {
				test.script.inspect = func(activities.InspectInput) (rotation.Situation, error) { return test.found, nil }
			}
			change := test.plan
			if change == nil {
				change = func(*rotation.Plan) {}
			}
			if test.script.look == nil {
				test.script.look = func(int) (rotation.Plan, error) {
					p := plan("v1")
					change(&p)
					return p, nil
				}
			}
			s := newStage(t, test.script)
			status := s.doing(t, 100*time.Hour)
			if test.cancel {
				s.RegisterDelayedCallback(s.CancelWorkflow, 5*time.Second)
			}
			s.decide(101*time.Hour, rotation.UpdateAbandon, "enough")
			asked := request
			if test.park {
				asked.OnFailure = rotation.OnFailurePark
			}
			s.ExecuteWorkflow(rotation.WorkflowType, asked)
			require.Equal(t, rotation.Abandoned, s.outcome(t).Outcome)
			require.Equal(t, rotation.StateParked, status.State)
			for _, words := range append(test.says, "## Parked: a person has to decide", "**Store** `alibaba-kms`", "**Target** `mysql` at `db:3306`", "**Login", "**Clients**", "starter resolve") {
				require.Contains(t, status.Doing, words)
			}
			for _, words := range test.silent {
				require.NotContains(t, status.Doing, words)
			}
			for _, choice := range status.Decisions {
				require.Contains(t, status.Doing, "- `"+choice+"`: "+status.Means[choice])
			}
			require.NotContains(t, strings.ReplaceAll(status.Doing, "\n\n", ""), "``", "no empty name")
		})
	}
}

func TestEveryDecisionIsInTheResult(t *testing.T) {
	s := newStage(t, unprovable(99))
	s.decide(time.Hour, rotation.UpdateRollback, "try")
	s.decide(2*time.Hour, rotation.UpdateAbandon, "no use")
	s.run()
	result := s.outcome(t)
	require.Equal(t, "no use", result.Decision.Reason)
	require.Contains(t, result.Notes, "an earlier decision: rollback by ann (try)")
}

// An End that was not begun, because its database was busy, has moved nothing: the way back stays open.
func TestAnEndThatWasNotBegunMovesNothing(t *testing.T) {
	busy := &rotation.Error{Kind: rotation.Retryable, Text: "all slots are taken", Untried: true}
	s := newStage(t, script{
		end: func(n int, _ activities.EndInput) (activities.EndResult, error) {
			if n == 1 {
				return activities.EndResult{}, busy
			}
			return activities.EndResult{Differences: []string{"a privilege"}}, nil
		},
	})
	s.run()
	result := s.outcome(t)
	require.Equal(t, rotation.RolledBack, result.Outcome)
	require.Contains(t, result.Reason.Text, "a privilege")
}

func TestCancelledBeforeAnyChange(t *testing.T) {
	s := newStage(t, script{look: func(int) (rotation.Plan, error) { return rotation.Plan{}, retryable }})
	s.RegisterDelayedCallback(s.CancelWorkflow, 5*time.Second)
	s.run()
	require.True(t, temporal.IsCanceledError(s.GetWorkflowError()))
	result := s.outcome(t)
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "cancelled")
}
