package cache_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/cache"
)

func TestDir(t *testing.T) {
	for name, test := range map[string]struct{ rotor, xdg, home, want string }{
		"own variable":         {"/a", "/b", "/c", "/a"},
		"XDG":                  {"", "/b", "/c", "/b/rotor"},
		"XDG must be absolute": {"", "b", "/c", "/c/.cache/rotor"},
		"home":                 {"", "", "/c", "/c/.cache/rotor"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("ROTOR_CACHE", test.rotor)
			t.Setenv("XDG_CACHE_HOME", test.xdg)
			t.Setenv("HOME", test.home)
			dir, err := cache.Dir()
			require.NoError(t, err)
			require.Equal(t, test.want, dir)
		})
	}
	t.Run("none", func(t *testing.T) {
		t.Setenv("ROTOR_CACHE", "")
		t.Setenv("XDG_CACHE_HOME", "")
		t.Setenv("HOME", "")
		_, err := cache.Dir()
		require.ErrorContains(t, err, "ROTOR_CACHE")
	})
}

func TestEntryIsMadeOnce(t *testing.T) {
	t.Setenv("ROTOR_CACHE", filepath.Join(t.TempDir(), "cache"))
	var builds atomic.Int32
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			path, err := cache.Entry(t.Context(), "thing", func(dir string) error {
				builds.Add(1)
				return os.WriteFile(filepath.Join(dir, "file"), []byte("whole"), 0o600)
			})
			if err != nil {
				t.Error(err)
				return
			}
			text, err := os.ReadFile(filepath.Join(path, "file"))
			if err != nil || string(text) != "whole" {
				t.Errorf("entry is %q, %v", text, err)
			}
		})
	}
	wait.Wait()
	require.Equal(t, int32(1), builds.Load())
}

func TestFailedBuildLeavesNoEntry(t *testing.T) {
	root := t.TempDir()
	t.Setenv("ROTOR_CACHE", root)
	failure := errors.New("no compiler")
	_, err := cache.Entry(t.Context(), "thing", func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "half"), nil, 0o600), failure)
	})
	require.ErrorIs(t, err, failure)
	require.NoDirExists(t, filepath.Join(root, "thing"))

	// What a killed build left is cleared by the next.
	leftover := filepath.Join(root, ".thing.new-123")
	require.NoError(t, os.Mkdir(leftover, 0o700))
	path, err := cache.Entry(t.Context(), "thing", func(string) error { return nil })
	require.NoError(t, err)
	require.DirExists(t, path)
	require.NoDirExists(t, leftover)
}

func TestWaitingForAnotherBuildEndsWithTheContext(t *testing.T) {
	t.Setenv("ROTOR_CACHE", t.TempDir())
	_, err := cache.Entry(t.Context(), "thing", func(string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err := cache.Entry(ctx, "thing", func(string) error { return nil })
		return err
	})
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
