package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"

	"rotor/internal/canary"
	"rotor/internal/cli"
	"rotor/internal/rotation"
)

func (f finished) checks(t *testing.T) (r cli.CheckReport) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(f.stdout))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&r), f.stdout+f.stderr)
	require.False(t, d.More(), f.stdout)
	return r
}

func TestCheck(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("check", secret))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	require.Empty(t, f.stderr)
	inOrder(t, f.stdout,
		secret.Name+" of alibaba-kms in cn-hangzhou: fine (1 warning)\n",
		"  ok       secret: version "+secret.Version+" is current, 1 version of 10\n",
		"  ok       document: account "+secret.Account+" at ", ", admin secret "+secret.AdminSecret+", strategy dual-account\n",
		"  ok       login: the current version logs in as "+secret.Account+", TLS none: the server offers no TLS\n",
		"  ok       server: ", "takes changes\n",
		"  ok       admin: \""+secret.AdminAccount+"\" logs in, ",
		"  ok       password: the new one will have 32 characters",
		"  warning  tls-none: ", "           do: switch TLS on",
		"  A rotation would make these changes (NEW-VERSION is the id of the version that it writes):\n",
		"    new  alibaba-kms: PutSecretValue SecretData=*** ", "VersionId=NEW-VERSION",
		"    set  ", "CREATE USER", "`"+secret.Account+"_rt`@`%`", "'***'",
		"    set  ", "GRANT ", " ON `"+secret.Database+"`.* TO `"+secret.Account+"_rt`@`%`\n",
		"    end  alibaba-kms: UpdateSecretVersionStage MoveToVersion=NEW-VERSION",
		"    end  alibaba-kms: UpdateSecretVersionStage RemoveFromVersion=NEW-VERSION",
	)
	require.NotContains(t, f.stdout, "\x1b")
	leaks, err := canary.Search([]rotation.Secret{secret.Password, secret.AdminPassword}, canary.Text("output", f.stdout))
	require.NoError(t, err)
	require.Empty(t, leaks)
	require.Len(t, stored(t, secret).Versions, 1)

	coloured := run(t, words("check", secret), onTerminal)
	require.Contains(t, coloured.stdout, "\x1b[32mfine\x1b[0m")
}

// Many secrets at once: each has its place, and one that is not fine makes the exit code.
func TestCheckManySecrets(t *testing.T) {
	t.Parallel()
	fine, rotated := newSecret(t), newSecret(t)
	require.Equal(t, cli.ExitOK, run(t, words("rotate", rotated)).code)
	line := []string{"check", fine.Name, rotated.Name, "no-such-secret", "a b", fine.Name, "--region", fine.Region}
	f := run(t, line)
	require.Equal(t, cli.ExitRefused, f.code, f.stderr)
	inOrder(t, f.stdout,
		fine.Name+" of alibaba-kms in cn-hangzhou: fine",
		"\n\n"+rotated.Name+" of alibaba-kms in cn-hangzhou: a rotation would be Refused (1 problem, 1 warning)\n",
		"  problem  grace: ", "           do: wait ",
		"\n\nno-such-secret of alibaba-kms in cn-hangzhou: a rotation would be Refused (1 problem)\n",
		"  problem  secret-unreadable: ", "  What a rotation would change can be told when the problems are mended.\n",
		"\na b of ", "  problem  request: SecretName: ",
		"\n\n"+fine.Name+" of ", "\n\n5 secrets: 2 fine, 3 not.\n")

	r := run(t, append(line, "--output", "json"))
	require.Equal(t, cli.ExitRefused, r.code)
	report := r.checks(t)
	require.False(t, report.Fine)
	require.Len(t, report.Checks, 5)
	for i, word := range []string{"", rotation.FindingGrace, rotation.FindingSecret, rotation.FindingRequest, ""} {
		one := report.Checks[i]
		require.Equal(t, word == "", one.Fine)
		require.Equal(t, word != rotation.FindingRequest, strings.HasPrefix(one.WorkflowID, "check/"))
		require.Equal(t, word != "", slices.ContainsFunc(one.Findings, func(f rotation.Finding) bool {
			return f.Severity == rotation.Problem && f.Word == word && f.Text != "" && f.Do != ""
		}))
	}
	require.Equal(t, secretChanges(report.Checks[0]), secretChanges(report.Checks[4]))

	// The grace time does not count with --now, as in a rotation.
	require.Equal(t, cli.ExitOK, run(t, words("check", rotated, "--now", "-o", "json")).code)
	require.True(t, run(t, words("check", rotated, "--grace", "0s", "-o", "json")).checks(t).Fine)
}

func secretChanges(one cli.SecretCheck) (lines []string) {
	for _, c := range one.Changes {
		lines = append(lines, c.Text)
	}
	return lines
}

func TestCheckOfAPayload(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	file := filepath.Join(t.TempDir(), "request.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"SecretName": "`+secret.Name+`", "RegionId": "cn-hangzhou", "Strategy": "single-user"}`), 0o600))
	report := run(t, []string{"check", "--payload", file, "-o", "json"}).checks(t)
	require.True(t, report.Fine)
	require.Equal(t, rotation.SingleUser, report.Checks[0].Strategy)
	wrong := run(t, []string{"check", "--payload", "-"}, withStdin(`{"SecretName": "a", "RegionId": "b", "Speed": 7}`), withEnv("TEMPORAL_ADDRESS=127.0.0.1:1"))
	require.Equal(t, cli.ExitRefused, wrong.code)
	inOrder(t, wrong.stdout, "problem  request: Speed: unknown field")
}

func TestCheckUsage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		line []string
		says string
	}{
		"no secret":           {[]string{"check", "--region", "cn-hangzhou"}, "SECRET is missing"},
		"no region":           {[]string{"check", "a"}, "--region is missing"},
		"payload and secrets": {[]string{"check", "a", "b", "--payload", "x.json"}, "one SECRET at most"},
		"no Temporal":         {[]string{"check", "a", "-r", "b", "--address", "127.0.0.1:1"}, "no answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := run(t, test.line)
			require.Equal(t, cli.ExitUsage, f.code, f.stdout)
			require.Empty(t, f.stdout)
			require.Contains(t, f.stderr, test.says)
			oneLine(t, f.stderr)
		})
	}
}

// Where no worker polls, that is said soon, and no check is left to begin later.
func TestCheckWithoutAWorker(t *testing.T) {
	t.Parallel()
	const deserted = "deserted-checks"
	f := run(t, []string{"check", "one", "two", "--region", "cn-hangzhou", "--task-queue", deserted})
	require.Equal(t, cli.ExitUsage, f.code, f.stdout)
	require.Empty(t, f.stdout)
	oneLine(t, f.stderr)
	require.Contains(t, f.stderr, "no worker polls task queue "+deserted+", so nothing was checked; start one: worker --task-queue "+deserted)
	eventually(t, 2*time.Minute, "no check is open", func() bool {
		list, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: "WorkflowType = '" + rotation.CheckWorkflowType + "' AND TaskQueue = '" + deserted + "'"})
		if err != nil || len(list.Executions) != 2 {
			return false
		}
		return !slices.ContainsFunc(list.Executions, isRunning)
	})
}

// Ctrl-C leaves nothing behind.
func TestCheckInterrupted(t *testing.T) {
	t.Parallel()
	r := start(t, []string{"check", "one", "--region", "cn-hangzhou", "--task-queue", "deserted-interrupt"})
	r.interrupt()
	f := r.wait()
	require.Equal(t, cli.ExitInterrupted, f.code, f.stdout+f.stderr)
	oneLine(t, f.stderr)
}

func isRunning(w *workflow.WorkflowExecutionInfo) bool {
	return w.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
}
