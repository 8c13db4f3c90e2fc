package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/cli"
)

// A pause in the Web UI overwrites the note that says by what a schedule is kept. What is pruned is still only what is known to be the manifest's.
func TestPruneAfterAPauseInTheWebUI(t *testing.T) {
	t.Parallel()
	p := here()
	const head = "defaults: {region: r-1, schedule: {every: 30d}}\nrotations: "
	apply := func(text string, more ...string) finished {
		return run(t, append([]string{"apply", "-f", "-"}, more...), withStdin(text), p.env())
	}
	id := func(name string) string { return "rotor/alibaba-kms/r-1/web-ui/" + name }
	pause := func(name string) {
		require.NoError(t, p.ScheduleClient().GetHandle(t.Context(), id(name)).Pause(t.Context(), client.SchedulePauseOptions{Note: "x"}))
	}
	require.Zero(t, apply("name: web-ui-1\n"+head+"[{secret: web-ui/untouched}, {secret: web-ui/by-hand}, {secret: web-ui/of-another}, {secret: web-ui/twice}]\n").code)
	require.Zero(t, run(t, []string{"schedule", "web-ui/by-hand", "-r", "r-1", "--every", "28d"}, p.env()).code)
	require.Zero(t, apply("name: web-ui-2\n"+head+"[{secret: web-ui/of-another}, {secret: web-ui/twice}]\n").code)
	for _, name := range []string{"untouched", "by-hand", "of-another", "twice"} {
		pause(name)
	}
	// A pause by the starter does not make up a record of what is not known.
	require.Zero(t, run(t, []string{"pause", "web-ui/twice", "-r", "r-1"}, p.env()).code)
	eventually(t, 2*time.Minute, "the list follows", func() bool {
		all := p.list(t)
		for _, name := range []string{"untouched", "by-hand", "of-another", "twice"} {
			if e := all[id(name)]; e == nil || !e.Paused {
				return false
			}
		}
		return strings.HasPrefix(all[id("twice")].Note, "paused by ")
	})
	planned := run(t, []string{"plan", "-f", "-", "--prune"}, withStdin("name: web-ui-1\nrotations: []\n"), p.env())
	require.Equal(t, cli.ExitRefused, planned.code, planned.stderr)
	require.Contains(t, planned.stdout, "Plan: 0 to create, 0 to change, 1 to delete, 0 unchanged, 3 failed.\n")
	pruned := apply("name: web-ui-1\nrotations: []\n", "--prune")
	require.Equal(t, cli.ExitRefused, pruned.code, pruned.stderr)
	require.Contains(t, pruned.stdout, "- web-ui/untouched  alibaba-kms r-1\n")
	for _, name := range []string{"by-hand", "of-another", "twice"} {
		require.Contains(t, pruned.stdout, "- web-ui/"+name+"  alibaba-kms r-1\n    failed: its note, which said by what it is kept, was overwritten")
		require.True(t, p.schedule(t, id(name)).Schedule.State.Paused, name)
	}
	require.Contains(t, pruned.stdout, "Applied: 0 created, 0 changed, 1 deleted, 0 unchanged, 3 failed.\n")
	_, err := p.ScheduleClient().GetHandle(t.Context(), id("untouched")).Describe(t.Context())
	require.Error(t, err)

	// Whoever has it in a manifest makes it known again.
	again := apply("name: web-ui-2\n" + head + "[{secret: web-ui/of-another}]\n")
	require.Contains(t, again.stdout, "    kept by: nobody -> manifest web-ui-2\n")
	require.Contains(t, again.stdout, "    stays paused: x\n")
	eventually(t, 2*time.Minute, "the list follows", func() bool { return strings.Contains(p.list(t)[id("of-another")].Note, "web-ui-2") })
	require.Contains(t, apply("name: web-ui-2\nrotations: []\n", "--prune").stdout, "- web-ui/of-another  alibaba-kms r-1\n")
}
