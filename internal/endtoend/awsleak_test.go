package endtoend

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"rotor/internal/canary"
	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/wiring"
)

// awsRows are the two ways of AWS, with how many reads of the base version come before New's, which is followed by the put.
var awsRows = map[string]struct {
	add         func(*testing.T) devstack.Secret
	readsBefore int64
}{"alternating users": {newAWSPair, 0}, "single-user": {newAWSSingleUser, 0}}

// No password is in histories, logs and errors, whatever a request that carries one meets.
func TestAWSLeavesNoPasswords(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var secrets []devstack.Secret
	remember := func(s devstack.Secret) devstack.Secret {
		mu.Lock()
		defer mu.Unlock()
		secrets = append(secrets, s)
		return s
	}
	t.Run("rotations", func(t *testing.T) { rotateThroughFaults(t, remember) })
	require.Len(t, secrets, 18)
	requireNoPasswords(t, secrets)
}

// rotateThroughFaults rotates secrets of both rows, each with something that goes wrong at the put.
func rotateThroughFaults(t *testing.T, remember func(devstack.Secret) devstack.Secret) {
	for row, r := range awsRows {
		for _, kind := range []cloudsim.Kind{cloudsim.Throttle, cloudsim.ErrorBefore, cloudsim.ErrorAfter, cloudsim.Malformed, cloudsim.CloseAfter} {
			t.Run(row+", "+string(kind), func(t *testing.T) {
				t.Parallel()
				secret := remember(r.add(t))
				fault := stack.Cloud.Inject(cloudsim.Fault{Kind: kind, API: cloudsim.AWSSecretsManager, Resource: secret.Name, Action: "PutSecretValue"})
				require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
				require.Equal(t, 1, fault.Hits())
			})
		}
		for way, express := range map[string]bool{"": false, ", express": true} {
			t.Run(row+", panic"+way, func(t *testing.T) {
				t.Parallel()
				secret := remember(r.add(t))
				taskQueue, store := servePanicking(t, express)
				run := start(t, taskQueue, secret, nil)
				require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
				require.True(t, store.panicked.Load())
				_, local := activitiesOf(historyOf(t, run))
				require.Equal(t, express, len(local) > 0)
			})
		}
		for code, how := range map[string]struct {
			breaks func(*front)
			mends  func(*testing.T, *front)
		}{
			"refused": {(*front).goAway, func(t *testing.T, f *front) { f.comeBack(t) }},
			"tls":     {func(f *front) { f.untrusted.Store(true) }, func(_ *testing.T, f *front) { f.untrusted.Store(false) }},
		} {
			t.Run(row+", "+code, func(t *testing.T) {
				t.Parallel()
				secret, f := remember(r.add(t)), newFront(t)
				taskQueue := "front-" + secret.Name
				startWorkerWith(t, taskQueue, map[string]string{"AWS_ENDPOINT_URL_SECRETS_MANAGER": f.url, "AWS_CA_BUNDLE": f.caFile, "ROTOR_STEP_BURST": "2s"})
				var reads atomic.Int64
				remove := stack.Cloud.After(func(call cloudsim.Request) {
					if call.Resource == secret.Name && call.Action == "GetSecretValue" && call.Params["VersionId"] == secret.Version && reads.Add(1) == r.readsBefore+1 {
						how.breaks(f)
					}
				})
				defer remove()
				run := start(t, taskQueue, secret, nil)
				eventually(t, 2*time.Minute, "the put fails", func() bool {
					status, err := query(run)
					return err == nil && status.Failure != nil && status.Failure.Code == code
				})
				how.mends(t, f)
				require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
			})
		}
	}
}

// panicking is a store whose first put panics with the value, as an SDK may.
type panicking struct {
	secretstore.Store
	panicked atomic.Bool
}

func (p *panicking) PutPending(ctx context.Context, ref secretstore.Ref, version string, data rotation.Secret) error {
	if !p.panicked.Swap(true) {
		panic("can't send " + data.Reveal())
	}
	return p.Store.PutPending(ctx, ref, version, data)
}

// servePanicking runs a worker with such a store.
func servePanicking(t *testing.T, express bool) (taskQueue string, store *panicking) {
	t.Helper()
	taskQueue = fmt.Sprintf("queue-%d", secretNumber.Add(1))
	steps, err := wiring.Steps(settings(taskQueue))
	require.NoError(t, err)
	store = &panicking{Store: steps.Stores[rotation.StoreAWS]}
	steps.Stores[rotation.StoreAWS] = store
	with := settings(taskQueue)
	with.Express = express
	w := wiring.New(temporal, nil, steps, with, wiring.Around{})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	return taskQueue, store
}

// requireNoPasswords searches what the rotations of secrets left behind for every password that those have had.
func requireNoPasswords(t *testing.T, secrets []devstack.Secret) {
	t.Helper()
	sources, err := canary.Folder(filepath.Dir(stack.Temporal.DatabaseFile))
	require.NoError(t, err)
	var passwords []rotation.Secret
	for _, secret := range secrets {
		passwords = append(passwords, secret.Password)
		if secret.AdminSecret != "" {
			passwords = append(passwords, secret.AdminPassword)
		}
		for _, v := range awsStored(t, secret.Name).Versions {
			passwords = append(passwords, rotation.NewSecret(awsCredentialOf(t, &v).AccountPassword))
		}
		history := historyOf(t, temporal.GetWorkflow(t.Context(), "rotate/"+secret.Store+"/"+secret.Region+"/"+secret.Name, ""))
		require.NotEmpty(t, history.Events)
		// In its binary form payloads stand as they are.
		events, err := proto.Marshal(history)
		require.NoError(t, err)
		sources = append(sources, canary.Text("history of "+secret.Name, string(events)))
	}
	var requests strings.Builder
	for _, r := range stack.Cloud.Requests() {
		fmt.Fprintf(&requests, "%s %v\n", r, r.Params)
	}
	found, err := canary.Search(passwords, append(sources, canary.Text("the workers' log", workerLog.String()),
		canary.Text("the server's log", stack.MySQL.Log()), canary.Text("the cloud's log", requests.String()))...)
	require.NoError(t, err)
	require.Empty(t, found)
}
