package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// envFile is a file of shell export lines that is there while what it points at is.
type envFile struct {
	path string
	text []byte
}

// envFileHead is the first line, by which a file that was left behind is known.
const envFileHead = "# Written by starter; it goes away with what it points at.\n"

// checkEnvFile refuses to replace a file that is somebody's.
func checkEnvFile(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return usagef("--env-file %s: its folder: %s", path, reason(err))
		}
		return nil
	}
	if err != nil {
		return usagef("--env-file %s: %s", path, reason(err))
	}
	if info.Mode().IsRegular() {
		if text, err := os.ReadFile(path); err == nil && (len(text) == 0 || bytes.HasPrefix(text, []byte(envFileHead))) {
			return nil
		}
	}
	return usagef("--env-file %s: there is something else at that place; remove it, or take another name", path)
}

// writeEnvFile writes the file in one go: whoever sees it sees all of it.
func writeEnvFile(path, exports string) (_ *envFile, err error) {
	f := &envFile{path: path, text: []byte(envFileHead + exports)}
	temporary, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*") // of mode 0600
	if err != nil {
		return nil, fmt.Errorf("write %s: %s", path, reason(err))
	}
	_, err = temporary.Write(f.text)
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %s", path, reason(err)), os.Remove(temporary.Name()))
	}
	return f, nil
}

// remove removes the file, if it still is the one that was written.
func (f *envFile) remove() error {
	if f == nil {
		return nil
	}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(text, f.text) {
		return nil
	}
	if err == nil {
		err = os.Remove(f.path)
	}
	if err != nil {
		return fmt.Errorf("remove %s: %s", f.path, reason(err))
	}
	return nil
}
