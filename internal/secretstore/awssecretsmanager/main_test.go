package awssecretsmanager_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"rotor/internal/cloudsim"
	"rotor/internal/wire/wiretest"
)

// TestMain gives AWS's configuration the simulator's credentials and nothing else.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "awssecretsmanager")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for name, value := range map[string]string{
		"HOME":                        home,
		"AWS_CONFIG_FILE":             filepath.Join(home, "config"),
		"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(home, "credentials"),
		"AWS_ACCESS_KEY_ID":           cloudsim.DefaultCredential.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":       cloudsim.DefaultCredential.Secret,
		"AWS_SESSION_TOKEN":           "",
		"AWS_EC2_METADATA_DISABLED":   "true",
	} {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	wiretest.RunChild(children)
	code := m.Run()
	_ = os.RemoveAll(home)
	os.Exit(code)
}
