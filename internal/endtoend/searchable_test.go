package endtoend

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/wiring"
)

// found polls until a visibility query gives exactly the workflow, or nothing for "".
func found(t *testing.T, query, id string) {
	t.Helper()
	var ids []string
	eventually(t, 2*time.Minute, "found by "+query, func() bool {
		list, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		if err != nil {
			return false
		}
		ids = nil
		for _, e := range list.GetExecutions() {
			ids = append(ids, e.GetExecution().GetWorkflowId())
		}
		return strings.Join(ids, " ") == id
	})
}

func TestRotationsAreFoundByWhatBecameOfThem(t *testing.T) {
	t.Parallel()
	t.Run("rotated", func(t *testing.T) {
		t.Parallel()
		secret := newSecret(t)
		require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
		found(t, "RotorSecret = '"+secret.Name+"' AND RotorOutcome = 'Rotated'", canonicalID(secret))
		found(t, "RotorSecret = '"+secret.Name+"' AND RotorStuck = true", "")
	})
	t.Run("parked, then retried", func(t *testing.T) {
		t.Parallel()
		secret, run := parkedRotation(t)
		found(t, "RotorStuck = true AND RotorSecret = '"+secret.Name+"'", run.GetID())
		execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
		require.NoError(t, decide(t, run, rotation.UpdateRetry, "the account is gone"))
		require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
		found(t, "RotorStuck = true AND RotorSecret = '"+secret.Name+"'", "")
		found(t, "RotorStuck = false AND RotorOutcome = 'Rotated' AND RotorSecret = '"+secret.Name+"'", run.GetID())
	})
	t.Run("a step fails for long", func(t *testing.T) {
		t.Parallel()
		secret, _ := stuckForAWhile(t)
		found(t, "RotorStuck = true AND RotorSecret = '"+secret.Name+"'", "")
	})
}

// stuckForAWhile gives a rotation that was stuck, and then went on.
func stuckForAWhile(t *testing.T) (devstack.Secret, client.WorkflowRun) {
	t.Helper()
	secret := newSecret(t)
	taskQueue := serveWith(t, map[string]string{"ROTOR_STUCK_AFTER": "2s", "ROTOR_STEP_BURST": "1s", "ROTOR_LONGEST_PAUSE": "1s"})
	throttled := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Resource: secret.Name, Action: "PutSecretValue", Times: cloudsim.Always})
	run := start(t, taskQueue, secret, nil)
	found(t, "RotorStuck = true AND RotorSecret = '"+secret.Name+"'", run.GetID())
	throttled.Remove()
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	return secret, run
}

// bareNamespace has no search attributes.
func bareNamespace(t *testing.T, name string) {
	t.Helper()
	_, err := temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour)})
	require.NoError(t, err)
	eventually(t, 2*time.Minute, "the namespace is known", func() bool { _, err := attributesOf(t, name); return err == nil })
}

func attributesOf(t *testing.T, namespace string) (map[string]enumspb.IndexedValueType, error) {
	t.Helper()
	list, err := temporal.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	return list.GetCustomAttributes(), err
}

// serveIn runs a worker in a namespace, and gives the error that ended it, if it did not come to polling, and its log.
func serveIn(t *testing.T, namespace string, mayRegister bool) (log *lockedBuffer, err error) {
	t.Helper()
	log = &lockedBuffer{}
	o := options(slog.New(slog.NewTextHandler(log, nil)))
	o.Namespace, o.Logger = namespace, sdklog.NewStructuredLogger(slog.New(slog.NewTextHandler(log, nil)))
	if !mayRegister {
		o.ConnectionOptions.DialOptions = []grpc.DialOption{grpc.WithChainUnaryInterceptor(
			func(ctx context.Context, method string, in, out any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
				if strings.HasSuffix(method, "/AddSearchAttributes") {
					return status.Error(codes.PermissionDenied, "Request unauthorized.")
				}
				return invoke(ctx, method, in, out, cc, opts...)
			})}
	}
	ctx, stop := context.WithCancel(context.Background())
	polling, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- wiring.Serve(ctx, o, settings(queue), func() { close(polling) }) }()
	select {
	case err := <-served:
		stop()
		return log, err
	case <-polling:
		t.Cleanup(func() {
			stop()
			require.NoError(t, <-served)
		})
		return log, nil
	}
}

func TestWorkerRegistersSearchAttributesWhereItMay(t *testing.T) {
	t.Parallel()
	t.Run("it may", func(t *testing.T) {
		t.Parallel()
		bareNamespace(t, "may")
		_, err := serveIn(t, "may", true)
		require.NoError(t, err)
		has, err := attributesOf(t, "may")
		require.NoError(t, err)
		require.Contains(t, has, rotation.AttributeStuck)
	})
	t.Run("it may not, and rotates all the same", func(t *testing.T) {
		t.Parallel()
		bareNamespace(t, "maynot")
		log, err := serveIn(t, "maynot", false)
		require.NoError(t, err)
		require.Contains(t, log.String(), "level=WARN")
		require.Contains(t, log.String(), "namespace maynot lacks the search attributes RotorFleet, RotorOutcome, RotorSecret, RotorStuck, and this worker may not register them")
		require.Contains(t, log.String(), "starter setup")

		o := options(slog.New(slog.DiscardHandler))
		o.Namespace = "maynot"
		c, err := client.Dial(o)
		require.NoError(t, err)
		defer c.Close()
		secret := newSecret(t)
		run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: canonicalID(secret), TaskQueue: queue}, rotation.WorkflowType,
			rotation.Request{SecretName: secret.Name, RegionId: secret.Region})
		require.NoError(t, err)
		var result rotation.Result
		require.NoError(t, run.Get(t.Context(), &result))
		require.Equal(t, rotation.Rotated, result.Outcome)
	})
	t.Run("one has another type", func(t *testing.T) {
		t.Parallel()
		bareNamespace(t, "wrong")
		_, err := temporal.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: "wrong",
			SearchAttributes: map[string]enumspb.IndexedValueType{rotation.AttributeOutcome: enumspb.INDEXED_VALUE_TYPE_INT}})
		require.NoError(t, err)
		_, err = serveIn(t, "wrong", true)
		require.ErrorContains(t, err, "search attribute RotorOutcome of namespace wrong has type Int; wanted: Keyword")
	})
}

// One record says all that a worker is connected to.
func TestWorkerSaysWhatItServesInOneRecord(t *testing.T) {
	t.Parallel()
	log, err := serveIn(t, "default", true)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	var record string
	for _, line := range lines {
		if strings.Contains(line, "rotor worker started") {
			require.Empty(t, record, "it is said once")
			record = line
		}
	}
	for _, words := range []string{
		"Temporal=" + stack.Temporal.Address, "Namespace=default", "TaskQueue=" + queue, "alibaba-kms at " + stack.CloudURL,
		"aws-secrets-manager at the endpoints of AWS's configuration", "Targets=\"apsara-rds, mysql\"", "RotorStuck", "RDS=" + stack.CloudURL,
	} {
		require.Contains(t, record, words)
	}
}
