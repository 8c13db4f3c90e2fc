package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"rotor/internal/devstack/process"
)

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

// writeEnvFile writes the file; remove takes it away again. After a kill -9 the next stack that starts does.
func writeEnvFile(path, exports string) (remove func() error, err error) {
	workspace, err := process.NewWorkspace()
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if err := workspace.WriteFile(path, []byte(envFileHead+exports)); err != nil {
		return nil, errors.Join(fmt.Errorf("write %s: %s", path, reason(err)), workspace.Close())
	}
	return workspace.Close, nil
}
