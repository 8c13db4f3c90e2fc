package main

import (
	"bytes"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
)

func from(env map[string]string) config.Lookup {
	return func(name string) (string, bool) { value, set := env[name]; return value, set }
}

// Without all that it needs it is not run, and says in one line what is missing or wrong.
func TestNotRun(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("word\n"), 0o600))
	whole := map[string]string{envStore: rotation.StoreAWS, envRegion: "eu-central-1", envMySQL: "db.example.com:3306", envUser: "root", envPasswordFile: password}
	for name, tc := range map[string]struct {
		change map[string]string
		want   string
	}{
		"nothing": {map[string]string{envStore: "", envRegion: "", envMySQL: "", envUser: "", envPasswordFile: ""},
			"ROTOR_LIVE_STORE, ROTOR_LIVE_REGION, ROTOR_LIVE_MYSQL, ROTOR_LIVE_MYSQL_USER, ROTOR_LIVE_MYSQL_PASSWORD_FILE: not set; docs/live.md"},
		"one":             {map[string]string{envRegion: ""}, "not run: ROTOR_LIVE_REGION: not set"},
		"another store":   {map[string]string{envStore: "vault"}, `ROTOR_LIVE_STORE: "vault" is unknown; known: alibaba-kms, aws-secrets-manager`},
		"no port":         {map[string]string{envMySQL: "db.example.com"}, "ROTOR_LIVE_MYSQL: wanted HOST:PORT"},
		"no file":         {map[string]string{envPasswordFile: password + "-of-nobody"}, "ROTOR_LIVE_MYSQL_PASSWORD_FILE: the file can't be read"},
		"a wrong setting": {map[string]string{"ROTOR_HEARTBEAT": "soon"}, `ROTOR_HEARTBEAT: "soon" is no duration`},
		"too short":       {map[string]string{"PASSWORD_LENGTH": "3"}, "PASSWORD_LENGTH"},
	} {
		t.Run(name, func(t *testing.T) {
			env := maps.Clone(whole)
			maps.Copy(env, tc.change)
			var out, errs bytes.Buffer
			require.Equal(t, 2, live(t.Context(), from(env), &out, &errs))
			require.Contains(t, errs.String(), tc.want)
			require.Equal(t, 1, strings.Count(errs.String(), "\n"))
			require.Empty(t, out.String())
			errs.Reset()
			require.Equal(t, 2, ready(from(env), &errs), "and that is said before anything is prepared")
			require.Contains(t, errs.String(), tc.want)
		})
	}
	require.Zero(t, ready(from(whole), io.Discard))
	s, err := read(from(whole))
	require.NoError(t, err)
	require.Equal(t, "word", s.password.Reveal())
}

// The same code against the simulated clouds: rotations there and back with two accounts, and with one, and nothing is left behind, whether it
// goes well or not.
func TestOnTheSimulatedClouds(t *testing.T) {
	stack, err := devstack.Start(t.Context(), devstack.Options{Headless: true, MySQL: mysqld.Options{TLS: true}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stack.Close()) })
	for name, value := range stack.Env() {
		t.Setenv(name, value) // the clouds' SDKs read them
	}
	dir := t.TempDir()
	right, wrong := filepath.Join(dir, "right"), filepath.Join(dir, "wrong")
	require.NoError(t, os.WriteFile(right, []byte(stack.MySQL.AdminPassword), 0o600))
	require.NoError(t, os.WriteFile(wrong, []byte("another"), 0o600))
	for name, tc := range map[string]struct {
		store, region, password string
		more                    map[string]string
		fails                   string
	}{
		"alibaba-kms":         {store: rotation.StoreAlibabaKMS, region: devstack.Region, password: right},
		"aws-secrets-manager": {store: rotation.StoreAWS, region: devstack.AWSRegion, password: right},
		"wrong password":      {store: rotation.StoreAlibabaKMS, region: devstack.Region, password: wrong, fails: "make accounts for rl"},
		"no such password": {store: rotation.StoreAWS, region: devstack.AWSRegion, password: right, fails: "rotation of rotor-live-rl",
			more: map[string]string{"EXCLUDE_LOWERCASE": "1", "EXCLUDE_UPPERCASE": "1", "EXCLUDE_NUMBERS": "1", "EXCLUDE_PUNCTUATION": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			env := stack.Env()
			maps.Copy(env, map[string]string{envStore: tc.store, envRegion: tc.region, envMySQL: stack.MySQL.Address(), envUser: stack.MySQL.AdminUser,
				envPasswordFile: tc.password})
			maps.Copy(env, tc.more)
			s, err := read(from(env))
			require.NoError(t, err)
			var out bytes.Buffer
			err = trial(t.Context(), s, stack.Temporal.Address, stack.Temporal.Namespace, &out)
			if tc.fails == "" {
				require.NoError(t, err)
				require.Equal(t, 3, strings.Count(out.String(), "ok  "+tc.store), out.String())
				require.Contains(t, out.String(), "everything that was made is deleted: 3 secrets, 2 databases with their accounts")
			} else {
				require.ErrorContains(t, err, tc.fails)
			}
			require.Empty(t, stack.Cloud.KMS().In(stack.Cloud.Credential().Account, devstack.Region).Names())
			require.Empty(t, stack.Cloud.SecretsManager().In(stack.Cloud.Credential().Account, devstack.AWSRegion).Names())
			var left int
			require.NoError(t, stack.MySQL.DB().QueryRow("SELECT COUNT(*) FROM mysql.user WHERE user LIKE 'rl%'").Scan(&left))
			require.Zero(t, left)
			require.NotContains(t, out.String(), stack.MySQL.AdminPassword)
		})
	}
}
