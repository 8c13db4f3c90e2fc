// Package cache keeps what is expensive to make and the same for everyone: the built Temporal CLI, fetched
// servers, initialised data directories. It is safe to delete at any time.
package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Dir is the cache folder: ROTOR_CACHE, else rotor in XDG_CACHE_HOME, else ~/.cache/rotor. It may not exist yet.
func Dir() (string, error) {
	if dir := os.Getenv("ROTOR_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "rotor"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("no cache folder: set ROTOR_CACHE to a directory, or HOME")
	}
	return filepath.Join(home, ".cache", "rotor"), nil
}

// Entry returns the path of the cache entry name (a single path element) and, when it is missing, has build make
// it: in a fresh directory that becomes the entry only once build has returned nil. Of several programs that want
// the same entry one builds and the others wait for it.
func Entry(ctx context.Context, name string, build func(dir string) error) (string, error) {
	root, err := Dir()
	if err != nil {
		return "", err
	}
	entry := filepath.Join(root, name)
	if exists(entry) {
		return entry, nil
	}
	// 0700: data directories in here hold accounts that have no password yet.
	if err := os.MkdirAll(root, 0o700); err != nil {
		return "", fmt.Errorf("create cache folder: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(root, "."+name+".lock"))
	if err != nil {
		return "", fmt.Errorf("wait for another program to make %s: %w", entry, err)
	}
	defer unlock()
	if exists(entry) {
		return entry, nil
	}
	// Whoever made one of these was killed: the lock is ours.
	leftovers, _ := filepath.Glob(filepath.Join(root, "."+name+".new-*"))
	for _, dir := range leftovers {
		_ = os.RemoveAll(dir)
	}
	fresh, err := os.MkdirTemp(root, "."+name+".new-*")
	if err != nil {
		return "", fmt.Errorf("create cache entry: %w", err)
	}
	defer func() { _ = os.RemoveAll(fresh) }()
	if err := build(fresh); err != nil {
		return "", err
	}
	if err := os.Rename(fresh, entry); err != nil {
		return "", fmt.Errorf("keep cache entry: %w", err)
	}
	return entry, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

// lockPoll is how often a waiting program asks for the lock: flock itself can't be given a context.
const lockPoll = 50 * time.Millisecond
