package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// file is one file of an archive.
type file struct {
	name, path string
	mode       int64
}

// writeArchive makes a tar.gz whose bytes depend on names, contents and the time alone.
func writeArchive(path, folder string, at time.Time, files []file) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zipped, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(zipped)
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	for _, one := range files {
		if err := add(w, folder, at, one); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), zipped.Close())
}

func add(w *tar.Writer, folder string, at time.Time, one file) error {
	content, err := os.ReadFile(one.path)
	if err != nil {
		return err
	}
	header := &tar.Header{Name: folder + "/" + one.name, Mode: one.mode, Size: int64(len(content)), ModTime: at, Format: tar.FormatPAX}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err = w.Write(content)
	return err
}

// checksums writes what sha256sum --check reads.
func checksums(out string, names []string) error {
	var lines strings.Builder
	for _, name := range names {
		sum, err := sum(filepath.Join(out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(lines.String()), 0o644)
}

func sum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}
