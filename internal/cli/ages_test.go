package cli_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

	"rotor/internal/cli"
	"rotor/internal/overview"
)

// A credential that was written before Temporal can remember is as old as the store says, and no value is read for that.
func TestAgesFromTheStore(t *testing.T) {
	t.Parallel()
	old := newSecret(t)
	secret := stored(t, old)
	written := time.Now().Add(-40 * 24 * time.Hour)
	for i := range secret.Versions {
		secret.Versions[i].Created = written
	}
	stack.Cloud.KMS().In(stack.Cloud.Credential().Account, old.Region).Put(secret)
	gone := old.Name + "-gone"
	text := "defaults: {region: cn-hangzhou, schedule: {every: 30d}, labels: {ages: " + old.Name + "}}\nrotations: [{secret: " + old.Name + "}, {secret: " + gone + "}]\n"
	require.Zero(t, run(t, []string{"apply", "-f", "-"}, withStdin(text)).code)
	chosen := []string{"list", "--label", "ages=" + old.Name}
	eventually(t, 2*time.Minute, "the list follows", func() bool { return len(listed(t, []string{old.Name, gone}, chosen[1:]...)) == 2 })

	before := 0
	if requests := stack.Cloud.Requests(); len(requests) > 0 {
		before = requests[len(requests)-1].Seq
	}
	f := run(t, append(chosen, "-o", "json"))
	require.Zero(t, f.code, f.stderr)
	var all []cli.SecretReport
	require.NoError(t, json.Unmarshal([]byte(f.stdout), &all), f.stdout)
	require.Len(t, all, 2)
	require.Equal(t, overview.Overdue, all[0].State, "older than its interval")
	require.Equal(t, "store", all[0].AgeFrom)
	require.InDelta(t, 40*24*3600, *all[0].AgeSeconds, 600)
	require.WithinDuration(t, written, all[0].Written, time.Second)
	require.Equal(t, gone, all[1].Secret)
	require.Nil(t, all[1].AgeSeconds)
	require.Contains(t, all[1].AgeUnread, "KMS has no such secret")
	oneLine(t, f.stderr)
	require.Contains(t, f.stderr, "of 1 credential the store does not tell the age, so it is what Temporal knows; the first is secret "+gone)
	asked := 0
	for _, r := range stack.Cloud.RequestsSince(before) {
		if r.Resource == old.Name {
			require.Equal(t, "ListSecretVersionIds", r.Action)
			asked++
		}
	}
	require.Equal(t, 1, asked)

	table := run(t, append(chosen, "--state", "overdue"))
	inOrder(t, table.stdout, old.Name+" ", "overdue", "40d", "30d", "\n1 secret: 1 overdue.\n")
	require.NotContains(t, table.stdout, "*")

	temporalOnly := run(t, append(chosen, "--ages", "temporal"))
	require.Empty(t, temporalOnly.stderr, "the store was not asked")
	require.Contains(t, temporalOnly.stdout, "\n2 secrets: 2 unknown.\n")
	require.Zero(t, run(t, words("rotate", old)).code)
	eventually(t, 2*time.Minute, "the list follows", func() bool { return listed(t, []string{old.Name}, chosen[1:]...)[0].State == overview.Fine })
	inOrder(t, run(t, append(chosen, "--ages", "temporal")).stdout, old.Name+" ", "fine", "Rotated", "*", "30d", "\n* since the latest rotation that Temporal knows")
}

// Where no worker answers, be there none or one that knows no such question, the list has what Temporal knows, and says so.
func TestAgesThatNobodyTells(t *testing.T) {
	t.Parallel()
	rotated := newSecret(t)
	other := worker.New(temporal, "of-another-version", worker.Options{})
	require.NoError(t, other.Start())
	t.Cleanup(other.Stop)
	require.Zero(t, run(t, words("rotate", rotated)).code)
	for queue, says := range map[string]string{"nobody-polls-for-ages": "no worker of task queue nobody-polls-for-ages answered", "of-another-version": "no worker of task queue of-another-version answered"} {
		t.Run(queue, func(t *testing.T) {
			text := "rotations: [{secret: " + rotated.Name + ", region: cn-hangzhou, network: " + queue + ", schedule: {every: 30d}, labels: {queue: " + queue + "}}]\n"
			require.Zero(t, run(t, []string{"apply", "-f", "-"}, withStdin(text)).code)
			chosen := []string{"list", "--label", "queue=" + queue}
			eventually(t, 3*time.Minute, "the list follows", func() bool {
				found := listed(t, []string{rotated.Name}, append(chosen[1:], "--ages", "temporal")...)
				return len(found) == 1 && found[0].State == overview.Fine
			})
			f := start(t, append(chosen, "-o", "json")).waitAtMost(3 * time.Minute)
			require.Zero(t, f.code, f.stderr)
			oneLine(t, f.stderr)
			require.Contains(t, f.stderr, says+", so the age of 1 credential is what Temporal knows")
			var all []cli.SecretReport
			require.NoError(t, json.Unmarshal([]byte(f.stdout), &all), f.stdout)
			require.Len(t, all, 1)
			require.Equal(t, "temporal", all[0].AgeFrom)
			require.NotZero(t, all[0].Rotated)
			require.Equal(t, "no worker of task queue "+queue+" answered in time", all[0].AgeUnread)
		})
	}
}
