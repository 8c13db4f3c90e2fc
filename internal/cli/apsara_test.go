package cli_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/cloudsim/apsarards"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// The payload of the recipe's flow for ApsaraDB RDS goes as it is. Where the worker can't reach the server, the output says that nobody
// logged in.
func TestRotateThroughTheRDSAPI(t *testing.T) {
	t.Parallel()
	secret, err := stack.AddKMSApsaraPair(t.Context(), fmt.Sprintf("cliapsara%d", secretNumber.Add(1)))
	require.NoError(t, err)
	payload := fmt.Sprintf("{\n  \"SecretName\": %q,\n  \"RegionId\": %q,\n  \"InstanceId\":%q\n}", secret.Name, secret.Region, secret.Instance)
	f := run(t, []string{"rotate", "--payload", "-"}, withStdin(payload))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "  test ", "logged in as "+secret.Account+"_rt\n", "Rotated: ", "account "+secret.Account+"_rt (before: "+secret.Account+")", "proof: logged in as")

	s := stored(t, secret)
	for i := range s.Versions {
		var document map[string]any
		require.NoError(t, json.Unmarshal([]byte(s.Versions[i].Data), &document))
		delete(document, "Endpoint")
		delete(document, "Port")
		text, err := json.Marshal(document)
		require.NoError(t, err)
		s.Versions[i].Data = string(text)
	}
	account := stack.Cloud.Credential().Account
	stack.Cloud.KMS().In(account, devstack.Region).Put(s)
	require.True(t, stack.Cloud.ApsaraRDS().In(account, devstack.Region).Change(secret.Instance, func(i *apsarards.Instance) { i.Port = 1 }))
	f = run(t, words("rotate", secret, "--instance", secret.Instance, "--now"))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "account "+secret.Account+"_rt at instance "+secret.Instance,
		"  test ", "the cloud's API says that account "+secret.Account+" is available; nobody logged in\n",
		"Rotated: ", "account "+secret.Account+" (before: "+secret.Account+"_rt)",
		"proof: api; nobody logged in", "account "+secret.Account+" at instance "+secret.Instance+" is available\n")
	require.NotContains(t, f.stdout, "logged in as")

	f = run(t, words("describe", secret, "--output", "json"))
	require.Equal(t, cli.ExitOK, f.code, f.stderr)
	require.Equal(t, rotation.ProofAPI, f.report(t).Result.Proof)
	s = stored(t, secret)
	require.Contains(t, s.Holder(alibabakms.Current).Data, `"`+secret.Account+`"`)
}
