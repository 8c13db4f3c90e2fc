// Package payloadtest makes keys for tests.
package payloadtest

import (
	"crypto/rand"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/payload"
)

// Line is a line of a file of keys, with a key that there never was before.
func Line(name string) string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return name + " " + base64.StdEncoding.EncodeToString(key)
}

// File writes a file of keys.
func File(t testing.TB, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

// Keys reads a file of such lines.
func Keys(t testing.TB, lines ...string) *payload.Keys {
	t.Helper()
	keys, err := payload.Read(File(t, lines...))
	require.NoError(t, err)
	return keys
}
