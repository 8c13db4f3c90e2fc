// Reference writes docs/reference: every command, flag, variable, field, metric, search attribute and word, each with the description
// that it has in the code. Its test fails where something has none, and where the files are not what the code says.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// folder is where the pages are, seen from the root of the repository.
const folder = "docs/reference"

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	made, err := pages(root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
		return err
	}
	old, err := filepath.Glob(filepath.Join(root, folder, "*.md"))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	for name, text := range made {
		if err := os.WriteFile(filepath.Join(root, folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
