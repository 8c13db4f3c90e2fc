package cli_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"google.golang.org/protobuf/proto"

	"rotor/internal/cli"
	"rotor/internal/devstack"
	"rotor/internal/fleet"
	"rotor/internal/fleet/report"
	"rotor/internal/payload/payloadtest"
	"rotor/internal/rotation"
)

// manifestOf is a manifest of secrets.
func manifestOf(secrets ...devstack.Secret) string {
	text := "defaults: {region: cn-hangzhou, schedule: {every: 30d}}\nrotations:\n"
	for _, s := range secrets {
		text += "  - {secret: " + s.Name + ", labels: {target: db1}}\n"
	}
	return text
}

func newSecrets(t *testing.T, n int) (secrets []devstack.Secret) {
	t.Helper()
	for range n {
		secrets = append(secrets, newSecret(t))
	}
	return secrets
}

// fleetNamed is a fleet's name that no other test has.
func fleetNamed() string { return fmt.Sprintf("fleet%d", secretNumber.Add(1)) }

// fleetPatience is how long a fleet may take on a machine that does much else.
const fleetPatience = 5 * time.Minute

// runFleet starts a fleet and waits for its end.
func runFleet(t *testing.T, name, manifest string, words []string, hows ...how) finished {
	t.Helper()
	return start(t, append([]string{"fleet", "start", "-f", "-", "--name", name}, words...), append(hows, withStdin(manifest))...).waitAtMost(fleetPatience)
}

func reportOf(t *testing.T, name string, hows ...how) (r cli.FleetReport) {
	t.Helper()
	f := run(t, []string{"fleet", "report", name, "--output", "json"}, hows...)
	require.Zero(t, f.code, f.stderr)
	require.NoError(t, json.Unmarshal([]byte(f.stdout), &r), f.stdout)
	return r
}

func outcomes(rows []report.Row) map[string]string {
	by := map[string]string{}
	for _, row := range rows {
		by[row.Secret] = row.Outcome
	}
	return by
}

func TestFleet(t *testing.T) {
	t.Parallel()
	secrets, name := newSecrets(t, 4), fleetNamed()
	breakAfterNew(t, secrets[3])
	f := runFleet(t, name, manifestOf(secrets...), []string{"--canary", "50%", "--parallel", "3"})
	require.Equal(t, cli.ExitRolledBack, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "Fleet "+name+" rotates 4 secrets, 2 of them first.\n", "0 of 4, ", ", canary\n", "4 of 4, 0 open, 1 failed",
		"Fleet "+name+": Ended. 4 of 4 secrets are done (3 Rotated, 1 RolledBack).\n", "3 at once, pauses after 20 failures\n",
		"  RolledBack  "+secrets[3].Name+"  alibaba-kms cn-hangzhou: ", "What became of each: starter fleet report "+name+"\n")
	require.NotContains(t, f.stdout, "\r")

	r := reportOf(t, name)
	require.Equal(t, map[string]int{"Rotated": 3, "RolledBack": 1}, r.Counts)
	require.Empty(t, r.Notes)
	for i, row := range r.Secrets {
		require.Equal(t, secrets[i].Name, row.Secret)
		require.Equal(t, workflowID(secrets[i]), row.WorkflowID)
		require.Equal(t, "db1", row.Target)
		require.False(t, row.Another)
		require.Equal(t, i == 3, row.Reason != "", row)
		require.Equal(t, i != 3, stored(t, secrets[i]).Versions[1].ID == row.RunID && row.Outcome == "Rotated")
	}
	text := run(t, []string{"fleet", "report", name})
	inOrder(t, text.stdout, "OUTCOME", "RolledBack  "+secrets[3].Name, "\n4 secrets: 1 RolledBack, 3 Rotated.\n")
	require.NotContains(t, text.stdout, secrets[0].Name+" ")
	rows, err := csv.NewReader(strings.NewReader(run(t, []string{"fleet", "report", name, "-o", "csv"}).stdout)).ReadAll()
	require.NoError(t, err)
	require.Len(t, rows, 5)
	require.Equal(t, []string{"secret", "store", "region", "target", "outcome"}, rows[0][:5])
	require.Equal(t, []string{secrets[3].Name, "alibaba-kms", "cn-hangzhou", "db1", "RolledBack"}, rows[4][:5])

	require.Contains(t, run(t, []string{"fleet", "status"}).stdout, name+"  ")
	var status fleet.Status
	require.NoError(t, json.Unmarshal([]byte(run(t, []string{"fleet", "status", name, "-o", "json"}).stdout), &status))
	require.Equal(t, fleet.Ended, status.State)
	again := run(t, []string{"fleet", "start", "-f", "-", "--name", name}, withStdin(manifestOf(secrets...)))
	require.Equal(t, cli.ExitRefused, again.code)
	require.Equal(t, "starter: there was a fleet "+name+" already; choose another --name\n", again.stderr)
	late := run(t, []string{"fleet", "pause", name})
	require.Equal(t, cli.ExitRefused, late.code)
	require.Contains(t, late.stderr, "no fleet "+name+" is running")
}

func TestFleetPausedSpedUpAndStopped(t *testing.T) {
	t.Parallel()
	secrets, name := newSecrets(t, 5), fleetNamed()
	held := hold(t, "PutSecretValue", secrets[0].Name)
	following := start(t, []string{"fleet", "start", "-f", "-", "--name", name, "--canary", "0", "--parallel", "1"}, withStdin(manifestOf(secrets...)), onTerminal)
	reached(t, held)
	say := func(words ...string) finished { return run(t, append([]string{"fleet"}, words...)) }
	paused := say("pause", name, "--reason", "a  release")
	require.Zero(t, paused.code, paused.stderr)
	require.Contains(t, paused.stdout, "Paused by ada")
	require.Contains(t, paused.stdout, ": a release. None begins until somebody decides: resume or stop. 0 of 5 secrets are done, 1 are being rotated.\n")
	twice := say("pause", name)
	require.Equal(t, cli.ExitRefused, twice.code)
	require.Equal(t, "starter: pause is refused: the fleet is paused already\n", twice.stderr)
	held.Release()
	eventually(t, fleetPatience, "the first has ended", func() bool {
		return strings.Contains(say("status", name).stdout, "1 of 5 secrets are done (1 Rotated).")
	})
	require.Equal(t, map[string]int{"Rotated": 1, "NotStarted": 4}, reportOf(t, name).Counts)

	require.Equal(t, cli.ExitUsage, say("speed", name).code)
	tooFast := say("speed", name, "--parallel", "501")
	require.Equal(t, cli.ExitRefused, tooFast.code)
	require.Contains(t, tooFast.stderr, "Parallel: wanted: 1 to 500")
	require.Zero(t, say("speed", name, "--parallel", "2", "--max-failures", "0").code)
	second, third := hold(t, "PutSecretValue", secrets[1].Name), hold(t, "PutSecretValue", secrets[2].Name)
	require.Zero(t, say("resume", name).code)
	reached(t, second)
	reached(t, third)
	stopping := say("stop", name, "-o", "json")
	require.Zero(t, stopping.code, stopping.stderr)
	second.Release()
	third.Release()

	f := following.waitAtMost(fleetPatience)
	require.Equal(t, cli.ExitRefused, f.code, "it was stopped")
	inOrder(t, f.stdout, "rotating ", "─", "0 of 5, 1 open", "paused", "3 of 5", "Stopped by ada", "3 of 5 secrets are done (3 Rotated).")
	r := reportOf(t, name)
	require.Equal(t, map[string]int{"Rotated": 3, "NotStarted": 2}, r.Counts)
	require.Empty(t, r.Secrets[4].WorkflowID)
}

func TestFleetWhoseCanaryFails(t *testing.T) {
	t.Parallel()
	secrets, name := newSecrets(t, 3), fleetNamed()
	breakAfterNew(t, secrets[0])
	f := runFleet(t, name, manifestOf(secrets...), []string{"--canary", "1"})
	require.Equal(t, cli.ExitParked, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "Paused by itself: secret "+secrets[0].Name+" of the canary ended as RolledBack. None begins until somebody decides",
		"A person has to decide: starter fleet resume "+name+", or starter fleet stop "+name+"\n")
	require.Len(t, stored(t, secrets[2]).Versions, 1)
	require.Zero(t, run(t, []string{"fleet", "resume", name}).code)
	watched := start(t, []string{"fleet", "status", name, "--watch", "-o", "json"}).waitAtMost(fleetPatience)
	require.Equal(t, cli.ExitRolledBack, watched.code, watched.stderr)
	require.Equal(t, map[string]string{secrets[0].Name: "RolledBack", secrets[1].Name: "Rotated", secrets[2].Name: "Rotated"}, outcomes(reportOf(t, name).Secrets))
}

// A rotation that is parked before its turn, or in it, is left to a person; one of somebody else's that ends counts.
func TestFleetMeetsOthersRotations(t *testing.T) {
	t.Parallel()
	secrets, name := newSecrets(t, 3), fleetNamed()
	breakAfterNew(t, secrets[0])
	require.Equal(t, cli.ExitParked, start(t, words("rotate", secrets[0], "--on-failure", "park")).waitAtMost(fleetPatience).code)
	held := hold(t, "PutSecretValue", secrets[1].Name)
	other := start(t, words("rotate", secrets[1]))
	reached(t, held)
	following := start(t, []string{"fleet", "start", "-f", "-", "--name", name, "--canary", "0", "-o", "json"}, withStdin(manifestOf(secrets...)))
	eventually(t, fleetPatience, "the third is done, the others are busy", func() bool {
		var s fleet.Status
		f := run(t, []string{"fleet", "status", name, "-o", "json"})
		return json.Unmarshal([]byte(f.stdout), &s) == nil && s.Tally.Rotated == 1
	})
	held.Release()
	require.Zero(t, other.waitAtMost(fleetPatience).code)
	f := following.waitAtMost(fleetPatience)
	require.Equal(t, cli.ExitParked, f.code, f.stderr)
	r := reportOf(t, name)
	require.Equal(t, map[string]string{secrets[0].Name: fleet.Stuck, secrets[1].Name: "Rotated", secrets[2].Name: "Rotated"}, outcomes(r.Secrets))
	require.Equal(t, []bool{true, true, false}, []bool{r.Secrets[0].Another, r.Secrets[1].Another, r.Secrets[2].Another})
	require.Len(t, stored(t, secrets[1]).Versions, 2, "one rotation is enough")
}

func TestFleetLeaked(t *testing.T) {
	t.Parallel()
	secrets, name := newSecrets(t, 2), fleetNamed()
	f := runFleet(t, name, manifestOf(secrets...), []string{"--leaked"}, onTerminal)
	require.Zero(t, f.code, f.stdout+f.stderr)
	require.Contains(t, f.stdout, "━")
	for _, s := range secrets {
		db, err := stack.MySQL.Open(s.Account, s.Password.Reveal(), "")
		require.NoError(t, err)
		require.Error(t, db.PingContext(t.Context()), "the former credential is gone")
		require.NoError(t, db.Close())
	}
}

// More than a handful goes on without the starter.
func TestRotateOfManyIsAFleet(t *testing.T) {
	t.Parallel()
	text := "defaults: {region: cn-hangzhou, schedule: {every: 30d}}\nrotations:\n"
	prefix := fmt.Sprintf("nobody%d-", secretNumber.Add(1))
	for i := range 51 {
		text += fmt.Sprintf("  - {secret: %s%d}\n", prefix, i)
	}
	f := start(t, []string{"rotate", "-f", "-", "-o", "json", "--parallel", "20"}, withStdin(text)).waitAtMost(fleetPatience)
	require.Equal(t, cli.ExitRefused, f.code, f.stdout+f.stderr)
	var s fleet.Status
	require.NoError(t, json.Unmarshal([]byte(f.stdout), &s), f.stdout)
	require.Equal(t, fleet.Ended, s.State)
	require.Equal(t, fleet.Tally{Refused: 51}, s.Tally)
	require.Equal(t, 20, s.Limits.Parallel)
	r := reportOf(t, s.Name)
	require.Len(t, r.Secrets, 51)
	require.Equal(t, string(rotation.Refused), r.Secrets[50].Outcome)
	require.NotEmpty(t, r.Secrets[50].Reason)
}

// Where names are hidden, those who have the keys read the report, and nobody else.
func TestFleetOfHiddenNames(t *testing.T) {
	t.Parallel()
	h := hide(t, payloadtest.File(t, payloadtest.Line("ids"), payloadtest.Line("first")))
	secrets, name := []devstack.Secret{newVeiled(t), newVeiled(t)}, fleetNamed()
	breakAfterNew(t, secrets[1])
	f := runFleet(t, name, manifestOf(secrets...), []string{"--canary", "0"}, h.env)
	require.Equal(t, cli.ExitRolledBack, f.code, f.stdout+f.stderr)
	r := reportOf(t, name, h.env)
	require.Equal(t, map[string]string{secrets[0].Name: "Rotated", secrets[1].Name: "RolledBack"}, outcomes(r.Secrets))
	require.Equal(t, h.keys.Hide(workflowID(secrets[1])), r.Secrets[1].WorkflowID)
	require.NotEmpty(t, r.Secrets[1].Reason)
	without := run(t, []string{"fleet", "report", name})
	require.Equal(t, cli.ExitUsage, without.code)
	oneLine(t, without.stderr)
	require.Contains(t, without.stderr, "ROTOR_PAYLOAD_KEYS")
	for _, id := range []string{fleet.WorkflowID(name), fleet.PartID(name, 0)} {
		events := temporal.GetWorkflowHistory(t.Context(), id, "", false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(t, err)
			kept, err := proto.Marshal(event)
			require.NoError(t, err)
			for _, s := range secrets {
				require.NotContains(t, string(kept), s.Name, "%s, event %d", id, event.EventId)
			}
		}
	}
}
