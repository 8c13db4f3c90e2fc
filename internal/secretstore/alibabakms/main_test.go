package alibabakms_test

import (
	"fmt"
	"os"
	"testing"

	"rotor/internal/cloudsim"
	"rotor/internal/wire/wiretest"
)

// TestMain gives the SDK's default chain the simulator's credentials and nothing else.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "alibabakms")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for name, value := range map[string]string{
		"HOME":                                home,
		"ALIBABA_CLOUD_ACCESS_KEY_ID":         cloudsim.DefaultCredential.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET":     cloudsim.DefaultCredential.Secret,
		"ALIBABA_CLOUD_SECURITY_TOKEN":        "",
		"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
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
