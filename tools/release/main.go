// Release builds what is published: for each platform an archive with both programs, the licence and a bill of materials, and the
// checksums of all. Two runs on one commit, on any machine with the same Go, give the same bytes.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// platforms are what is built for.
var platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}

type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "-" + p.arch }

// programs are what is built, by the names that they are installed under.
var programs = map[string]string{"rotor": "./starter", "rotor-worker": "./worker"}

// texts go into every archive.
var texts = []string{"LICENSE", "README.md", "SECURITY.md"}

// options are what a release is asked for.
type options struct {
	root, out string
	// only is one platform (os/arch), "" for all.
	only string
	// dirty lets the work tree have changes; such a release can't be built again.
	dirty bool
}

func main() {
	var o options
	flag.StringVar(&o.root, "root", ".", "the repository")
	flag.StringVar(&o.out, "out", "dist", "where to put the archives; those that are there are removed")
	flag.StringVar(&o.only, "only", "", "build for one platform only, like linux/amd64")
	flag.BoolVar(&o.dirty, "dirty", false, "build although the work tree has changes or files that are not committed")
	flag.Parse()
	if err := release(o); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func release(o options) error {
	wanted, err := chosen(o.only)
	if err != nil {
		return err
	}
	version, err := versionOf(o.root, o.dirty)
	if err != nil {
		return err
	}
	seconds, err := git(o.root, "log", "-1", "--format=%ct")
	if err != nil {
		return err
	}
	at, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return fmt.Errorf("time of the commit: %w", err)
	}
	if err := empty(o.out); err != nil {
		return err
	}
	var names []string
	for _, p := range wanted {
		name := fmt.Sprintf("rotor-%s-%s.tar.gz", version, p)
		if err := one(o.root, filepath.Join(o.out, name), version, time.Unix(at, 0).UTC(), p); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		names = append(names, name)
		fmt.Println(filepath.Join(o.out, name))
	}
	return checksums(o.out, names)
}

// chosen are the platforms to build for.
func chosen(only string) ([]platform, error) {
	if only == "" {
		return platforms, nil
	}
	var known []string
	for _, p := range platforms {
		if only == p.os+"/"+p.arch {
			return []platform{p}, nil
		}
		known = append(known, p.os+"/"+p.arch)
	}
	return nil, fmt.Errorf("-only %s: no such platform; there are %s", only, strings.Join(known, ", "))
}

// versionOf names the commit: the same in every clone, however many objects it has.
func versionOf(root string, dirty bool) (string, error) {
	version, err := git(root, "describe", "--always", "--abbrev=12")
	if err != nil {
		return "", err
	}
	changes, err := git(root, "status", "--porcelain")
	switch {
	case err != nil:
		return "", err
	case changes == "":
		return version, nil
	case dirty:
		return version + "-dirty", nil
	}
	return "", fmt.Errorf("the work tree has changes or files that are not committed, so that what would be built could not be built again: commit or remove them, or give -dirty\n%s", changes)
}

// empty makes the folder, and takes away what an earlier release has left in it.
func empty(out string) error {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(out, "rotor-*.tar.gz"))
	if err != nil {
		return err
	}
	for _, path := range append(old, filepath.Join(out, "SHA256SUMS")) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// one makes one platform's archive.
func one(root, archive, version string, at time.Time, p platform) (err error) {
	dir, err := os.MkdirTemp("", "rotor-release-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var files []file
	for name, folder := range programs {
		binary := filepath.Join(dir, name)
		if err := build(root, binary, folder, version, p); err != nil {
			return err
		}
		files = append(files, file{name: name, path: binary, mode: 0o755})
	}
	for _, name := range texts {
		files = append(files, file{name: name, path: filepath.Join(root, name), mode: 0o644})
	}
	materials := filepath.Join(dir, "sbom.cdx.json")
	if err := writeMaterials(materials, version, at, files); err != nil {
		return err
	}
	files = append(files, file{name: "sbom.cdx.json", path: materials, mode: 0o644})
	return writeArchive(archive, strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), at, files)
}

// build makes a program that depends on nothing but the source and the version of Go: no cgo, no paths, no state of git.
func build(root, binary, folder, version string, p platform) error {
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X rotor/internal/config.version="+version, "-o", binary, folder)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=-mod=readonly")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func git(root string, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimSpace(string(out)), nil
}
