package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
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

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
