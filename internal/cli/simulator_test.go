package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
)

// making keeps the SDK from making two clients at once: they share a map that the first one fills.
var making sync.Mutex

func sdkClient(t *testing.T, secret string) *kms.Client {
	t.Helper()
	making.Lock()
	defer making.Unlock()
	c, err := kms.NewClientWithAccessKey("cn-hangzhou", "sim-key", secret)
	require.NoError(t, err)
	return c
}

// simulate starts a simulator and gives a client of the real SDK for it.
func simulate(t *testing.T, args []string, env ...string) (*running, *kms.Client) {
	t.Helper()
	r := start(t, append([]string{"simulator", "--listen", "127.0.0.1:0"}, args...),
		withEnv(append(env, "ALIBABA_CLOUD_ACCESS_KEY_ID=sim-key", "ALIBABA_CLOUD_ACCESS_KEY_SECRET=sim-secret")...))
	at := regexp.MustCompile(`Simulated cloud at http://(127\.0\.0\.1:\d+), region cn-hangzhou`)
	eventually(t, 2*time.Minute, "it listens", func() bool { return at.MatchString(r.stdout.String()) || len(r.code) > 0 })
	match := at.FindStringSubmatch(r.stdout.String())
	require.NotNil(t, match, r.stderr.String())
	c := sdkClient(t, "sim-secret")
	c.Domain = match[1]
	return r, c
}

func current(t *testing.T, c *kms.Client, name string) string {
	t.Helper()
	request := kms.CreateGetSecretValueRequest()
	request.Scheme, request.SecretName = "http", name
	answer, err := c.GetSecretValue(request)
	require.NoError(t, err)
	return answer.SecretData
}

func TestSimulatorWithDocuments(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	document := filepath.Join(dir, "orders.json")
	require.NoError(t, os.WriteFile(document, []byte(`{"AccountName":"app","AccountPassword":"never-in-the-log"}`), 0o600))
	env := filepath.Join(dir, "cloud.env")
	r, c := simulate(t, []string{"--secret", "orders=" + document, "--env-file", env})
	require.JSONEq(t, `{"AccountName":"app","AccountPassword":"never-in-the-log"}`, current(t, c, "orders"))
	text, err := os.ReadFile(env)
	require.NoError(t, err)
	require.Contains(t, string(text), "export ROTOR_ALIBABA_KMS_ENDPOINT=http://"+c.Domain+"\n")
	require.Contains(t, string(text), "export ALIBABA_CLOUD_ACCESS_KEY_SECRET=sim-secret\n")

	wrong := sdkClient(t, "another-secret")
	request := kms.CreateGetSecretValueRequest()
	request.Scheme, request.Domain, request.SecretName = "http", c.Domain, "orders"
	_, err = wrong.GetSecretValue(request)
	require.ErrorContains(t, err, "SignatureDoesNotMatch")

	r.interrupt()
	f := r.wait()
	require.Equal(t, cli.ExitOK, f.code, f.stderr)
	require.Contains(t, f.stdout, "GetSecretValue orders by sim-key: 200")
	require.NotContains(t, f.stdout, "never-in-the-log")
	require.NoFileExists(t, env)
	require.False(t, listens(c.Domain))
}

// A server outlives the simulator that made accounts on it; the next one makes them anew.
func TestSimulatorMakesAccountsOnAServer(t *testing.T) {
	t.Parallel()
	former := ""
	for range 2 {
		r, c := simulate(t, []string{"--mysql", stack.MySQL.Address(), "--secret", "simshop"}, "MYSQL_ROOT_PASSWORD="+stack.MySQL.AdminPassword)
		document := current(t, c, "simshop")
		require.NotEqual(t, former, document)
		former = document
		password := regexp.MustCompile(`"AccountPassword":"([^"]+)"`).FindStringSubmatch(document)
		require.NotNil(t, password)
		db, err := stack.MySQL.Open("simshop", password[1], "simshop")
		require.NoError(t, err)
		require.NoError(t, db.Ping())
		require.NoError(t, db.Close())
		require.Contains(t, current(t, c, "simshop-admin"), "simshop_adm")
		r.interrupt()
		f := r.wait()
		require.Equal(t, cli.ExitOK, f.code, f.stderr)
		require.False(t, strings.Contains(f.stdout, password[1]), "the log has the password")
	}
}
