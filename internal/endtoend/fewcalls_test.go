package endtoend

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// cost is what a rotation costs in which nothing happens.
type cost struct {
	// Calls of the store, of which some Write.
	Calls, Write int
	// Logins of the account that is current, the one that is next (the same with a single account), and the admin.
	Current, Next, Admin int
}

// The numbers are exact. Each call and each login more is one more for every rotation.
func TestFewCalls(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ usual, express cost }{
		"KMS, the first rotation of a pair": {cost{24, 3, 2, 3, 4}, cost{10, 3, 1, 2, 1}},
		"KMS, a pair":                       {cost{26, 3, 2, 5, 4}, cost{11, 3, 1, 4, 1}},
		"KMS, a single account":             {cost{21, 3, 7, 0, 0}, cost{9, 3, 5, 0, 0}},
		"AWS, a pair":                       {cost{30, 2, 2, 3, 4}, cost{11, 2, 1, 2, 1}},
		awsPairBefore:                       {cost{32, 2, 2, 5, 4}, cost{12, 2, 1, 4, 1}},
		"AWS, a single account":             {cost{25, 2, 7, 0, 0}, cost{7, 2, 5, 0, 0}},
	} {
		for way, wanted := range map[string]cost{queue: test.usual, expressQueue: test.express} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				require.Equal(t, wanted, costOf(t, way, rotatable(name)))
			})
		}
	}
}

const awsPairBefore = "AWS, a pair that was rotated before"

// rotatable makes secrets of a kind: of those that are interrupted, or of one more.
func rotatable(kind string) func(*testing.T) devstack.Secret {
	if kind != awsPairBefore {
		return interrupted[kind]
	}
	return func(t *testing.T) devstack.Secret {
		secret := newAWSPair(t)
		byHand{t, secret, ""}.rotate()
		return secret
	}
}

// costOf rotates secrets until a rotation was undisturbed, and counts what that took.
func costOf(t *testing.T, taskQueue string, prepare func(*testing.T) devstack.Secret) (c cost) {
	t.Helper()
	secret, result, r, calls := unhindered(t, taskQueue, prepare)
	for _, call := range calls {
		c.Calls++
		if writes(call) {
			c.Write++
		}
	}
	c.Current, c.Admin = r.logged(result.FormerAccount), r.logged(secret.AdminAccount)
	if result.Account != result.FormerAccount {
		c.Next = r.logged(result.Account)
	}
	return c
}

// callsOf counts the calls of the store by their actions.
func callsOf(t *testing.T, taskQueue string, prepare func(*testing.T) devstack.Secret) map[string]int {
	t.Helper()
	counts := map[string]int{}
	_, _, _, calls := unhindered(t, taskQueue, prepare)
	for _, call := range calls {
		counts[call.Action]++
	}
	return counts
}

// unhindered rotates secrets until a rotation was undisturbed, and gives it with the relay that it logged in by and its calls of the store.
func unhindered(t *testing.T, taskQueue string, prepare func(*testing.T) devstack.Secret) (devstack.Secret, rotation.Result, *relay, []cloudsim.Request) {
	t.Helper()
	for range 10 {
		secret, r := prepare(t), newRelay(t)
		lead(t, secret, r)
		leadPast(t, secret, r)
		begun := lastRequest()
		run := start(t, taskQueue, secret, nil)
		result := outcome(t, run)
		require.Equal(t, rotation.Rotated, result.Outcome)
		if tried := attemptsOf(historyOf(t, run)); taskQueue == expressQueue && tried != [2]int{1, 4} || taskQueue == queue && tried != [2]int{5, 0} {
			t.Logf("%v attempts", tried)
			continue
		}
		return secret, result, r, requestsOf(secret, begun)
	}
	t.Fatal("none of ten rotations was undisturbed")
	return devstack.Secret{}, rotation.Result{}, nil, nil
}

// leadPast makes the previous version lead to the relay, too: a pair that was rotated before is looked at with it.
func leadPast(t *testing.T, secret devstack.Secret, r *relay) {
	t.Helper()
	if secret.Store == rotation.StoreAWS {
		awsChange(t, secret.Name, func(s *awssecretsmanager.Secret) {
			for i := range s.Versions {
				s.Versions[i].String = strings.Replace(s.Versions[i].String, `"host":"`+stack.MySQL.Host+`"`, `"host":"`+r.host+`"`, 1)
			}
		})
		return
	}
	s := stored(t, secret.Name)
	for i := range s.Versions {
		s.Versions[i].Data = strings.Replace(s.Versions[i].Data, `"Endpoint":"`+stack.MySQL.Host+`"`, `"Endpoint":"`+r.host+`"`, 1)
	}
	kms().Put(s)
}

// attemptsOf counts the attempts of activities, and the local ones.
func attemptsOf(history *historypb.History) (n [2]int) {
	for _, e := range history.Events {
		n[0] += int(e.GetActivityTaskStartedEventAttributes().GetAttempt())
	}
	_, local := activitiesOf(history)
	n[1] = len(local)
	return n
}

// logged counts the logins of an account.
func (r *relay) logged(account string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.accounts {
		if a == account {
			n++
		}
	}
	return n
}
