package endtoend

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// A secret of another account is named by its ARN. One of the same name in the worker's own account is left alone.
func TestSecretOfAnotherAccount(t *testing.T) {
	t.Parallel()
	secret := newApsara(t)
	theirs := stack.Cloud.KMS().In("210987654321", devstack.Region)
	shared := stored(t, secret.Name)
	shared.SharedWith = []string{stack.Cloud.Credential().Account}
	theirs.Put(shared)
	replace(t, secret.Name, "another secret, which only has the same name")
	before := stored(t, secret.Name)

	req := rotation.Request{SecretName: theirs.ARN(secret.Name), RegionId: secret.Region, InstanceId: secret.Instance}
	valid, err := req.Validate()
	require.NoError(t, err)
	for _, account := range []string{secret.Account + "_rt", secret.Account} {
		req.Now = account == secret.Account
		run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: valid.WorkflowID(), TaskQueue: queue, WorkflowTaskTimeout: 2 * time.Second},
			rotation.WorkflowType, req)
		require.NoError(t, err)
		result := outcome(t, run)
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
		require.Equal(t, secret.Name, result.Secret, "results say the name")
		now, ok := theirs.Secret(secret.Name)
		require.True(t, ok)
		current := credentialOf(t, now.Holder(alibabakms.Current))
		require.Equal(t, account, current.AccountName)
		require.True(t, logsIn(t, current))
	}
	require.Equal(t, before, stored(t, secret.Name))
}
