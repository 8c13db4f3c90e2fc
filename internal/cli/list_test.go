package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/devstack"
	"rotor/internal/overview"
	"rotor/internal/rotation"
)

// listed gives what list says of some secrets, in its order.
func listed(t *testing.T, names []string, more ...string) (found []cli.SecretReport) {
	t.Helper()
	f := run(t, append([]string{"list", "-o", "json"}, more...))
	require.Zero(t, f.code, f.stderr)
	var all []cli.SecretReport
	require.NoError(t, json.Unmarshal([]byte(f.stdout), &all), f.stdout)
	for _, r := range all {
		for _, name := range names {
			if r.Secret == name {
				found = append(found, r)
			}
		}
	}
	return found
}

func TestListAndHistory(t *testing.T) {
	t.Parallel()
	parked, failing, paused, fine, old := park(t), newSecret(t), newSecret(t), newSecret(t), newSecret(t)
	var text strings.Builder
	text.WriteString("name: listed\ndefaults: {region: cn-hangzhou, schedule: {every: 30d}, owner: ada, labels: {listed: all}}\nrotations:\n")
	for _, s := range []devstack.Secret{parked, failing, paused, fine, old} {
		fmt.Fprintf(&text, "  - {secret: %s}\n", s.Name)
	}
	file := manifestFile(t, text.String())
	require.Zero(t, run(t, []string{"apply", "-f", file}).code)
	require.Zero(t, run(t, words("rotate", failing)).code)
	refused := run(t, words("rotate", failing)) // within the grace time
	require.Equal(t, cli.ExitRefused, refused.code, refused.stdout)
	require.Zero(t, run(t, words("rotate", paused)).code)
	require.Zero(t, run(t, words("rotate", fine)).code)
	require.Zero(t, run(t, words("pause", paused, "--reason", "freeze")).code)

	names := []string{parked.Name, failing.Name, paused.Name, fine.Name, old.Name}
	// Ready-made secrets were written long ago: one of which no rotation is known is as old as the store says.
	want := []overview.State{overview.Parked, overview.Failing, overview.Overdue, overview.Paused, overview.Fine}
	var all []cli.SecretReport
	eventually(t, 2*time.Minute, "the list follows", func() bool {
		all = listed(t, names, "--label", "listed=all")
		var states []overview.State
		for _, r := range all {
			states = append(states, r.State)
		}
		return fmt.Sprint(states) == fmt.Sprint(want)
	})
	require.NotZero(t, all[0].Since)
	require.NotEmpty(t, all[0].Reason)
	require.Equal(t, rotation.Refused, all[1].Outcome)
	require.Contains(t, all[1].Reason, "grace")
	require.NotZero(t, all[1].Rotated, "the current credential has an age although the latest rotation was refused")
	require.Equal(t, old.Name, all[2].Secret)
	require.Equal(t, "store", all[2].AgeFrom)
	require.InDelta(t, 90*24*3600, *all[2].AgeSeconds, 24*3600)
	require.Zero(t, all[2].Rotated)
	require.True(t, all[3].Schedule.Paused)
	require.Contains(t, all[3].Schedule.Note, ": freeze")
	require.Equal(t, rotation.Rotated, all[4].Outcome)
	require.EqualValues(t, 30*24*3600, all[4].IntervalSeconds)
	require.Equal(t, "ada", all[4].Schedule.Owner)
	require.WithinDuration(t, time.Now().Add(30*24*time.Hour), all[4].Schedule.Next, 10*time.Minute)

	require.Len(t, listed(t, names, "--state", "parked,failing"), 2)
	require.Empty(t, listed(t, names, "--region", "elsewhere"))
	require.Empty(t, listed(t, names, "--label", "listed=none"))

	table := run(t, []string{"list", "-l", "listed=all"})
	inOrder(t, table.stdout, "SECRET", "STATE", "NEXT\n", parked.Name+" ", "parked for ", failing.Name+" ", "failing for ", "Refused, ", " ago",
		old.Name+" ", "overdue", "90d", "30d", paused.Name+" ", "paused", "paused by ada@", ": freeze\n", fine.Name+" ", "fine", "Rotated, ", "30d", " UTC\n",
		"\n5 secrets: 1 parked, 1 failing, 1 overdue, 1 paused, 1 fine.\n")
	require.Contains(t, run(t, []string{"list", "-l", "listed=all"}, onTerminal).stdout, "\x1b[31mfailing for ")
	var again []cli.SecretReport
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(run(t, []string{"list", "-l", "listed=all", "-o", "yaml"}).stdout), &again, yaml.UseJSONUnmarshaler()))
	require.Len(t, again, 5)

	// Looking again and again, it sees what changes, and ends with Ctrl-C.
	watching := start(t, []string{"list", "-l", "listed=all", "--watch=500ms", "--ages", "temporal"})
	eventually(t, 2*time.Minute, "the first list", func() bool { return strings.Contains(watching.stdout.String(), "1 paused") })
	require.Zero(t, run(t, words("resume", paused)).code)
	eventually(t, 2*time.Minute, "another list", func() bool { return strings.Contains(watching.stdout.String(), "1 unknown, 2 fine.\n") })
	watching.interrupt()
	ended := watching.wait()
	require.Equal(t, cli.ExitInterrupted, ended.code)
	require.Empty(t, ended.stderr)

	past := run(t, words("history", failing))
	require.Zero(t, past.code, past.stderr)
	inOrder(t, past.stdout, "STARTED", "OUTCOME", "Refused", "its own id", "grace", "\n", "Rotated", failing.Account+"_rt", "its own id")
	rotated := run(t, words("history", fine))
	require.True(t, strings.HasSuffix(rotated.stdout, "its own id  \n"), "there is no reason to give: %s", rotated.stdout)
	var list []cli.PastRotation
	require.NoError(t, json.Unmarshal([]byte(run(t, words("history", failing, "-o", "json", "--limit", "1")).stdout), &list))
	require.Len(t, list, 1)
	require.Equal(t, rotation.Refused, list[0].Outcome)
	require.Equal(t, rotation.Refused, list[0].Result.Outcome)
	require.Contains(t, run(t, words("history", parked)).stdout, "open")
	none := run(t, words("history", old))
	require.Equal(t, cli.ExitRefused, none.code)
	oneLine(t, none.stderr)
}

// Times are UTC inside, and shown as the clocks of the schedule's zone show them.
func TestTimesInTheZoneOfTheSchedule(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	text := "rotations: [{secret: " + secret.Name + ", region: cn-hangzhou, labels: {zone: berlin}, " +
		"schedule: {calendar: {daysOfMonth: [1], at: 03:00}, timeZone: Europe/Berlin}}]\n"
	require.Zero(t, run(t, []string{"apply", "-f", "-"}, withStdin(text)).code)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	next := scheduleOf(t, secret).Info.NextActionTimes[0].In(berlin)
	require.Equal(t, []int{1, 3, 0}, []int{next.Day(), next.Hour(), next.Minute()})
	require.Contains(t, []string{"CET", "CEST"}, next.Format("MST"))
	eventually(t, 2*time.Minute, "the list follows, and shows the zone", func() bool {
		return strings.Contains(run(t, []string{"list", "-l", "zone=berlin"}).stdout, next.Format(" 2006-01-02 15:04 MST\n"))
	})
	require.Zero(t, run(t, words("rotate", secret)).code)
	require.Contains(t, run(t, words("describe", secret)).stdout, "schedule  at 03:00 on day 1 (Europe/Berlin), next at "+next.Format(time.RFC3339)+" (in ")
}

func TestRotateASet(t *testing.T) {
	t.Parallel()
	one, two, broken, other := newSecret(t), newSecret(t), newSecret(t), newSecret(t)
	breakAfterNew(t, broken)
	text := "defaults: {region: cn-hangzhou, schedule: {every: 30d}, labels: {team: a}}\nrotations:\n"
	for _, s := range []devstack.Secret{one, two, broken} {
		text += "  - {secret: " + s.Name + "}\n"
	}
	file := manifestFile(t, text+"  - {secret: "+other.Name+", labels: {team: b}}\n")
	f := run(t, []string{"rotate", "-f", file, "--label", "team=a", "--parallel", "2"})
	require.Equal(t, cli.ExitRolledBack, f.code, f.stdout+f.stderr)
	for _, s := range []devstack.Secret{one, two} {
		require.Contains(t, f.stdout, "Rotated  "+s.Name+"  alibaba-kms cn-hangzhou  ")
	}
	require.Contains(t, f.stdout, "RolledBack  "+broken.Name+"  alibaba-kms cn-hangzhou  ")
	require.True(t, strings.HasSuffix(f.stdout, "\n3 secrets: 2 Rotated, 1 RolledBack.\n") || strings.HasSuffix(f.stdout, "\n3 secrets: 1 RolledBack, 2 Rotated.\n"), f.stdout)
	require.Len(t, stored(t, one).Versions, 2)
	require.Len(t, stored(t, other).Versions, 1, "it has another label")

	// Within the grace time all are refused; --now counts for all.
	again := run(t, []string{"rotate", "-f", "-", "-o", "json"}, withStdin("rotations: [{secret: "+one.Name+", region: cn-hangzhou, schedule: {every: 30d}}]\n"))
	require.Equal(t, cli.ExitRefused, again.code)
	var reports []cli.Report
	require.NoError(t, json.Unmarshal([]byte(again.stdout), &reports), again.stdout)
	require.Len(t, reports, 1)
	require.Equal(t, rotation.Refused, reports[0].Outcome)
	now := run(t, []string{"rotate", "-f", file, "-l", "team=b", "--now", "--no-wait"})
	require.Zero(t, now.code, now.stderr)
	require.Equal(t, "Started  "+other.Name+"  alibaba-kms cn-hangzhou\n1 secret: 1 Started.\n", now.stdout)
	eventually(t, 2*time.Minute, "it goes on by itself", func() bool { return len(stored(t, other).Versions) == 2 })
	none := run(t, []string{"rotate", "-f", file, "-l", "team=c"})
	require.Equal(t, cli.ExitRefused, none.code)
	require.Contains(t, none.stderr, "no entry has label team=c")
}

func TestGravestExitCodeOfASet(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		codes []int
		want  int
	}{
		"none":                    {nil, cli.ExitOK},
		"all well":                {[]int{cli.ExitOK, cli.ExitOK}, cli.ExitOK},
		"one not retired":         {[]int{cli.ExitOK, cli.ExitNotRetired}, cli.ExitNotRetired},
		"not retired and refused": {[]int{cli.ExitNotRetired, cli.ExitRefused}, cli.ExitRefused},
		"refused and rolled back": {[]int{cli.ExitRefused, cli.ExitRolledBack, cli.ExitNotRetired}, cli.ExitRolledBack},
		"one is parked":           {[]int{cli.ExitRolledBack, cli.ExitParked, cli.ExitNotRetired}, cli.ExitParked},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, cli.Gravest(c.codes))
		})
	}
}
