package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
)

// connecting are lines of all commands that connect to Temporal, right but for what a test adds.
var connecting = []string{
	"rotate x -r y", "rotate -f FILE", "check x -r y", "describe x -r y", "resolve x retry -r y --reason because", "schedule x -r y --every 30d",
	"plan -f FILE", "apply -f FILE", "delete x -r y", "delete -f FILE", "pause x -r y", "resume x -r y", "list", "history x -r y", "setup",
}

// withoutTemporal takes away what the environment says of Temporal.
func withoutTemporal(o *cli.Options) {
	o.Environ = slices.DeleteFunc(o.Environ, func(pair string) bool { return strings.HasPrefix(pair, "TEMPORAL_") })
}

// Every command that connects says in one line what is wrong with where Temporal is, and prints nothing else.
func TestWhereTemporalIsOnEveryCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	profiles, manifest := filepath.Join(dir, "temporal.toml"), manifestFile(t, "rotations: [{secret: x, region: y-1, schedule: {every: 30d}}]\n")
	require.NoError(t, os.WriteFile(profiles, []byte("[profile.else]\naddress = \"127.0.0.1:1\"\n"), 0o600))
	for name, test := range map[string]struct {
		flags []string
		hows  []how
		says  string
	}{
		"--address":                         {[]string{"--address", "127.0.0.1:1"}, nil, "127.0.0.1:1"},
		"--namespace":                       {[]string{"--namespace", "nix"}, nil, "namespace nix"},
		"--config-file and --profile":       {[]string{"--config-file", profiles, "--profile", "else"}, []how{withoutTemporal}, "127.0.0.1:1"},
		"--config-file that is not there":   {[]string{"--config-file", "/nowhere.toml", "--profile", "else"}, nil, "profile else"},
		"--payload-keys that are not there": {[]string{"--payload-keys", "/nowhere.keys"}, nil, "/nowhere.keys"},
		"--workflow-task-timeout":           {[]string{"--workflow-task-timeout", "3m"}, nil, "1s to 2m"},
		"--task-queue of an empty name":     {[]string{"--task-queue", ""}, []how{withEnv("TEMPORAL_ADDRESS=127.0.0.1:1")}, "127.0.0.1:1"},
	} {
		for _, line := range connecting {
			t.Run(name+"/"+line, func(t *testing.T) {
				t.Parallel()
				f := run(t, append(strings.Fields(strings.ReplaceAll(line, "FILE", manifest)), test.flags...), test.hows...)
				require.Equal(t, cli.ExitUsage, f.code, f.stderr)
				require.Empty(t, f.stdout)
				oneLine(t, f.stderr)
				require.Contains(t, f.stderr, test.says)
			})
		}
	}
}

// --store and --region mean the same on every command, and an ARN does as well as a name.
func TestStoreAndRegionOnEveryCommand(t *testing.T) {
	t.Parallel()
	secret, err := stack.AddAWSPair(t.Context(), fmt.Sprintf("cli%d", secretNumber.Add(1)))
	require.NoError(t, err)
	arn := stack.Cloud.SecretsManager().In(stack.Cloud.Credential().Account, secret.Region).ARN(secret.Name)
	manifest := manifestFile(t, "rotations:\n  - {secret: "+secret.Name+", store: "+secret.Store+", region: "+secret.Region+", schedule: {every: 30d}}\n"+
		"  - {secret: "+secret.Name+"x, region: r-1, schedule: {every: 30d}}\n")
	about := secret.Name + "  aws-secrets-manager eu-central-1"
	for _, step := range []struct {
		line string
		code int
		says string
	}{
		{"plan -f FILE -s aws-secrets-manager", cli.ExitOK, "+ " + about + "  every 30d\nPlan: 1 to create, "},
		{"plan -f FILE --region r-1", cli.ExitOK, "Plan: 1 to create, "},
		{"plan -f FILE --region r-2 --store s-1", cli.ExitRefused, "no entry has store s-1, region r-2"},
		{"apply -f FILE -r eu-central-1 --store aws-secrets-manager", cli.ExitOK, "Applied: 1 created, "},
		{"check NAME --region eu-central-1 --store aws-secrets-manager", cli.ExitOK, secret.Name + " of aws-secrets-manager in eu-central-1: fine"},
		{"check ARN -s aws-secrets-manager", cli.ExitOK, secret.Name + " of aws-secrets-manager in eu-central-1: fine"},
		{"rotate ARN -s aws-secrets-manager", cli.ExitOK, "Rotated: "},
		{"describe NAME --region eu-central-1 --store aws-secrets-manager", cli.ExitOK, "store aws-secrets-manager, region eu-central-1"},
		{"describe ARN -s aws-secrets-manager", cli.ExitOK, "schedule  every 30d"},
		{"history NAME --region eu-central-1 --store aws-secrets-manager", cli.ExitOK, "Rotated"},
		{"history ARN -s aws-secrets-manager", cli.ExitOK, "Rotated"},
		{"resolve ARN retry -s aws-secrets-manager --reason because", cli.ExitRefused, secret.Name},
		{"resolve NAME retry --region eu-central-1 --store aws-secrets-manager --reason because", cli.ExitRefused, secret.Name},
		{"list --region eu-central-1 --store aws-secrets-manager", cli.ExitOK, secret.Name + " "},
		{"schedule NAME --region eu-central-1 --store aws-secrets-manager --every 31d", cli.ExitOK, "changed: every 31d"},
		{"pause NAME --region eu-central-1 --store aws-secrets-manager", cli.ExitOK, about + "  paused\n"},
		{"resume ARN -s aws-secrets-manager", cli.ExitOK, about + "  resumed\n"},
		{"delete ARN -s aws-secrets-manager", cli.ExitOK, about + "  deleted\n"},
		{"delete NAME --region eu-central-1 --store aws-secrets-manager", cli.ExitRefused, "it has no schedule"},
		{"pause ARN -s aws-secrets-manager -r us-east-1", cli.ExitUsage, "the ARN in SecretName says eu-central-1"},
		{"rotate ARN", cli.ExitRefused, "wanted: aws-secrets-manager, or a named store"},
	} {
		line := strings.Fields(strings.NewReplacer("NAME", secret.Name, "ARN", arn, "FILE", manifest).Replace(step.line))
		if line[0] == "list" || line[0] == "history" { // they follow a moment later
			eventually(t, 2*time.Minute, step.line, func() bool {
				f := run(t, line)
				return f.code == step.code && strings.Contains(f.stdout+f.stderr, step.says)
			})
			continue
		}
		f := run(t, line)
		require.Equal(t, step.code, f.code, "%s: %s", step.line, f.stdout+f.stderr)
		require.Contains(t, f.stdout+f.stderr, step.says, step.line)
	}
	require.NotContains(t, run(t, []string{"list", "-r", "eu-central-1", "-s", "alibaba-kms"}).stdout, secret.Name+" ")
}

// pause, resume and delete work on sets, and tell in every form what became of each.
func TestSeveralSchedules(t *testing.T) {
	t.Parallel()
	manifest := manifestFile(t, `defaults: {region: r-7, schedule: {every: 30d}}
rotations:
  - {secret: several/a, labels: {team: a}}
  - {secret: several/b, labels: {team: b}}
  - {secret: several/c, labels: {team: b}}
`)
	require.Zero(t, run(t, []string{"apply", "-f", manifest}).code)
	require.Equal(t, "several/b  alibaba-kms r-7  paused\nseveral/c  alibaba-kms r-7  paused\n2 schedules paused, 0 without a schedule, 0 failed.\n",
		run(t, []string{"pause", "-f", manifest, "--label", "team=b", "--reason", "freeze"}).stdout)
	d := here().schedule(t, "rotor/alibaba-kms/r-7/several/b")
	require.True(t, d.Schedule.State.Paused)
	require.Contains(t, d.Schedule.State.Note, "paused by ada@"+hostname(t)+": freeze")
	require.False(t, here().schedule(t, "rotor/alibaba-kms/r-7/several/a").Schedule.State.Paused)

	var done []cli.DoneReport
	resumed := run(t, []string{"resume", "-f", manifest, "-l", "team=b", "--reason", "thaw", "-o", "json"})
	require.NoError(t, json.Unmarshal([]byte(resumed.stdout), &done), resumed.stdout)
	require.Equal(t, []cli.DoneReport{{Secret: "several/b", Store: "alibaba-kms", Region: "r-7", Done: "resumed"}, {Secret: "several/c", Store: "alibaba-kms", Region: "r-7", Done: "resumed"}}, done)
	require.False(t, here().schedule(t, "rotor/alibaba-kms/r-7/several/b").Schedule.State.Paused)

	asYAML := run(t, []string{"pause", "several/a", "several/none", "-r", "r-7", "--output", "yaml"})
	require.Equal(t, cli.ExitRefused, asYAML.code, "one has no schedule")
	require.Empty(t, asYAML.stderr)
	done = nil
	asJSON, err := yaml.YAMLToJSON([]byte(asYAML.stdout))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(asJSON, &done), asYAML.stdout)
	require.Equal(t, "paused", done[0].Done)
	require.Equal(t, "it has no schedule", done[1].Error)

	deleted := run(t, []string{"delete", "-f", manifest, "-o", "json"})
	require.Zero(t, deleted.code, deleted.stderr)
	require.NoError(t, json.Unmarshal([]byte(deleted.stdout), &done), deleted.stdout)
	require.Len(t, done, 3)
	for _, id := range []string{"a", "b", "c"} {
		_, err := temporal.ScheduleClient().GetHandle(t.Context(), "rotor/alibaba-kms/r-7/several/"+id).Describe(t.Context())
		require.Error(t, err)
	}
	require.Zero(t, run(t, []string{"delete", "-f", manifest}).code, "they are gone, as was asked for")
	require.Equal(t, cli.ExitRefused, run(t, []string{"resume", "-f", manifest}).code)
}
