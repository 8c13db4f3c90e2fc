package cli_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/cli"
	"rotor/internal/devstack"
)

// TestAuditFindsWhatLeaks lets real passwords of a stack leak in two ways, and the demo's search finds both.
func TestAuditFindsWhatLeaks(t *testing.T) {
	t.Parallel()
	own, err := devstack.Start(t.Context(), devstack.Options{Headless: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, own.Close()) })
	secret, err := own.AddKMSMySQLPair(t.Context(), "leaky")
	require.NoError(t, err)
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: own.Temporal.Address, Namespace: own.Temporal.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "harmless", TaskQueue: "nobody"}, "Harmless", "nothing secret")
	require.NoError(t, err)

	passwords, found, err := cli.Audit(t.Context(), own, c, "all went well")
	require.NoError(t, err)
	require.Equal(t, 3, passwords, "the server's, the admin's and the account's")
	require.Empty(t, found)

	_, found, err = cli.Audit(t.Context(), own, c, "logged in with "+own.MySQL.AdminPassword)
	require.NoError(t, err)
	require.Len(t, found, 1)
	require.Equal(t, "the worker's log", found[0].Source)

	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "leak", TaskQueue: "nobody"}, "Leak",
		map[string]string{"AccountPassword": secret.AdminPassword.Reveal()})
	require.NoError(t, err)
	eventually(t, 2*time.Minute, "the history and the database file are found", func() bool {
		_, found, err = cli.Audit(t.Context(), own, c, "")
		text := ""
		for _, f := range found {
			text += f.Source + "\n"
			require.NotContains(t, f.String(), secret.AdminPassword.Reveal())
		}
		return err == nil && strings.Contains(text, "history of leak") && strings.Contains(text, "file temporal.db")
	})
}
