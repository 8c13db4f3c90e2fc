package cli_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"rotor/internal/cli"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// tag has a secret bear a tag in its store.
func tag(t *testing.T, s devstack.Secret, key, value string) {
	t.Helper()
	account := stack.Cloud.Credential().Account
	if s.Store == rotation.StoreAWS {
		region := stack.Cloud.SecretsManager().In(account, s.Region)
		kept, ok := region.Secret(s.Name)
		require.True(t, ok)
		kept.Tags = map[string]string{key: value}
		region.Put(kept)
		return
	}
	kept := stored(t, s)
	kept.Tags = map[string]string{key: value}
	stack.Cloud.KMS().In(account, s.Region).Put(kept)
}

// A fleet of what bears a tag in the store has exactly that, and what bears one that only begins like it is left alone.
func TestFleetOfTags(t *testing.T) {
	t.Parallel()
	for store, add := range map[string]func(*testing.T) devstack.Secret{
		rotation.StoreAlibabaKMS: newSecret,
		rotation.StoreAWS: func(t *testing.T) devstack.Secret {
			t.Helper()
			s, err := stack.AddAWSPair(t.Context(), fmt.Sprintf("cli%d", secretNumber.Add(1)))
			require.NoError(t, err)
			return s
		},
	} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			name := fleetNamed()
			first, other, second := add(t), add(t), add(t)
			tag(t, first, "team", name)
			tag(t, second, "team", name)
			tag(t, other, "team", name+"-other")
			line := []string{"fleet", "start", "--store", store, "--region", first.Region, "--tag", "team=" + name, "--name", name, "--canary", "1"}
			f := start(t, line).waitAtMost(fleetPatience)
			require.Zero(t, f.code, f.stdout+f.stderr)
			inOrder(t, f.stdout, "Fleet "+name+" rotates 2 secrets, 1 of them first.\n", "2 of 2 secrets are done (2 Rotated).")
			r := reportOf(t, name)
			require.Equal(t, map[string]string{first.Name: "Rotated", second.Name: "Rotated"}, outcomes(r.Secrets))
			require.Equal(t, store, r.Secrets[0].Store)
		})
	}
}

func TestFleetOfTagsThatCannotBe(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		line string
		code int
		says string
	}{
		"no equals sign":      {"--region cn-hangzhou --tag team", cli.ExitUsage, `--tag: "team" is no tag: wanted: KEY=VALUE, like team=orders, of letters, digits, spaces and _.:/=+@-`},
		"negated":             {"--region cn-hangzhou --tag team=!orders", cli.ExitUsage, `--tag: "team=!orders" is no tag`},
		"twice":               {"--region cn-hangzhou --tag team=a --tag team=b", cli.ExitUsage, "--tag: tag team is given twice"},
		"no region":           {"--tag team=orders", cli.ExitUsage, "--region is missing"},
		"and a manifest":      {"-f - --region cn-hangzhou --tag team=orders", cli.ExitUsage, "--file goes with a manifest, and --tag chooses in the store itself; give one of them"},
		"and a label":         {"--label team=orders --region cn-hangzhou --tag team=orders", cli.ExitUsage, "--label goes with a manifest"},
		"a wrong canary":      {"--region cn-hangzhou --tag team=orders --canary some", cli.ExitUsage, "--canary some: wanted: a number, or a part like 2%"},
		"nobody bears it":     {"--region cn-hangzhou --tag team=nobody-at-all", cli.ExitRefused, "no secret of store alibaba-kms in cn-hangzhou bears team=nobody-at-all"},
		"no such store":       {"--store mine --region cn-hangzhou --tag team=orders", cli.ExitRefused, `this worker has no store "mine"; it has: alibaba-kms, aws-secrets-manager`},
		"nobody polls":        {"--task-queue nobody-polls-for-tags --region cn-hangzhou --tag team=orders", cli.ExitUsage, "no worker polls task queue nobody-polls-for-tags, so nothing was listed"},
		"neither of them all": {"", cli.ExitUsage, "--file is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet := fleetNamed()
			f := run(t, append([]string{"fleet", "start", "--name", fleet}, strings.Fields(tc.line)...))
			require.Equal(t, tc.code, f.code, f.stdout+f.stderr)
			oneLine(t, f.stderr)
			require.Contains(t, f.stderr, tc.says)
			started, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Namespace: stack.Temporal.Namespace, Query: "WorkflowId STARTS_WITH 'fleet/" + fleet + "'"})
			require.NoError(t, err)
			require.Empty(t, started.Executions)
		})
	}
}
