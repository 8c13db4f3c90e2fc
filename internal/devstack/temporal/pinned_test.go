package temporal

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the cache's entry is called is what it is built from.
func TestEntryIsTheModules(t *testing.T) {
	text, err := os.ReadFile("../../../tools/temporal/go.mod")
	require.NoError(t, err)
	require.Contains(t, string(text), "github.com/temporalio/cli v"+PinnedVersion+" ")
	require.Contains(t, string(text), "modernc.org/sqlite v"+pinnedDriver+" ")
}
