package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/manifest"
)

// manifestFile writes a manifest to a file of its own.
func manifestFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "rotations.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return file
}

const twoMistakes = `rotations:
  - secret: a
    region: r-1
    schedule: {every: 20h}
  - secret: b
    regoin: r-1
    region: r-1
    schedule: {every: 30d}
`

func TestValidate(t *testing.T) {
	t.Parallel()
	good := manifestFile(t, "defaults: {region: r-1, schedule: {every: 30d}}\nrotations: [{secret: a}, {secret: b}]\n")
	require.Equal(t, finished{stdout: "1 file, 2 rotations: valid.\n"}, run(t, []string{"validate", "-f", good}))
	require.Equal(t, finished{stdout: "1 file, 2 rotations: valid.\n"}, run(t, []string{"validate", good}), "as an argument, too")
	require.Equal(t, finished{stdout: "1 file, 2 rotations: valid.\n"}, run(t, []string{"validate", "-f", filepath.Dir(good)}))
	require.Equal(t, finished{stdout: "1 file, 2 rotations: \x1b[32mvalid\x1b[0m.\n"}, run(t, []string{"validate", "-f", good}, onTerminal))
	require.Equal(t, finished{stdout: "1 file, 2 rotations: valid.\n"}, run(t, []string{"validate", "-f", good}, onTerminal, withEnv("NO_COLOR=1")))

	bad := manifestFile(t, twoMistakes)
	f := run(t, []string{"validate", "-f", bad, "-f", good})
	require.Equal(t, cli.ExitUsage, f.code)
	require.Empty(t, f.stdout)
	require.Equal(t, []string{
		bad + ":4:16: schedule.every: 20h is less than the store's versions bear: KMS keeps ten, and the 9 that a week of failing rotations would add push out the previous one; wanted: 21h to 365d",
		bad + ":6:5: regoin: unknown field; did you mean region?",
		good + ":2:14: secret: a of alibaba-kms in r-1 has an entry already, at " + bad + ":2; wanted: one entry for each secret",
		good + ":2:27: secret: b of alibaba-kms in r-1 has an entry already, at " + bad + ":5; wanted: one entry for each secret",
		"starter: 4 problems", "",
	}, strings.Split(f.stderr, "\n"))

	f = run(t, []string{"validate", "-f", "-", "--output", "json"}, withStdin(twoMistakes))
	require.Equal(t, cli.ExitUsage, f.code)
	require.Empty(t, f.stderr)
	var report cli.ValidateReport
	require.NoError(t, json.Unmarshal([]byte(f.stdout), &report))
	require.Len(t, report.Problems, 2)
	require.Equal(t, cli.ProblemReport{File: "stdin", Line: 6, Column: 5, Text: "regoin: unknown field; did you mean region?"}, report.Problems[1])

	var again cli.ValidateReport
	asYAML := run(t, []string{"validate", "-f", "-", "-o", "yaml"}, withStdin(twoMistakes))
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(asYAML.stdout), &again, yaml.UseJSONUnmarshaler()), asYAML.stdout)
	require.Contains(t, asYAML.stdout, "Column: 5")
}

func TestFileWithACommaInItsName(t *testing.T) {
	t.Parallel()
	comma := filepath.Join(t.TempDir(), "a,b.yaml")
	require.NoError(t, os.Rename(manifestFile(t, "rotations: [{secret: a, region: r-1, schedule: {every: 30d}}]\n"), comma))
	require.Equal(t, finished{stdout: "1 file, 1 rotation: valid.\n"}, run(t, []string{"validate", "-f", comma}))
	f := run(t, []string{"rotate", "-f", comma, "--label", "team=nobody"})
	require.Equal(t, finished{code: cli.ExitRefused, stderr: "starter: no entry has label team=nobody\n"}, f)
}

func TestProblemsAreCountedByTheNameOfTheProgram(t *testing.T) {
	t.Parallel()
	f := run(t, []string{"validate", "-f", "-"}, withStdin(twoMistakes), func(o *cli.Options) { o.Program = "/opt/rotor" })
	require.Equal(t, cli.ExitUsage, f.code)
	require.True(t, strings.HasSuffix(f.stderr, "\nrotor: 2 problems\n"), f.stderr)
}

func TestValidateWarns(t *testing.T) {
	t.Parallel()
	f := run(t, []string{"validate", "-f", "-"}, withStdin("rotations: [{secret: a, region: r-1, grace: 3d, schedule: {every: 2d}}]\n"))
	require.Zero(t, f.code)
	require.Equal(t, "1 file, 1 rotation: valid.\n", f.stdout)
	require.Contains(t, f.stderr, "stdin:1:60: warning: schedule.every: with two accounts that take turns, every rotation would be refused")
}

func TestSchemaIsPrinted(t *testing.T) {
	t.Parallel()
	require.Equal(t, finished{stdout: string(manifest.Schema())}, run(t, []string{"validate", "--schema"}))
}

// Where the workers' configuration is, the quotas of named stores are known.
func TestValidateWithNamedStores(t *testing.T) {
	t.Parallel()
	stores := manifestFile(t, "stores: {finance: {provider: alibaba-kms}}\n")
	const text = "rotations: [{secret: a, store: finance, region: r-1, schedule: {every: 20h}}]\n"
	require.Zero(t, run(t, []string{"validate", "-f", "-"}, withStdin(text)).code)
	f := run(t, []string{"validate", "-f", "-"}, withStdin(text), withEnv("ROTOR_STORES="+stores))
	require.Equal(t, cli.ExitUsage, f.code)
	require.Contains(t, f.stderr, "KMS keeps ten")
	f = run(t, []string{"validate", "-f", "-"}, withStdin(text), withEnv("ROTOR_STORES=/no/file"))
	require.Equal(t, cli.ExitUsage, f.code)
	oneLine(t, f.stderr)
}
