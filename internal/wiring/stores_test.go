package wiring

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/config"
	"rotor/internal/pace"
)

func TestEachStoreHasAQuotaOfItsOwn(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stores.yaml")
	require.NoError(t, os.WriteFile(file, []byte("stores:\n  finance: {provider: alibaba-kms}\n  raised: {provider: aws-secrets-manager, writesPerSecond: 200}\n"), 0o600))
	env := map[string]string{"ROTOR_STORES": file, "ROTOR_QUOTA_WORKERS": "3", "ROTOR_ALIBABA_KMS_WRITES": "30", "ROTOR_AWS_WRITES": "0"}
	var settings config.Worker
	require.NoError(t, settings.Settings().Load(func(name string) (string, bool) {
		value, set := env[name]
		return value, set
	}))
	s, err := newShelf(settings)
	require.NoError(t, err)
	require.Equal(t, map[string]pace.Options{
		"alibaba-kms":         {PerSecond: 30, Workers: 3, Setting: "ROTOR_ALIBABA_KMS_WRITES"},
		"finance":             {PerSecond: 30, Workers: 3, Setting: "writesPerSecond of the store, else ROTOR_ALIBABA_KMS_WRITES"},
		"aws-secrets-manager": {PerSecond: 0, Workers: 3, Setting: "ROTOR_AWS_WRITES"},
		"raised":              {PerSecond: 200, Workers: 3, Setting: "writesPerSecond of the store, else ROTOR_AWS_WRITES"},
	}, s.writes)
	paced := s.paced(func(string, time.Duration) {})
	require.Same(t, s.stores["aws-secrets-manager"], paced["aws-secrets-manager"], "its quota is off")
	for _, name := range []string{"alibaba-kms", "finance", "raised"} {
		require.NotSame(t, s.stores[name], paced[name], name)
	}
}

func TestStepsOfATargetAreBoundedWhereAsked(t *testing.T) {
	require.Nil(t, paceOfTargets(config.Worker{}))
	try := paceOfTargets(config.Worker{StepsPerTarget: 2, QuotaWorkers: 2})
	require.Zero(t, try("db:3306"))
	require.Positive(t, try("db:3306"))
}
