package endtoend

import (
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// hungServer accepts connections and never says anything.
func hungServer(t *testing.T) (host string, port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, listener.Close()) })
	go func() {
		// They are kept: one that nobody holds on to is closed when memory is cleaned up.
		var open []net.Conn
		defer func() {
			for _, conn := range open {
				_ = conn.Close()
			}
		}()
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			open = append(open, conn)
		}
	}()
	address := listener.Addr().(*net.TCPAddr)
	return address.IP.String(), address.Port
}

// A worker that is asked to end finishes the step that runs, and begins no other.
func TestWorkerDrains(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	taskQueue := "drain-" + secret.Name
	// The heartbeat is long, for a beat that a busy machine delays would look as if the step had been taken from it.
	worker := startWorkerWith(t, taskQueue, map[string]string{"ROTOR_STOP_TIMEOUT": "20s", "ROTOR_STEP_TIMEOUT": "15s", "ROTOR_HEARTBEAT": "10s"})
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	defer held.Remove()
	run := start(t, taskQueue, secret, nil)
	<-held.Reached()
	require.NoError(t, worker.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-worker.dead:
		t.Fatal("it did not wait for its step")
	case <-time.After(300 * time.Millisecond):
	}
	held.Release()
	<-worker.dead
	require.True(t, worker.cmd.ProcessState.Success(), worker.cmd.ProcessState)
	status := lastScheduled(t, run)
	require.NotEqual(t, "Set", status, "no other step is begun")

	startWorker(t, taskQueue)
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	require.Equal(t, 1, attempts(t, run, "New"), "the step was not taken from it")
}

// lastScheduled is the activity type that was scheduled last and has started.
func lastScheduled(t *testing.T, run client.WorkflowRun) (latest string) {
	t.Helper()
	scheduled := map[int64]string{}
	for _, e := range historyOf(t, run).Events {
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil {
			scheduled[e.GetEventId()] = a.GetActivityType().GetName()
		}
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil {
			latest = scheduled[a.GetScheduledEventId()]
		}
	}
	return latest
}

// attempts is how many attempts the first round of an activity took.
func attempts(t *testing.T, run client.WorkflowRun, activity string) int {
	t.Helper()
	scheduled := int64(-1)
	for _, e := range historyOf(t, run).Events {
		if a := e.GetActivityTaskScheduledEventAttributes(); a != nil && a.GetActivityType().GetName() == activity && scheduled < 0 {
			scheduled = e.GetEventId()
		}
		if a := e.GetActivityTaskStartedEventAttributes(); a != nil && a.GetScheduledEventId() == scheduled {
			return int(a.GetAttempt())
		}
	}
	return 0
}

// When a worker is killed in the midst of a step, another one takes that up once a heartbeat is missed; it does not wait for the step's time limit.
func TestTakeover(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	taskQueue := "takeover-" + secret.Name
	// The heartbeat is long enough that a busy machine misses none before the kill, and the step's limits are so far off that they end no attempt here.
	settings := map[string]string{"ROTOR_HEARTBEAT": "5s", "ROTOR_STEP_TIMEOUT": "5m", "ROTOR_STEP_BURST": "10m"}
	worker := startWorkerWith(t, taskQueue, settings)
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	defer held.Remove()
	run := start(t, taskQueue, secret, nil)
	<-held.Reached()
	startWorkerWith(t, taskQueue, settings)
	before := stack.Cloud.Requests()
	worker.kill()
	killed := time.Now()
	held.Release()
	eventually(t, time.Minute, "taken over", func() bool {
		for _, r := range stack.Cloud.RequestsSince(before[len(before)-1].Seq) {
			if r.Resource == secret.Name && r.Action == "ListSecretVersionIds" {
				return true
			}
		}
		return false
	})
	t.Logf("taken over %s after the kill", time.Since(killed).Round(time.Millisecond))
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	require.Len(t, stored(t, secret.Name).Versions, 2)
}

// A versioned worker does nothing until its version is current. A parked rotation goes on with the next version, so that the old one can go.
func TestVersionedWorkers(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	taskQueue, deployment := "versioned-"+secret.Name, "rotor-"+secret.Name
	version := func(build string) map[string]string {
		return map[string]string{"ROTOR_DEPLOYMENT": deployment, "ROTOR_BUILD_ID": build}
	}
	makeCurrent := func(build string) {
		handle := temporal.WorkerDeploymentClient().GetHandle(deployment)
		eventually(t, 2*time.Minute, "version "+build+" can be made current", func() bool {
			_, err := handle.SetCurrentVersion(t.Context(), client.WorkerDeploymentSetCurrentVersionOptions{BuildID: build})
			return err == nil
		})
	}
	one := startWorkerWith(t, taskQueue, version("one"))
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	run := start(t, taskQueue, secret, nil)
	eventually(t, 2*time.Minute, "the workflow task waits", func() bool {
		d, err := temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
		return err == nil && d.GetPendingWorkflowTask().GetState() == enumspb.PENDING_WORKFLOW_TASK_STATE_SCHEDULED
	})
	select {
	case <-held.Reached():
		t.Fatal("it worked although its version is not current")
	case <-time.After(500 * time.Millisecond):
	}
	makeCurrent("one")
	<-held.Reached()
	execute(t, "CREATE USER '"+secret.Account+"_rt'@'%' IDENTIFIED BY 'theirs-0815'")
	held.Release()
	parked(t, run)

	startWorkerWith(t, taskQueue, version("two"))
	makeCurrent("two")
	one.kill()
	execute(t, "DROP USER '"+secret.Account+"_rt'@'%'")
	require.NoError(t, decide(t, run, rotation.UpdateRetry, "with the new version"))
	require.Equal(t, rotation.Rotated, outcome(t, run).Outcome)
	d, err := temporal.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
	require.NoError(t, err)
	require.Equal(t, enumspb.VERSIONING_BEHAVIOR_AUTO_UPGRADE, d.GetWorkflowExecutionInfo().GetVersioningInfo().GetBehavior())
	require.Equal(t, "two", d.GetWorkflowExecutionInfo().GetVersioningInfo().GetDeploymentVersion().GetBuildId())
	require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
}

// Rotations that a worker starts for those of other ids have the timeout that it was told.
func TestWorkflowTaskTimeout(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	taskQueue := serveWith(t, map[string]string{"ROTOR_WORKFLOW_TASK_TIMEOUT": "3s"})
	outer, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "outer-" + secret.Name, TaskQueue: taskQueue}, rotation.WorkflowType,
		rotation.Request{SecretName: secret.Name, RegionId: devstack.Region})
	require.NoError(t, err)
	require.Equal(t, rotation.Rotated, outcome(t, outer).Outcome)
	d, err := temporal.DescribeWorkflowExecution(t.Context(), canonicalID(secret), "")
	require.NoError(t, err)
	require.Equal(t, 3*time.Second, d.GetExecutionConfig().GetDefaultWorkflowTaskTimeout().AsDuration())
}
