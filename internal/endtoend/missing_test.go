package endtoend

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

// A privilege that the admin can't grant is left out where the worker's settings say so, and stands in the result; else it is a refusal.
func TestPrivilegeThatMayBeMissing(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	execute(t, "GRANT EVENT ON `"+secret.Database+"`.* TO '"+secret.Account+"'@'%'")
	before := picture(t, secret)
	result := rotate(t, secret, nil)
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "can't grant EVENT")
	require.Equal(t, before, picture(t, secret))

	taskQueue := serveWith(t, map[string]string{"ROTOR_ALLOW_MISSING": "EVENT"})
	result = outcome(t, start(t, taskQueue, secret, nil))
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	require.Len(t, result.LeftOut, 1)
	require.Contains(t, result.LeftOut[0], "EVENT")
	require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
	require.NotContains(t, strings.Join(grants(t, secret.Account+"_rt"), "\n"), "EVENT")
}
