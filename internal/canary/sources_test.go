package canary_test

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/canary"
	"rotor/internal/devstack/temporal"
)

// TestPlantedPasswordsAreFound puts a password of its own into each place of a workflow that is known to leak, and finds
// every one of them in what the API gives and in the server's files.
func TestPlantedPasswordsAreFound(t *testing.T) {
	server, err := temporal.Start(t.Context(), temporal.Options{Headless: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: server.Address, Namespace: server.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)

	planted := map[string]string{
		"input": "canary-In_0123456789", "memo": "canary-Me_0123456789", "summary": "canary-Su_0123456789",
		"signal": "canary-Si_0123456789", "reason": "canary-Re_0123456789",
	}
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "leak", TaskQueue: "nobody", Memo: map[string]any{"note": planted["memo"]}, StaticSummary: "with " + planted["summary"],
	}, "Leak", map[string]string{"Document": `{"AccountPassword":"` + planted["input"] + `"}`})
	require.NoError(t, err)
	require.NoError(t, c.SignalWorkflow(t.Context(), run.GetID(), run.GetRunID(), "tell", planted["signal"]))
	require.NoError(t, c.TerminateWorkflow(t.Context(), run.GetID(), run.GetRunID(), "because of "+planted["reason"]))

	var histories []canary.Source
	require.Eventually(t, func() bool {
		// The list of workflows follows their changes after a moment.
		histories, err = canary.Histories(t.Context(), c, server.Namespace)
		return err == nil && len(histories) == 1
	}, 10*time.Second, 50*time.Millisecond)
	files, err := canary.Folder(filepath.Dir(server.DatabaseFile))
	require.NoError(t, err)
	names := ""
	for _, f := range files {
		names += f.Name + "\n"
	}
	require.Contains(t, names, "temporal.db\n")
	require.Contains(t, names, "temporal.log\n")

	for place, password := range planted {
		for kind, sources := range map[string][]canary.Source{"histories": histories, "files": files} {
			found, err := canary.Search(secrets(password), sources...)
			require.NoError(t, err)
			require.NotEmpty(t, found, "%s, in %s", place, kind)
		}
		found, err := canary.Search(secrets("another-"+strings.ToUpper(place)+"_9876543210"), append(histories, files...)...)
		require.NoError(t, err)
		require.Empty(t, found, "a password that was planted nowhere")
	}
}

func TestFolderThatIsNotThere(t *testing.T) {
	_, err := canary.Folder(filepath.Join(t.TempDir(), "gone"))
	require.Error(t, err)
}
