package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var at = time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)

// What two runs make is the same to the byte, whatever the files' own times are and in whichever order they come.
func TestArchivesAreReproducible(t *testing.T) {
	dir := t.TempDir()
	archive := func(name string, touched time.Time, names ...string) []byte {
		var files []file
		for _, n := range names {
			path := filepath.Join(dir, n)
			check(t, os.WriteFile(path, []byte("content of "+n), 0o600))
			check(t, os.Chtimes(path, touched, touched))
			files = append(files, file{name: n, path: path, mode: 0o755})
		}
		path := filepath.Join(dir, name)
		check(t, writeArchive(path, "rotor-1", at, files))
		content, err := os.ReadFile(path)
		check(t, err)
		return content
	}
	first := archive("1.tar.gz", at, "rotor", "LICENSE")
	if !bytes.Equal(first, archive("2.tar.gz", at.Add(time.Hour), "LICENSE", "rotor")) {
		t.Fatal("two archives of the same files differ")
	}
	zipped, err := gzip.NewReader(bytes.NewReader(first))
	check(t, err)
	r := tar.NewReader(zipped)
	for _, name := range []string{"LICENSE", "rotor"} {
		header, err := r.Next()
		check(t, err)
		content, err := io.ReadAll(r)
		check(t, err)
		if header.Name != "rotor-1/"+name || header.Mode != 0o755 || !header.ModTime.Equal(at) || string(content) != "content of "+name {
			t.Fatalf("got %+v with %q", header, content)
		}
	}
}

// The bill names what is linked into a program, here this test's own.
func TestMaterials(t *testing.T) {
	self, err := os.Executable()
	check(t, err)
	bill := func() []byte {
		path := filepath.Join(t.TempDir(), "sbom.json")
		check(t, writeMaterials(path, "v1", at, []file{{name: "rotor", path: self}, {name: "LICENSE", path: "main.go"}}))
		content, err := os.ReadFile(path)
		check(t, err)
		return content
	}
	content := bill()
	for _, part := range []string{`"pkg:golang/github.com/CycloneDX/cyclonedx-go@v0.12.0"`, `"h1:`, `"name": "std"`, `"2030-01-02T03:04:05Z"`, `"version": "v1"`} {
		if !bytes.Contains(content, []byte(part)) {
			t.Fatalf("%s is missing in %s", part, content)
		}
	}
	if !bytes.Equal(content, bill()) {
		t.Fatal("two bills of the same program differ")
	}
}

// The version is the commit's, in a shallow clone, too; changed and unknown files are refused, unless that was asked for.
func TestVersion(t *testing.T) {
	root := t.TempDir()
	run := func(args ...string) string {
		t.Helper()
		said, err := git(root, append([]string{"-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "init.defaultBranch=main"}, args...)...)
		check(t, err)
		return said
	}
	run("init", "--quiet")
	check(t, os.WriteFile(filepath.Join(root, "a"), nil, 0o600))
	check(t, os.WriteFile(filepath.Join(root, ".gitignore"), []byte("dist\n"), 0o600))
	run("add", "--all")
	run("commit", "--quiet", "--message", "one")
	commit := run("rev-parse", "HEAD")
	version := func(dirty bool) string {
		t.Helper()
		v, err := versionOf(root, dirty)
		check(t, err)
		return v
	}
	if got := version(false); got != commit[:12] {
		t.Fatalf("got %s of %s", got, commit)
	}
	check(t, os.WriteFile(filepath.Join(root, "dist"), nil, 0o600))
	if got := version(false); got != commit[:12] {
		t.Fatalf("an ignored file: got %s of %s", got, commit)
	}
	for name, content := range map[string]string{"b": "a file that is not known", "a": "a change"} {
		check(t, os.WriteFile(filepath.Join(root, name), []byte(content), 0o600))
		if _, err := versionOf(root, false); err == nil || !strings.Contains(err.Error(), "not committed") || !strings.Contains(err.Error(), name) {
			t.Fatalf("%s: got %v", content, err)
		}
		if got := version(true); got != commit[:12]+"-dirty" {
			t.Fatalf("%s: got %s", content, got)
		}
		run("stash", "--quiet", "--include-untracked")
	}
}

// One platform can be chosen; the folder has nothing of an earlier release.
func TestWhatIsBuilt(t *testing.T) {
	all, err := chosen("")
	check(t, err)
	if len(all) != 4 {
		t.Fatalf("got %v", all)
	}
	only, err := chosen("linux/amd64")
	check(t, err)
	if len(only) != 1 || only[0].String() != "linux-amd64" {
		t.Fatalf("got %v", only)
	}
	if _, err := chosen("plan9/386"); err == nil || !strings.Contains(err.Error(), "darwin/arm64") {
		t.Fatalf("got %v", err)
	}
	out := filepath.Join(t.TempDir(), "dist")
	check(t, empty(out))
	for _, name := range []string{"rotor-old-linux-amd64.tar.gz", "SHA256SUMS", "notes"} {
		check(t, os.WriteFile(filepath.Join(out, name), nil, 0o600))
	}
	check(t, empty(out))
	left, err := os.ReadDir(out)
	check(t, err)
	if len(left) != 1 || left[0].Name() != "notes" {
		t.Fatalf("got %v", left)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
