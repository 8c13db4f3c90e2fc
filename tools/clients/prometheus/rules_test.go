package prometheus_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func promtool(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "promtool", args...)
	command.Stdin = strings.NewReader(stdin)
	said, err := command.CombinedOutput()
	return string(said), err
}

func TestRulesAreWellFormed(t *testing.T) {
	said, err := promtool(t, "", "check", "rules", rules)
	require.NoError(t, err, said)
	require.Contains(t, said, "4 rules found")
}

// Each alert fires where it should, and does not where it should not.
func TestRulesFire(t *testing.T) {
	said, err := promtool(t, "", "test", "rules", filepath.Join(filepath.Dir(rules), "rotor.rules.test.yaml"))
	require.NoError(t, err, said)
}

// The tests of the rules notice a rule that never fires.
func TestTestsOfRulesNoticeARuleThatIsBroken(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"rotor.rules.yaml", "rotor.rules.test.yaml"} {
		text, err := os.ReadFile(filepath.Join(filepath.Dir(rules), name))
		require.NoError(t, err)
		broken := strings.ReplaceAll(string(text), `rotor_rotations_stuck{state="parked"}) > 0`, `rotor_rotations_stuck{state="parked"}) > 9`)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(broken), 0o600))
	}
	said, err := promtool(t, "", "test", "rules", filepath.Join(dir, "rotor.rules.test.yaml"))
	require.Error(t, err)
	require.Contains(t, said, "RotorParked")
}
