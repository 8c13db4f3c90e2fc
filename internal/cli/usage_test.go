package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/devstack"
)

func TestWrongCommandLines(t *testing.T) {
	t.Parallel()
	big := filepath.Join(t.TempDir(), "big.json")
	require.NoError(t, os.WriteFile(big, []byte(strings.Repeat(" ", 70_000)), 0o600))
	for name, test := range map[string]struct {
		line string
		hows []how
		says []string
		// inStdout is in the output, for commands that say there what is wrong; the others print nothing.
		inStdout string
	}{
		"unknown command":              {line: "frobnicate", says: []string{`unknown command "frobnicate"`, "available: apply, check, completion, delete, demo, describe, dev, fleet, history, list, pause, plan"}},
		"command with a slip":          {line: "rotat", says: []string{`unknown command "rotat"; did you mean rotate?`}},
		"unknown flag":                 {line: "rotate x --frobnicate", says: []string{"unknown flag --frobnicate", "rotate --help"}},
		"flag with a slip":             {line: "rotate x --regoin y", says: []string{"unknown flag --regoin; did you mean --region?"}},
		"unknown short flag":           {line: "rotate x -q", says: []string{"unknown flag -q"}},
		"flag without its value":       {line: "rotate x --region", says: []string{"--region", "rotate --help"}},
		"no secret":                    {line: "rotate", says: []string{"SECRET is missing"}},
		"two secrets":                  {line: "rotate x y -r z", says: []string{"one SECRET at a time"}},
		"no region":                    {line: "rotate x", says: []string{"--region is missing", "cn-hangzhou"}},
		"output of another kind":       {line: "rotate x -r y --output xml", says: []string{`"xml"`, "available: text, table, json, yaml"}},
		"if-running of another kind":   {line: "rotate x -r y --if-running kill", says: []string{"available: follow, wait, fail"}},
		"contradiction":                {line: "rotate x -r y --no-wait --if-running wait", says: []string{"contradict"}},
		"number that is none":          {line: "rotate x -r y --password-length many", says: []string{"--password-length"}},
		"payload that is not there":    {line: "rotate --payload /nowhere.json", says: []string{"--payload /nowhere.json: no such file"}},
		"payload that is no request":   {line: "rotate --payload " + big, says: []string{"longer than"}},
		"payload and another secret":   {line: "rotate x --payload -", hows: []how{withStdin(`{"SecretName":"y","RegionId":"z"}`)}, says: []string{"secret y", "x; give one"}},
		"no Temporal":                  {line: "rotate x -r y --address 127.0.0.1:1", says: []string{"127.0.0.1:1", "TEMPORAL_ADDRESS", "starter dev"}},
		"Temporal's address as a URL":  {line: "rotate x -r y --address http://127.0.0.1:7233", says: []string{"host:port"}},
		"no such namespace":            {line: "rotate x -r y --namespace nix", says: []string{"namespace nix", "no such namespace"}},
		"describe without a secret":    {line: "describe", says: []string{"SECRET is missing"}},
		"describe without a region":    {line: "describe x", says: []string{"--region is missing"}},
		"describe a bad name":          {line: "describe a*b -r y", says: []string{"no secret's name"}},
		"describe, no Temporal":        {line: "describe x -r y", hows: []how{withEnv("TEMPORAL_ADDRESS=127.0.0.1:1")}, says: []string{"127.0.0.1:1"}},
		"resolve without a decision":   {line: "resolve x -r y", says: []string{"retry, rollback, abandon"}},
		"resolve, unknown decision":    {line: "resolve x retry! -r y", says: []string{"retry, rollback, abandon"}},
		"resolve without a reason":     {line: "resolve x retry -r y", says: []string{"--reason is missing"}},
		"resolve with an empty reason": {line: "resolve x retry -r y --reason=", says: []string{"--reason is missing"}},
		"schedule without an interval": {line: "schedule x -r y", says: []string{"--every is missing"}},
		"interval that is none":        {line: "schedule x -r y --every often", says: []string{"30d, 12h"}},
		"negative interval":            {line: "schedule x -r y --every=-1h", says: []string{"30d, 12h"}},
		"interval below the bound":     {line: "schedule x -r y -s aws-secrets-manager --every 59m", says: []string{"--every 59m is out of range: 1h to 365d"}},
		"interval KMS does not bear":   {line: "schedule x -r y --every 20h", says: []string{"--every 20h is less than the store's versions bear", "KMS keeps ten", "wanted: 21h to 365d"}},
		"interval AWS does not bear":   {line: "schedule x -r y -s aws-secrets-manager --every 9m", says: []string{"--every 9m is less than", "one new version of a secret per 10m", "wanted: 1h to 365d"}},
		"interval above the bound":     {line: "schedule x -r y --every 366d", says: []string{"out of range: 21h to 365d"}},
		"bound that is none":           {line: "schedule x -r y --every 2h", hows: []how{withEnv("ROTOR_MIN_INTERVAL=soon")}, says: []string{"ROTOR_MIN_INTERVAL"}},
		"jitter KMS does not bear":     {line: "schedule x -r y --every 21h --jitter 20h", says: []string{"--jitter 20h is more than the store's versions bear", "KMS keeps ten", "at least 23h30m"}},
		"jitter beyond the interval":   {line: "schedule x -r y --every 2d --jitter 2d", says: []string{"--jitter 2d is not shorter than the interval of 2d"}},
		"delete and an interval":       {line: "schedule x -r y --every 2h --delete", says: []string{"--delete goes with"}},
		"validate without a file":      {line: "validate", says: []string{"--file is missing"}},
		"validate without a bound":     {line: "validate -f x", hows: []how{withEnv("ROTOR_MIN_INTERVAL=0s")}, says: []string{"ROTOR_MIN_INTERVAL"}},
		"plan without a file":          {line: "plan", says: []string{"--file is missing"}},
		"plan with an argument":        {line: "plan rotations.yaml", says: []string{"plan takes no arguments"}},
		"apply of no file":             {line: "apply -f /nowhere.yaml -o json", says: nil, inStdout: "it can't be read"},
		"apply of none at once":        {line: "apply -f x --parallel 0", says: []string{"--parallel 0: wanted: at least 1"}},
		"prune of a part":              {line: "apply -f x --prune --label team=a --region r-1", says: []string{"--prune goes with whole manifests, not with region r-1, label team=a"}},
		"ARN of another store":         {line: "pause arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders-AbCdEf", says: []string{"Store: alibaba-kms, but the ARN is that of a secret in another store; wanted: aws-secrets-manager"}},
		"rotate, ARN of another store": {line: "describe acs:kms:cn-hangzhou:123456:secret/orders -s aws-secrets-manager", says: []string{"wanted: alibaba-kms, or a named store"}},
		"label that is none":           {line: "apply -f x --label team", says: []string{"--label"}},
		"list of an unknown state":     {line: "list --state bad", says: []string{"--state bad: unknown"}},
		"list again too soon":          {line: "list --watch=1ms", says: []string{"--watch 1ms: wanted: at least 500ms"}},
		"list again, without =":        {line: "list --watch 5s", says: []string{"did you mean --watch=5s?"}},
		"list, ages of another kind":   {line: "list --ages file", says: []string{"available: store, temporal"}},
		"list with an argument":        {line: "list x", says: []string{"list takes no arguments"}},
		"history without a secret":     {line: "history", says: []string{"SECRET is missing"}},
		"history of none":              {line: "history x -r y --limit 0", says: []string{"--limit 0: wanted: at least 1"}},
		"a set and a secret":           {line: "rotate x -f y", says: []string{"either SECRET or --file"}},
		"a set and a strategy":         {line: "rotate -f y --strategy single-user", says: []string{"--strategy goes with one SECRET"}},
		"a set of none at once":        {line: "rotate -f y --parallel 0", says: []string{"--parallel 0: wanted: at least 1"}},
		"a label without a set":        {line: "rotate x -r y --label a=b", says: []string{"--label and --parallel go with --file"}},
		"fleet without a file":         {line: "fleet start", says: []string{"--file is missing"}},
		"canary that is none":          {line: "fleet start -f - --canary many", hows: []how{withStdin(manifestOf(devstack.Secret{Name: "x"}))}, says: []string{"--canary many: wanted: a number, or a part like 2%"}},
		"canary of too much":           {line: "fleet start -f - --canary 101%", hows: []how{withStdin(manifestOf(devstack.Secret{Name: "x"}))}, says: []string{"--canary '101%': wanted"}},
		"fleet of too many at once":    {line: "fleet start -f - --parallel 501", hows: []how{withStdin(manifestOf(devstack.Secret{Name: "x"}))}, says: []string{"1 to 500"}},
		"fleet of a bad name":          {line: "fleet status A/b", says: []string{"no fleet's name"}},
		"fleet without a name":         {line: "fleet report", says: []string{"one FLEET"}},
		"fleet command with a slip":    {line: "fleet stat", says: []string{`unknown command "stat"; did you mean`, "start"}},
		"speed of nothing":             {line: "fleet speed x", hows: []how{withEnv("TEMPORAL_ADDRESS=127.0.0.1:1")}, says: []string{"127.0.0.1:1"}},
		"pause of nothing":             {line: "pause", says: []string{"SECRET is missing", "-f rotations.yaml"}},
		"pause without a region":       {line: "pause x", says: []string{"--region is missing"}},
		"pause of both":                {line: "pause x -r y -f z", says: []string{"either SECRETs or --file"}},
		"resume with a label":          {line: "resume x -r y -l a=b", says: []string{"--label chooses entries of manifests"}},
		"delete of a bad name":         {line: "delete a*b -r y", says: []string{"no secret's name"}},
		"dev with an argument":         {line: "dev now", says: []string{`dev takes no arguments, but there is "now"`}},
		"env file in no folder":        {line: "dev --env-file /nowhere/env", says: []string{"--env-file /nowhere/env"}},
		"demo of an unknown kind":      {line: "demo --only oracle", says: []string{"unknown kind; available: kms-mysql-dual-account"}},
		"simulator without keys":       {line: "simulator", hows: []how{withEnv("ALIBABA_CLOUD_ACCESS_KEY_ID=")}, says: []string{"ALIBABA_CLOUD_ACCESS_KEY_ID"}},
		"simulator on a taken address": {line: "simulator --listen " + stack.MySQL.Address(), says: []string{"address already in use"}},
		"simulator, no document":       {line: "simulator --secret x=/nowhere.json", says: []string{"no such file"}},
		"simulator, no server":         {line: "simulator --secret x", says: []string{"--secret x=FILE", "--mysql HOST:PORT"}},
		"simulator, wrong server":      {line: "simulator --secret x --mysql here", says: []string{"HOST:PORT"}},
		"simulator, wrong password":    {line: "simulator --secret x --mysql " + stack.MySQL.Address(), hows: []how{withEnv("MYSQL_ROOT_PASSWORD=wrong")}, says: []string{"refused with error 1045"}},
		"version with an argument":     {line: "version 2", says: []string{"takes no arguments"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := run(t, strings.Fields(test.line), test.hows...)
			require.Equal(t, cli.ExitUsage, f.code, f.stderr)
			if test.inStdout != "" {
				require.Contains(t, f.stdout, test.inStdout)
				require.Empty(t, f.stderr)
				return
			}
			require.Empty(t, f.stdout)
			oneLine(t, f.stderr)
			for _, text := range test.says {
				require.Contains(t, f.stderr, text)
			}
		})
	}
}

func TestHelpOfEveryCommand(t *testing.T) {
	t.Parallel()
	root := run(t, nil)
	require.Equal(t, cli.ExitOK, root.code)
	require.Equal(t, root.stdout, run(t, []string{"--help"}).stdout)
	for _, command := range []string{"rotate", "check", "describe", "resolve", "schedule", "validate", "plan", "apply", "delete", "pause", "resume", "list", "history", "fleet", "dev", "demo", "simulator", "setup", "version"} {
		require.Contains(t, root.stdout, "  "+command+" ")
		help := run(t, []string{command, "--help"})
		require.Equal(t, cli.ExitOK, help.code)
		require.Empty(t, help.stderr)
		inOrder(t, help.stdout, "Usage:", "starter "+command, "Examples:", "starter "+command, "Flags:")
		require.Equal(t, help.stdout, run(t, []string{"help", command}).stdout)
	}
	for _, code := range []string{"0 done", "1 Refused", "2 wrong command line", "3 RolledBack", "4 Parked", "130 Ctrl-C"} {
		require.Contains(t, strings.ReplaceAll(root.stdout, "\n", " "), code)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	require.Equal(t, finished{stdout: "starter dev\n"}, run(t, []string{"version"}))
	require.Equal(t, finished{stdout: "starter dev\n"}, run(t, []string{"--version"}))
	require.Equal(t, finished{stdout: "{\n  \"Version\": \"dev\"\n}\n"}, run(t, []string{"version", "--output", "json"}))
}

// Packages install the program as rotor; it then speaks of itself by that name, with its folder only in commands to be typed.
func TestOtherName(t *testing.T) {
	t.Parallel()
	as := func(o *cli.Options) { o.Program = "/opt/rotor" }
	require.Equal(t, "rotor dev\n", run(t, []string{"version"}, as).stdout)
	help := run(t, []string{"rotate", "--help"}, as).stdout
	require.NotContains(t, help, "starter")
	inOrder(t, help, "Usage:", "rotor rotate", "Examples:", "rotor rotate", "Flags:")
	require.Contains(t, run(t, []string{"rotate"}, as).stderr, "rotor: ")
}

func TestCompletionKnowsTheCommands(t *testing.T) {
	t.Parallel()
	require.Contains(t, run(t, []string{"__complete", "ro"}).stdout, "rotate\t")
	require.Contains(t, run(t, []string{"__complete", "rotate", "x", "--if-running", ""}).stdout, "follow\nwait\nfail\n")
	require.Contains(t, run(t, []string{"__complete", "describe", "x", "--output", "j"}).stdout, "json\n")
	require.Contains(t, run(t, []string{"completion", "bash"}).stdout, "starter")
	require.Contains(t, run(t, nil).stdout, "  completion ", "it is no secret")
	require.Contains(t, run(t, []string{"__complete", "apply", "--file", ""}).stdout, "yaml\nyml\n:8\n", "files of that kind")
	secret := newSecret(t)
	require.Zero(t, run(t, words("schedule", secret, "--every", "30d")).code)
	for _, command := range []string{"rotate", "describe", "schedule", "pause", "resume", "delete"} {
		eventually(t, 2*time.Minute, "names of secrets that have schedules", func() bool {
			return strings.Contains(run(t, []string{"__complete", command, "-r", secret.Region, secret.Name}).stdout, secret.Name+"\talibaba-kms cn-hangzhou, every 30d\n:4\n")
		})
	}
	require.NotContains(t, run(t, []string{"__complete", "pause", "-r", "elsewhere", ""}).stdout, secret.Name)
	require.Equal(t, ":4\n", run(t, []string{"__complete", "describe", "x", ""}).stdout, "one secret, no more")
}
