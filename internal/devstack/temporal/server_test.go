package temporal_test

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/devstack/temporal"
)

func start(t *testing.T, options temporal.Options) *temporal.Server {
	t.Helper()
	s, err := temporal.Start(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop()) })
	return s
}

func dial(t *testing.T, s *temporal.Server) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{
		HostPort: s.Address, Namespace: s.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func echo(_ workflow.Context, text string) (string, error) { return text, nil }

// run runs a workflow to its end on a worker of its own.
func run(t *testing.T, c client.Client, id string) {
	t.Helper()
	w := worker.New(c, "test", worker.Options{})
	w.RegisterWorkflow(echo)
	require.NoError(t, w.Start())
	defer w.Stop()
	started, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: "test"}, echo, id)
	require.NoError(t, err)
	var result string
	require.NoError(t, started.Get(t.Context(), &result))
	require.Equal(t, id, result)
}

func status(t *testing.T, c client.Client, id string) enums.WorkflowExecutionStatus {
	t.Helper()
	described, err := c.DescribeWorkflowExecution(t.Context(), id, "")
	require.NoError(t, err)
	return described.GetWorkflowExecutionInfo().GetStatus()
}

func TestServerRunsWorkflowsAndKeepsThemOverRestarts(t *testing.T) {
	s := start(t, temporal.Options{SearchAttributes: map[string]string{"TestState": "Keyword"}})
	c := dial(t, s)
	run(t, c, "first")

	attributes, err := c.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: s.Namespace})
	require.NoError(t, err)
	require.Equal(t, enums.INDEXED_VALUE_TYPE_KEYWORD, attributes.GetCustomAttributes()["TestState"])

	page, err := http.Get(s.WebUI)
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
	require.Equal(t, http.StatusOK, page.StatusCode)

	for name, stop := range map[string]func() error{"killed": s.Kill, "asked": func() error { return nil }} {
		address := s.Address
		require.NoError(t, stop())
		require.NoError(t, s.Restart(t.Context()), name)
		require.Equal(t, address, s.Address)
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, status(t, c, "first"), name)
		run(t, c, "after "+name)
	}

	require.NoError(t, s.Shutdown())
	require.Error(t, s.Ended())
	files, err := filepath.Glob(s.DatabaseFile + "*")
	require.NoError(t, err)
	var kept []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		kept = append(kept, text...)
	}
	require.Contains(t, string(kept), "after killed", "what ran is in the files")
}

func TestStopLeavesNothing(t *testing.T) {
	s := start(t, temporal.Options{Headless: true})
	require.Empty(t, s.WebUI)
	require.FileExists(t, s.DatabaseFile)
	require.NoError(t, s.Ended())
	require.NoError(t, s.Stop())
	require.Error(t, s.Ended())
	require.NoDirExists(t, filepath.Dir(s.DatabaseFile))
	require.NoError(t, s.Stop())
}

func TestRefusedOptionIsReportedWithTheLog(t *testing.T) {
	_, err := temporal.Start(t.Context(), temporal.Options{SearchAttributes: map[string]string{"TestState": "Color"}})
	require.ErrorContains(t, err, "Color")
}

func TestBinaryPrefersOneOnPathThatIsNewEnough(t *testing.T) {
	cached, err := temporal.Binary(t.Context(), nil)
	require.NoError(t, err)
	for name, test := range map[string]struct {
		answer string
		used   bool
	}{
		"pinned":           {"temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)", true},
		"newer":            {"temporal version 1.10.0 (Server 1.32.0, UI 2.50.0)", true},
		"next major":       {"temporal version 2.0.0 (Server 2.0.0, UI 3.0.0)", true},
		"older":            {"temporal version 1.4.9 (Server 1.28.0, UI 2.40.0)", false},
		"unknown":          {"temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)", false},
		"something else's": {"tctl version 1.18.0", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fake := filepath.Join(dir, "temporal")
			require.NoError(t, os.WriteFile(fake, []byte("#!/bin/sh\necho '"+test.answer+"'\n"), 0o700))
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			path, err := temporal.Binary(t.Context(), nil)
			require.NoError(t, err)
			if test.used {
				require.Equal(t, fake, path)
			} else {
				require.Equal(t, cached, path)
			}
		})
	}
}

func TestBuildThatFailsSaysWhyAndLeavesNoEntry(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\necho no compiler today >&2\nexit 1\n"), 0o700))
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	t.Setenv("ROTOR_CACHE", filepath.Join(dir, "cache"))
	var said strings.Builder
	_, err := temporal.Binary(t.Context(), &said)
	require.ErrorContains(t, err, "no compiler today")
	require.Contains(t, said.String(), "about 4 minutes")
	entries, err := filepath.Glob(filepath.Join(dir, "cache", "temporal-*"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := temporal.Start(ctx, temporal.Options{Headless: true})
	require.Error(t, err)
	entries, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "rotor-*", "*"))
	require.NoError(t, err)
	require.Empty(t, entries)
}
