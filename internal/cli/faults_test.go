package cli_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
)

// hold holds the next call of an action on a secret, for less than the store's patience of 10 s.
func hold(t *testing.T, action, secret string) *cloudsim.Injected {
	t.Helper()
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, API: cloudsim.AlibabaKMS, Action: action, Resource: secret})
	t.Cleanup(held.Remove)
	return held
}

// faultKMS lets so many calls of an action on a secret fail.
func faultKMS(t *testing.T, action, secret string, times int) {
	t.Helper()
	fault := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, API: cloudsim.AlibabaKMS, Action: action, Resource: secret, Times: times})
	t.Cleanup(fault.Remove)
}

// breakAfterNew takes the admin's right to make accounts away whenever New has written a version, so that Set fails for good.
func breakAfterNew(t *testing.T, secret devstack.Secret) (stop func()) {
	t.Helper()
	remove := stack.Cloud.After(func(r cloudsim.Request) {
		if r.Action == "PutSecretValue" && r.Resource == secret.Name && r.Applied {
			execSQL(t, fmt.Sprintf("REVOKE CREATE USER ON *.* FROM '%s'@'%%'", secret.AdminAccount))
			require.NoError(t, stack.MySQL.EndSessions(t.Context(), secret.AdminAccount))
		}
	})
	t.Cleanup(remove)
	return remove
}

// repair gives the right back.
func repair(t *testing.T, secret devstack.Secret) {
	t.Helper()
	execSQL(t, fmt.Sprintf("GRANT CREATE USER ON *.* TO '%s'@'%%'", secret.AdminAccount))
}

// conflictAtEnd lets somebody else move the current stage right before End moves it, to a version that End does not expect.
func conflictAtEnd(t *testing.T, secret devstack.Secret) {
	t.Helper()
	done := false
	remove := stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if r.Action == "UpdateSecretVersionStage" && r.Resource == secret.Name && !done {
			done = true
			region := stack.Cloud.KMS().In(stack.Cloud.Credential().Account, secret.Region)
			s, ok := region.Secret(secret.Name)
			require.True(t, ok)
			// A version that nobody knows of becomes current.
			intruder := *s.Holder("ACSCurrent")
			intruder.ID, intruder.Stages = "intruder", []string{"ACSCurrent"}
			for i := range s.Versions {
				s.Versions[i].Stages = without(s.Versions[i].Stages, "ACSCurrent")
			}
			s.Versions = append(s.Versions, intruder)
			region.Put(s)
			return cloudsim.Drop
		}
		return cloudsim.Apply
	})
	t.Cleanup(remove)
}

func without(stages []string, stage string) (rest []string) {
	for _, s := range stages {
		if s != stage {
			rest = append(rest, s)
		}
	}
	return rest
}

// reached waits until a fault has hit its request.
func reached(t *testing.T, held *cloudsim.Injected) {
	t.Helper()
	select {
	case <-held.Reached():
	case <-time.After(2 * time.Minute):
		t.Fatal("no request came to be held")
	}
}
