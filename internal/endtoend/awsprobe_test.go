package endtoend

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awsrds"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/wiring"
)

func secretsManager() awssecretsmanager.Region {
	return stack.Cloud.SecretsManager().In(stack.Cloud.Credential().Account, devstack.AWSRegion)
}

func awsRDS() awsrds.Region {
	return stack.Cloud.AWSRDS().In(stack.Cloud.Credential().Account, devstack.AWSRegion)
}

// newAWSSingleUser and newAWSPair add ready-made secrets that no other test has.
func newAWSSingleUser(t *testing.T) devstack.Secret {
	t.Helper()
	secret, err := stack.AddAWSSingleUser(t.Context(), fmt.Sprintf("a%d", secretNumber.Add(1)))
	require.NoError(t, err)
	return secret
}

func newAWSPair(t *testing.T) devstack.Secret {
	t.Helper()
	secret, err := stack.AddAWSPair(t.Context(), fmt.Sprintf("a%d", secretNumber.Add(1)))
	require.NoError(t, err)
	return secret
}

func awsStored(t *testing.T, name string) awssecretsmanager.Secret {
	t.Helper()
	secret, ok := secretsManager().Secret(name)
	require.True(t, ok)
	return secret
}

func awsCredentialOf(t *testing.T, v *awssecretsmanager.Version) credential {
	t.Helper()
	require.NotNil(t, v)
	var d struct{ Username, Password string }
	require.NoError(t, json.Unmarshal([]byte(v.String), &d))
	return credential{d.Username, d.Password}
}

func awsHolder(t *testing.T, name, stage string) credential {
	t.Helper()
	s := awsStored(t, name)
	return awsCredentialOf(t, s.Holder(stage))
}

// awsEdit changes the document of a secret's current version.
func awsEdit(t *testing.T, name string, change func(map[string]any)) {
	t.Helper()
	s := awsStored(t, name)
	v := s.Holder(awssecretsmanager.Current)
	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte(v.String), &document))
	change(document)
	text, err := json.Marshal(document)
	require.NoError(t, err)
	v.String = string(text)
	secretsManager().Put(s)
}

// awsChange changes the secret itself.
func awsChange(t *testing.T, name string, change func(*awssecretsmanager.Secret)) {
	t.Helper()
	s := awsStored(t, name)
	change(&s)
	secretsManager().Put(s)
}

// requestsOf are the requests of a worker that concern a secret, its admin secret, and databases, since a moment of the log.
func requestsOf(secret devstack.Secret, since int) (list []cloudsim.Request) {
	for _, r := range stack.Cloud.RequestsSince(since) {
		if ours(r, secret) {
			list = append(list, r)
		}
	}
	return list
}

// serveWith runs a worker of its own in this process, with further settings, and gives its task queue.
func serveWith(t *testing.T, more map[string]string) string {
	t.Helper()
	taskQueue := fmt.Sprintf("queue-%d", secretNumber.Add(1))
	var w config.Worker
	require.NoError(t, w.Settings().Load(func(name string) (string, bool) {
		for _, from := range []map[string]string{more, quick} {
			if value, ok := from[name]; ok {
				return value, true
			}
		}
		return os.LookupEnv(name)
	}))
	w.TaskQueue = taskQueue
	polling, served := make(chan struct{}), make(chan error, 1)
	go func() {
		served <- wiring.Serve(t.Context(), options(slog.New(slog.NewTextHandler(workerLog, &slog.HandlerOptions{Level: slog.LevelDebug}))), w,
			func() { close(polling) })
	}()
	select {
	case err := <-served:
		require.NoError(t, err)
	case <-polling:
		t.Cleanup(func() { require.NoError(t, <-served) })
	}
	return taskQueue
}

func replacePassword(t *testing.T, document, password string) string {
	t.Helper()
	var d map[string]any
	require.NoError(t, json.Unmarshal([]byte(document), &d))
	d["password"] = password
	text, err := json.Marshal(d)
	require.NoError(t, err)
	return string(text)
}

// serveAs runs a worker of its own as another identity of the cloud, and gives its task queue. The SDK looks for its identity in the
// process, so it is a process.
func serveAs(t *testing.T, accessKey, secret string) string {
	t.Helper()
	taskQueue := fmt.Sprintf("queue-%d", secretNumber.Add(1))
	startWorkerWith(t, taskQueue, map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secret,
		"ALIBABA_CLOUD_ACCESS_KEY_ID": accessKey, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret})
	return taskQueue
}
