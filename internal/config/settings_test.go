package config_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/config"
	"rotor/internal/rotation"
)

func lookup(env map[string]string) config.Lookup {
	return func(name string) (string, bool) {
		value, set := env[name]
		return value, set
	}
}

func load(t *testing.T, env map[string]string, args ...string) (config.Worker, error) {
	t.Helper()
	var w config.Worker
	known := w.Settings()
	flags := pflag.NewFlagSet("worker", pflag.ContinueOnError)
	known.Bind(flags)
	require.NoError(t, flags.Parse(args))
	return w, known.Load(lookup(env))
}

func TestFlagsOverEnvironmentOverDefaults(t *testing.T) {
	w, err := load(t, nil)
	require.NoError(t, err)
	require.Equal(t, config.DefaultTaskQueue, w.TaskQueue)
	require.Equal(t, 10*time.Second, w.Heartbeat)
	env := map[string]string{"ROTOR_TASK_QUEUE": "environment", "ROTOR_ALLOW_HTTP": "1", "ROTOR_HEARTBEAT": ""}
	w, err = load(t, env)
	require.NoError(t, err)
	require.Equal(t, "environment", w.TaskQueue)
	require.True(t, w.AllowHTTP)
	require.Equal(t, 10*time.Second, w.Heartbeat, "an empty variable says nothing")
	w, err = load(t, env, "--task-queue", "flag", "--allow-http=false")
	require.NoError(t, err)
	require.Equal(t, "flag", w.TaskQueue)
	require.False(t, w.AllowHTTP)
}

func TestWrongSettingsAreNamedInOneLine(t *testing.T) {
	for name, value := range map[string]string{
		"ROTOR_HEARTBEAT": "soon", "ROTOR_STEP_TIMEOUT": "1ms", "ROTOR_ALLOW_HTTP": "perhaps", "ROTOR_ALIBABA_NETWORK": "classic", "ROTOR_MAX_ACTIVITIES": "none",
		"ROTOR_LOG_LEVEL": "loud",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, map[string]string{name: value})
			require.ErrorContains(t, err, name+": ")
			require.ErrorContains(t, err, "wanted")
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestEverySettingHasAVariableOfItsOwn(t *testing.T) {
	var w config.Worker
	seen := map[string]bool{}
	for _, s := range w.Settings().All() {
		require.NotEmpty(t, s.Usage)
		require.False(t, seen[s.Env], s.Env)
		require.False(t, seen[s.Flag], s.Flag)
		seen[s.Env], seen[s.Flag] = true, true
	}
}

func TestTemporalSettings(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	env := map[string]string{"TEMPORAL_ADDRESS": "temporal.example:7233", "TEMPORAL_NAMESPACE": "rotations", "TEMPORAL_CONFIG_FILE": "/dev/null"}
	var t0 config.Temporal
	options, err := t0.Options(lookup(env), nil, quiet)
	require.NoError(t, err)
	require.Equal(t, "temporal.example:7233", options.HostPort)
	require.Equal(t, "rotations", options.Namespace)
	require.IsType(t, &client.GrpcCompressionNone{}, options.ConnectionOptions.GrpcCompression)
	over := config.Temporal{Address: "127.0.0.1:1", Namespace: "other"}
	options, err = over.Options(lookup(env), nil, quiet)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", options.HostPort)
	require.Equal(t, "other", options.Namespace)
	for name, value := range map[string]string{
		"TEMPORAL_TLS": "yes", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION": "foo", "TEMPORAL_ADDRESS": "https://temporal.example",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := t0.Options(lookup(map[string]string{"TEMPORAL_CONFIG_FILE": "/dev/null", name: value}), nil, quiet)
			require.ErrorContains(t, err, name)
		})
	}
}

func TestPrivilegesThatMayBeMissing(t *testing.T) {
	for name, test := range map[string]struct {
		value   string
		want    []string
		problem string
	}{
		"nothing said": {"", []string{rotation.DefaultAllowMissing}, ""},
		"none":         {"none", []string{}, ""},
		"some":         {"backup_admin, Show  Databases,BACKUP_ADMIN", []string{"BACKUP_ADMIN", "SHOW DATABASES"}, ""},
		"no privilege": {"EVENT;FILE", nil, `ROTOR_ALLOW_MISSING: "EVENT;FILE" is no privilege`},
		"one is empty": {"EVENT,", nil, `ROTOR_ALLOW_MISSING: "" is no privilege`},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := load(t, map[string]string{"ROTOR_ALLOW_MISSING": test.value})
			if test.problem != "" {
				require.ErrorContains(t, err, test.problem)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, w.AllowMissing())
		})
	}
}
