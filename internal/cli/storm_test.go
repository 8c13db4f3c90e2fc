package cli_test

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rotor/internal/cli"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// stormSecrets times moments is how often all start the rotation of a secret at once. With -full it is a hundred times, which takes a minute.
const stormSecrets = 10

var full = flag.Bool("full", false, "let all start at once a hundred times")

func moments() int {
	if *full {
		return 10
	}
	return 3
}

// Two starters, a schedule and somebody who types a workflow id of their own start the same secret at the same moment. Each rotation writes
// one version, none begins before the one before it has ended, and everybody is told an outcome.
func TestEverybodyStartsAtOnce(t *testing.T) {
	t.Parallel()
	for range stormSecrets {
		secret := newSecret(t)
		t.Run(secret.Name, func(t *testing.T) {
			t.Parallel()
			payload := fmt.Sprintf(`{"SecretName": %q, "RegionId": %q, "Now": true}`, secret.Name, secret.Region)
			made := run(t, []string{"schedule", "--payload", "-", "--every", "30d"}, withStdin(payload))
			require.Equal(t, cli.ExitOK, made.code, made.stderr)
			rotations := 0
			for moment := range moments() {
				since := lastRequest()
				told := storm(t, secret, moment)
				written := writtenOneAfterTheOther(t, secret, since)
				require.ElementsMatch(t, keys(told), written, "every version is of a rotation that somebody was told of, and the other way round")
				rotations += len(written)
			}
			t.Logf("%d starts made %d rotations", 4*moments(), rotations)
			require.Less(t, rotations, 4*moments(), "some have met")
		})
	}
}

// storm lets all start, and gives the versions of the rotations that they were told of.
func storm(t *testing.T, secret devstack.Secret, moment int) map[string]bool {
	t.Helper()
	schedule := temporal.ScheduleClient().GetHandle(t.Context(), "rotor/"+secret.Store+"/"+secret.Region+"/"+secret.Name)
	before := map[string]bool{}
	for _, action := range scheduleOf(t, secret).Info.RecentActions {
		before[action.StartWorkflowResult.WorkflowID] = true
	}
	begin, triggered, typed := make(chan struct{}), make(chan error, 1), make(chan error, 1)
	var run client.WorkflowRun
	go func() {
		<-begin
		// The schedule's own policy would skip this while it has not noticed yet that the rotation before has ended.
		triggered <- schedule.Trigger(t.Context(), client.ScheduleTriggerOptions{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL})
	}()
	go func() {
		<-begin
		var err error
		run, err = temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: fmt.Sprintf("typed-%s-%d", secret.Name, moment), TaskQueue: "rotor"},
			rotation.WorkflowType, rotation.Request{SecretName: secret.Name, RegionId: secret.Region, Now: true})
		typed <- err
	}()
	close(begin)
	starters := []*running{start(t, words("rotate", secret, "--now", "-o", "json")), start(t, words("rotate", secret, "--now", "-o", "json"))}

	told := map[string]bool{}
	for _, starter := range starters {
		f := starter.wait()
		require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
		told[f.report(t).Result.Version] = true
	}
	require.NoError(t, <-typed)
	told[rotated(t, run).Version] = true
	require.NoError(t, <-triggered)
	var scheduled string
	eventually(t, 2*time.Minute, "the schedule has started its rotation", func() bool {
		for _, action := range scheduleOf(t, secret).Info.RecentActions {
			if id := action.StartWorkflowResult.WorkflowID; !before[id] {
				scheduled = id
			}
		}
		return scheduled != ""
	})
	told[rotated(t, temporal.GetWorkflow(t.Context(), scheduled, "")).Version] = true
	return told
}

func rotated(t *testing.T, run client.WorkflowRun) (result rotation.Result) {
	t.Helper()
	err := run.Get(t.Context(), &result)
	require.NoError(t, err, "%v", errors.Unwrap(err))
	require.Equal(t, rotation.Rotated, result.Outcome)
	return result
}

// writtenOneAfterTheOther gives the versions that were written, in their order, and makes sure that all that was written for one came
// before anything that was written for the next.
func writtenOneAfterTheOther(t *testing.T, secret devstack.Secret, since int) (versions []string) {
	t.Helper()
	var log []string
	for _, r := range stack.Cloud.RequestsSince(since) {
		if r.Resource != secret.Name || !r.Applied || r.Action != "PutSecretValue" && r.Action != "UpdateSecretVersionStage" {
			continue
		}
		log = append(log, r.String())
		if r.Action == "PutSecretValue" {
			versions = append(versions, r.Params["VersionId"])
			continue
		}
		require.NotEmpty(t, versions, strings.Join(log, "\n"))
		require.Contains(t, []string{r.Params["MoveToVersion"], r.Params["RemoveFromVersion"]}, versions[len(versions)-1], strings.Join(log, "\n"))
	}
	require.Len(t, log, 3*len(versions), "each is put, made current, and relieved of the pending stage:\n%s", strings.Join(log, "\n"))
	return versions
}

func lastRequest() int {
	log := stack.Cloud.Requests()
	if len(log) == 0 {
		return 0
	}
	return log[len(log)-1].Seq
}

func keys(set map[string]bool) (list []string) {
	for key := range set {
		list = append(list, key)
	}
	return list
}
