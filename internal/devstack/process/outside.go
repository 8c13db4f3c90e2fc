package process

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// outsideFolder is where a workspace notes the files outside of it that go away with it.
const outsideFolder = "outside"

// WriteFile writes a file outside of the workspace that goes away with it, also after a kill -9: then the next workspace that is
// made removes it. It is written in one go, of mode 0600, and removed only while it holds what was written.
func (w *Workspace) WriteFile(path string, text []byte) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // of mode 0600
	if err != nil {
		return err
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	err = os.MkdirAll(w.Path(outsideFolder), 0o700)
	if err == nil {
		// Noted before it is there, so that there is no moment at which nobody knows of it.
		err = os.WriteFile(w.Path(outsideFolder, digest), []byte(path+"\n"+temporary.Name()), 0o600)
	}
	if err == nil {
		_, err = temporary.Write(text)
	}
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}

// removeOutside removes what WriteFile has written for the workspace at the path.
func removeOutside(workspace string) error {
	notes, err := os.ReadDir(filepath.Join(workspace, outsideFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	errs := []error{err}
	for _, note := range notes {
		text, err := os.ReadFile(filepath.Join(workspace, outsideFolder, note.Name()))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		path, temporary, _ := strings.Cut(string(text), "\n")
		if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
		errs = append(errs, removeIfStill(path, note.Name()))
	}
	return errors.Join(errs...)
}

func removeIfStill(path, digest string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != digest {
		return nil // it is somebody else's by now
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	return nil
}
