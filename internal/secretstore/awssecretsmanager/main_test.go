package awssecretsmanager_test

import (
	"path/filepath"
	"testing"

	"rotor/internal/cloudsim"
	"rotor/internal/wire/wiretest"
)

// TestMain gives AWS's configuration the simulator's credentials and nothing else.
func TestMain(m *testing.M) {
	key := cloudsim.DefaultCredential
	wiretest.Main(m, func(home string) map[string]string {
		return map[string]string{
			"AWS_CONFIG_FILE":             filepath.Join(home, "config"),
			"AWS_SHARED_CREDENTIALS_FILE": filepath.Join(home, "credentials"),
			"AWS_ACCESS_KEY_ID":           key.AccessKeyID,
			"AWS_SECRET_ACCESS_KEY":       key.Secret,
			"AWS_SESSION_TOKEN":           "",
			"AWS_EC2_METADATA_DISABLED":   "true",
		}
	}, children)
}
