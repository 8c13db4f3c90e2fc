package temporal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"rotor/internal/devstack/cache"
	"rotor/internal/devstack/process"
)

// PinnedVersion is the version of the Temporal CLI in tools/temporal/go.mod.
const PinnedVersion = "1.5.1"

// pinnedDriver is the version of modernc.org/sqlite there, newer than the one that the CLI asks for. Before 1.40.1 the driver did not close what a query
// had read for a caller that had gone, and before 1.42.2 it could interrupt somebody else's query in its stead; once both met, every query of the
// server was "interrupted (9)", and its namespace "not found", until it was started again.
const pinnedDriver = "1.42.2"

// entryName is the binary's in the cache.
const entryName = "temporal-" + PinnedVersion + "-sqlite-" + pinnedDriver

// Binary returns the path of a Temporal CLI: the one on PATH if it is of the pinned version or newer, else the pinned
// one from the cache, where it is built first if need be. Progress, if not nil, is told that and how long it takes.
func Binary(ctx context.Context, progress io.Writer) (string, error) {
	if path, err := exec.LookPath("temporal"); err == nil && newEnough(ctx, path) {
		return filepath.Abs(path)
	}
	entry, err := cache.Entry(ctx, entryName, func(dir string) error {
		if progress != nil {
			_, _ = fmt.Fprintf(progress, "Building the Temporal CLI %s into the cache, once: about 4 minutes on two cores.\n", PinnedVersion)
		}
		return build(ctx, dir)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(entry, "temporal"), nil
}

// build compiles the CLI from the module that pins it and all it needs. That module is not part of ours because it
// brings the whole server's dependencies.
func build(ctx context.Context, dir string) error {
	module, err := moduleFolder()
	if err != nil {
		return err
	}
	compiler, err := exec.LookPath("go")
	if err != nil {
		return fmt.Errorf("build the Temporal CLI: no go command on PATH; install Go, or put a temporal of %s or newer on PATH", PinnedVersion)
	}
	workspace, err := process.NewWorkspace()
	if err != nil {
		return err
	}
	err = workspace.Run(ctx, process.Command{
		Name: "build", Path: compiler, Dir: module, Env: append(os.Environ(), "GOWORK=off"),
		Args: []string{
			"build", "-trimpath", "-o", filepath.Join(dir, "temporal"),
			"-ldflags", "-s -w -X github.com/temporalio/cli/temporalcli.Version=" + PinnedVersion,
			"github.com/temporalio/cli/cmd/temporal",
		},
	})
	if err != nil {
		err = fmt.Errorf("build the Temporal CLI: %w", err)
	}
	return errors.Join(err, workspace.Close())
}

// moduleFolder finds tools/temporal in the checkout: above the working directory, the executable (bin/starter) or
// this source file.
func moduleFolder() (string, error) {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if path, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(path))
	}
	if _, path, _, ok := runtime.Caller(0); ok && filepath.IsAbs(path) {
		starts = append(starts, filepath.Dir(path))
	}
	for _, dir := range starts {
		for {
			module := filepath.Join(dir, "tools", "temporal")
			if text, err := os.ReadFile(filepath.Join(module, "go.mod")); err == nil && strings.HasPrefix(string(text), "module rotor/tools/temporal\n") {
				return module, nil
			} else if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
				return "", fmt.Errorf("look for tools/temporal: %w", err)
			}
			parent := filepath.Dir(dir)
			if parent == dir {
				break
			}
			dir = parent
		}
	}
	return "", fmt.Errorf("no Temporal CLI: run this in a checkout of Rotor, where it can be built, or put a temporal of %s or newer on PATH", PinnedVersion)
}

var versionPattern = regexp.MustCompile(`^temporal version (\d+)\.(\d+)\.(\d+) `)

// newEnough tells whether the CLI is of the pinned version or newer. One that can't say so is not.
func newEnough(ctx context.Context, path string) bool {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return false
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return false
	}
	for i, want := range strings.Split(PinnedVersion, ".") {
		have, _ := strconv.Atoi(string(match[i+1]))
		if want, _ := strconv.Atoi(want); have != want {
			return have > want
		}
	}
	return true
}
