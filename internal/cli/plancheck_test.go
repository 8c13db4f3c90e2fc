package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

// Workers see what nobody else can: a login that fails, two secrets for one account pair, an admin account that an entry of its own rotates.
func TestPlanWithChecks(t *testing.T) {
	t.Parallel()
	fine, locked, twice := newSecret(t), newSecret(t), newSecret(t)
	execSQL(t, "ALTER USER '"+locked.Account+"'@'%' IDENTIFIED BY 'changed-behind-its-back'")
	copied := stored(t, twice)
	copied.Name = twice.Name + "-copy"
	copied.Versions = []alibabakms.Version{copied.Versions[0]}
	stack.Cloud.KMS().In(stack.Cloud.Credential().Account, twice.Region).Put(copied)
	text := "defaults: {region: cn-hangzhou, schedule: {every: 30d}}\nrotations:\n"
	for _, name := range []string{fine.Name, locked.Name, twice.Name, copied.Name, fine.AdminSecret} {
		text += "  - {secret: " + name + "}\n"
	}
	f := run(t, []string{"plan", "-f", "-", "--check"}, withStdin(text))
	require.Equal(t, cli.ExitRefused, f.code, f.stderr)
	require.Contains(t, f.stdout, "! "+locked.Name+"  alibaba-kms cn-hangzhou\n")
	require.Contains(t, f.stdout, "is one that secret "+copied.Name+" of alibaba-kms in cn-hangzhou rotates, too")
	require.Contains(t, f.stdout, "is one that secret "+twice.Name+" of alibaba-kms in cn-hangzhou rotates, too")
	require.Contains(t, f.stdout, "its admin secret "+fine.AdminSecret+" is rotated with one account (single-user)")
	inOrder(t, f.stdout, "Check: 2 fine, 3 not.\n", "Plan: 5 to create, 0 to change, 0 to delete, 0 unchanged.\n")

	var r cli.ApplyReport
	asJSON := run(t, []string{"plan", "-f", "-", "--check", "-o", "json"}, withStdin(text))
	require.NoError(t, json.Unmarshal([]byte(asJSON.stdout), &r), asJSON.stdout)
	require.False(t, r.Check.Fine)
	require.Len(t, r.Check.Checks, 5)
	require.True(t, r.Check.Checks[0].Fine, "a warning alone")
	warned := r.Check.Checks[0].Findings
	require.Equal(t, rotation.WarningAdminRotates, warned[len(warned)-1].Word)
	require.Equal(t, rotation.FindingCurrentLogin, r.Check.Checks[1].Findings[0].Word)
	shared := r.Check.Checks[3].Findings
	require.Equal(t, rotation.FindingShared, shared[len(shared)-1].Word)

	nobody := run(t, []string{"plan", "-f", "-", "--check", "--task-queue", "nobody-polls"}, withStdin(text))
	require.Equal(t, cli.ExitUsage, nobody.code)
	require.Contains(t, nobody.stderr, "no worker polls task queue nobody-polls")
	require.Contains(t, nobody.stdout, "Plan: 5 to create", "the plan needs no worker")

	// A queue without workers does not keep the entries of others from being checked.
	text = "defaults: {region: cn-hangzhou, schedule: {every: 30d}}\nrotations: [{secret: " + fine.Name + "}, {secret: " + locked.Name + ", network: nobody-polls}, {secret: " +
		twice.Name + ", network: nobody-polls-either}]\n"
	part := run(t, []string{"plan", "-f", "-", "--check"}, withStdin(text))
	require.Equal(t, cli.ExitUsage, part.code)
	inOrder(t, part.stdout, "+ ", "? "+locked.Name+"  alibaba-kms cn-hangzhou\n    not checked, on task queue nobody-polls\n",
		"? "+twice.Name+"  alibaba-kms cn-hangzhou\n    not checked, on task queue nobody-polls-either\n",
		"Check: 1 fine, 0 not, 2 not checked.\n", "Plan: 3 to create, 0 to change, 0 to delete, 0 unchanged.\n")
	require.Equal(t, 2, strings.Count(part.stderr, "no worker polls task queue nobody-polls"), part.stderr)
	var unchecked cli.ApplyReport
	asJSON = run(t, []string{"plan", "-f", "-", "--check", "-o", "json"}, withStdin(text))
	require.Equal(t, cli.ExitUsage, asJSON.code)
	require.NoError(t, json.Unmarshal([]byte(asJSON.stdout), &unchecked), asJSON.stdout)
	require.False(t, unchecked.Check.Fine)
	require.Len(t, unchecked.Check.Checks, 1)
	require.Equal(t, cli.UncheckedEntry{Secret: locked.Name, Store: "alibaba-kms", Region: "cn-hangzhou", TaskQueue: "nobody-polls"}, unchecked.Check.Unchecked[0])
	require.Equal(t, 3, unchecked.Created)
}
