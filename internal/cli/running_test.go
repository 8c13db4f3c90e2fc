package cli_test

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/cli"
	"rotor/internal/cloudsim"
	"rotor/internal/rotation"
)

func TestIfRunning(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	held := hold(t, "PutSecretValue", secret.Name)
	first := start(t, words("rotate", secret, "-o", "json"))
	reached(t, held)

	f := run(t, words("rotate", secret, "--if-running", "fail"))
	require.Equal(t, cli.ExitRefused, f.code)
	require.Empty(t, f.stdout)
	oneLine(t, f.stderr)
	require.Contains(t, f.stderr, "is running already; look at it with: starter describe "+secret.Name+" --region cn-hangzhou")

	unwaited := run(t, words("rotate", secret, "--no-wait"))
	require.Equal(t, cli.ExitOK, unwaited.code)
	require.Contains(t, unwaited.stdout, "is running already")

	following := start(t, words("rotate", secret, "--now", "--password-length", "40"))
	waiting := start(t, words("rotate", secret, "--if-running", "wait", "--now", "-o", "json"))
	eventually(t, 2*time.Minute, "both have noticed", func() bool {
		return strings.Contains(following.stdout.String(), "is running already") && strings.Contains(waiting.stderr.String(), "waiting for its end")
	})
	held.Release()

	one, same, other := first.wait(), following.wait(), waiting.wait()
	require.Equal(t, cli.ExitOK, one.code)
	require.Equal(t, cli.ExitOK, same.code)
	require.Equal(t, cli.ExitOK, other.code, other.stdout+other.stderr)
	run := one.report(t).RunID
	require.Contains(t, same.stderr, "the rotation that is running was asked for otherwise, and goes on as it was: Now is not given, not true; "+
		"Password is not given, not {\"Length\":40}; for a rotation of your own, wait for its end with --if-running wait\n")
	require.Empty(t, one.stderr)
	require.NotContains(t, unwaited.stderr, "was asked for otherwise")
	inOrder(t, same.stdout, "is running already; this is its progress", "run "+run, "  look ", "  end ", "Rotated: version "+run)
	require.NotEqual(t, run, other.report(t).RunID)
	require.Equal(t, run, other.report(t).Result.Former)
	require.Len(t, stored(t, secret).Versions, 3)
}

func TestCtrlCDetaches(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	held := hold(t, "PutSecretValue", secret.Name)
	r := start(t, words("rotate", secret), onTerminal)
	reached(t, held)
	r.interrupt()
	f := r.wait()
	require.Equal(t, cli.ExitInterrupted, f.code)
	oneLine(t, f.stderr)
	require.Contains(t, f.stderr, "the rotation goes on. Look at it with: starter describe "+secret.Name+" --region cn-hangzhou\n")
	require.NotContains(t, f.stdout, "Rotated")

	described := run(t, words("describe", secret))
	inOrder(t, described.stdout, "  look ", "  new ", "attempt 1 is running", "Running: step new")
	held.Release()
	eventually(t, 2*time.Minute, "it goes on", func() bool {
		return run(t, words("describe", secret, "-o", "json")).report(t).Outcome == rotation.Rotated
	})
}

// A store that answers after ten seconds only does not keep a second Ctrl-C from ending the command.
func TestSecondCtrlCEndsAtOnce(t *testing.T) {
	t.Parallel()
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	r := start(t, []string{"rotate", "--payload", "-"}, func(o *cli.Options) { o.Stdin = blocked{block} })
	r.interrupt()
	require.Never(t, func() bool { return len(r.code) > 0 }, 300*time.Millisecond, 20*time.Millisecond)
	r.interrupt()
	require.Equal(t, cli.ExitInterrupted, r.wait().code)
}

// blocked is an input that nobody types.
type blocked struct{ until chan struct{} }

func (b blocked) Read([]byte) (int, error) {
	<-b.until
	return 0, context.Canceled
}

func TestNobodyReadsTheOutput(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("rotate", secret), func(o *cli.Options) { o.Stdout = closedPipe{} })
	require.Equal(t, cli.ExitInterrupted, f.code)
	require.Contains(t, f.stderr, "starter describe "+secret.Name)
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, context.Canceled }

// A rotation that no worker takes up does not wait in silence. It is said after some three seconds, or a few more on a busy machine.
func TestNoWorkerIsSaidSoon(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	queue := "lonely-" + secret.Name
	begun := time.Now()
	r := start(t, words("rotate", secret), withEnv("ROTOR_TASK_QUEUE="+queue))
	eventually(t, 20*time.Second, "it says so", func() bool { return strings.Contains(r.stderr.String(), "no worker polls task queue "+queue) })
	t.Logf("said after %s", time.Since(begun).Round(time.Millisecond))

	described := run(t, words("describe", secret))
	require.Equal(t, cli.ExitOK, described.code)
	inOrder(t, described.stdout, "Running: no step has begun", "No worker answers")

	stop, err := startWorker(queue)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
	f := r.wait()
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	require.Contains(t, f.stdout, "Rotated: version")
}

// A worker that dies is listed as a poller for minutes; that nobody takes the rotation up is said all the same.
func TestDeadWorkerIsNoticed(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	queue := "dying-" + secret.Name
	stop, err := startWorker(queue)
	require.NoError(t, err)
	require.NoError(t, stop())
	begun := time.Now()
	r := start(t, words("rotate", secret, "--task-queue", queue, "-o", "json"))
	eventually(t, 2*time.Minute, "it says so", func() bool { return strings.Contains(r.stderr.String(), "task queue "+queue) })
	t.Logf("said after %s", time.Since(begun).Round(time.Millisecond))
	said := regexp.MustCompile(`no worker (?:polls|has taken the rotation up for (\w+);)`).FindStringSubmatch(r.stderr.String())
	require.NotNil(t, said, r.stderr.String())
	// Of a worker that is taken for a living one nothing is said for fifteen seconds.
	if waited := said[1]; waited != "" {
		d, err := time.ParseDuration(waited)
		require.NoError(t, err)
		require.Less(t, d, 15*time.Second)
	}
	require.Empty(t, r.stdout.String(), "JSON on standard output stays JSON")
	r.interrupt()
	require.Equal(t, cli.ExitInterrupted, r.wait().code)
}

func TestParkedIsKnownWithoutAWorker(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	queue := "short-" + secret.Name
	stop, err := startWorker(queue)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stop()) })
	breakAfterNew(t, secret)
	require.Equal(t, cli.ExitParked, run(t, words("rotate", secret, "--on-failure", "park", "--task-queue", queue)).code)
	require.NoError(t, stop())

	described := run(t, words("describe", secret))
	inOrder(t, described.stdout, "  set ", "failed: ", "Parked after ", "step set: ", "No worker answers", "starter resolve "+secret.Name+" abandon")
	givenUp := run(t, words("resolve", secret, "abandon", "--reason", "gone", "--timeout", "4s"))
	require.Equal(t, cli.ExitRefused, givenUp.code)
	for _, says := range []string{"no worker has taken the decision yet", "no worker has answered within 4s; nothing is decided yet", "worker --task-queue " + queue,
		"shows: starter describe " + secret.Name} {
		require.Contains(t, givenUp.stderr, says)
	}
	require.NotContains(t, givenUp.stderr, "does not look parked")
	r := start(t, words("resolve", secret, "abandon", "--reason", "gone"))
	eventually(t, 2*time.Minute, "it says that nobody answers, and where", func() bool {
		return strings.Contains(r.stderr.String(), "no worker has taken the decision yet; waiting up to 1m0s (is one running on the rotation's task queue? worker --task-queue "+queue+")")
	})
	again, err := startWorker(queue)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, again()) })
	// Temporal hands over one of the two decisions first; the other comes too late.
	require.Equal(t, cli.ExitRefused, r.wait().code)
	eventually(t, 2*time.Minute, "it is abandoned", func() bool { return strings.Contains(run(t, words("describe", secret)).stdout, "Abandoned after ") })
}

// A rotation that was started and that nobody works on is not parked: a decision about it is not waited for without an end.
func TestResolveWhatNobodyWorksOn(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	queue := "nobody-" + secret.Name
	require.Equal(t, cli.ExitOK, run(t, words("rotate", secret, "--no-wait", "--task-queue", queue)).code)
	f := run(t, words("resolve", secret, "retry", "--reason", "x", "--timeout", "1s"))
	require.Equal(t, cli.ExitRefused, f.code)
	require.Contains(t, f.stderr, "no worker has answered within 1s, and the rotation does not look parked, so there may be nothing to decide; nothing is decided yet")
	require.Contains(t, f.stderr, "worker --task-queue "+queue)
	oneLine(t, f.stderr)
	require.NoError(t, temporal.TerminateWorkflow(t.Context(), workflowID(secret), "", "the test is over"))
}

func TestEndedFromOutside(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		action string
		fault  cloudsim.Kind
		times  int
		end    func(ctx context.Context, id string) error
		code   int
		says   []string
		closed string
	}{
		"cancelled while it looks": {
			"ListSecretVersionIds", cloudsim.Throttle, cloudsim.Always, func(ctx context.Context, id string) error { return temporal.CancelWorkflow(ctx, id, "") }, cli.ExitRefused,
			[]string{"cancel requested", "Cancelled after", "before it had changed anything"}, "Canceled",
		},
		"cancelled after New": {
			"PutSecretValue", cloudsim.Slow, 1, func(ctx context.Context, id string) error { return temporal.CancelWorkflow(ctx, id, "") }, cli.ExitRolledBack,
			[]string{"cancel requested", "  rollback ", "Cancelled, RolledBack: version"}, "Canceled",
		},
		"terminated": {
			"PutSecretValue", cloudsim.Slow, 1, func(ctx context.Context, id string) error { return temporal.TerminateWorkflow(ctx, id, "", "enough") }, cli.ExitRefused,
			[]string{"Terminated after", "it was terminated by", "(enough)", "It left no outcome"}, "Terminated",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			held := stack.Cloud.Inject(cloudsim.Fault{Kind: test.fault, Times: test.times, API: cloudsim.AlibabaKMS, Action: test.action, Resource: secret.Name})
			t.Cleanup(held.Remove)
			r := start(t, words("rotate", secret))
			reached(t, held)
			require.NoError(t, test.end(t.Context(), workflowID(secret)))
			held.Release()
			f := r.wait()
			require.Equal(t, test.code, f.code, f.stdout+f.stderr)
			inOrder(t, f.stdout, test.says...)
			require.Equal(t, test.closed, run(t, words("describe", secret, "-o", "json")).report(t).Closed)
		})
	}
}

// Whoever starts the rotation under an id of their own, the canonical one is the one that is shown.
func TestRotationThatSomebodyElseStartedIsFound(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	outer, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "typed-" + secret.Name, TaskQueue: "rotor"},
		rotation.WorkflowType, rotation.Request{SecretName: secret.Name, RegionId: secret.Region})
	require.NoError(t, err)
	var result rotation.Result
	require.NoError(t, outer.Get(t.Context(), &result))
	r := run(t, words("describe", secret, "-o", "json")).report(t)
	require.Equal(t, result.Version, r.Result.Version)
	require.Equal(t, workflowID(secret), r.WorkflowID)
}
