package trial_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/trial"
)

// A version that can't be read for a moment is not one whose password was refused: the rotation looks again, and takes its own earlier change
// for nobody else's.
func TestUnreadableVersionIsNotARefusedLogin(t *testing.T) {
	t.Parallel()
	tr := newTrial(t, kindOf(t, "kms, dual-account"))
	var set atomic.Bool
	var reads atomic.Int64
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		// The password is changed, and the answer is lost.
		if e.Source == trial.SQL && e.Step == "Set" && e.Changes() && m == trial.After && !set.Swap(true) {
			return trial.Drop
		}
		return trial.Pass
	})
	denied := bench.Stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: tr.Secret.Name, Action: "GetSecretValue", If: func(r cloudsim.Request) bool {
		// The next attempt reads its version, and reads it again where it sees whose the account is.
		version := r.Params["VersionId"]
		return set.Load() && version != "" && tr.Outset.Find(version) == nil && reads.Add(1) == 2
	}})
	defer denied.Remove()
	startWorker(t, tr)
	rotateThrough(t, tr)
	require.Equal(t, 1, denied.Hits())
}
