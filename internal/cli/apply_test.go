package cli_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/cli"
	devtemporal "rotor/internal/devstack/temporal"
	"rotor/internal/rotation"
)

// place is a Temporal server without anything in it.
type place struct {
	client.Client
	address string
	server  *devtemporal.Server
}

func newPlace(t *testing.T) *place {
	t.Helper()
	server, err := devtemporal.Start(t.Context(), devtemporal.Options{Headless: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop()) })
	c, err := client.Dial(client.Options{HostPort: server.Address, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &place{c, server.Address, server}
}

// here is the stack that tests share; each has secrets of its own.
func here() *place { return &place{temporal, stack.Temporal.Address, stack.Temporal} }

func (p *place) env() how { return withEnv("TEMPORAL_ADDRESS=" + p.address) }

// list gives all schedules by id, as the server tells them.
func (p *place) list(t *testing.T) map[string]*client.ScheduleListEntry {
	t.Helper()
	all, err := p.tryList(t.Context())
	require.NoError(t, err)
	return all
}

func (p *place) tryList(ctx context.Context) (map[string]*client.ScheduleListEntry, error) {
	all := map[string]*client.ScheduleListEntry{}
	found, err := p.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return nil, err
	}
	for found.HasNext() {
		e, err := found.Next()
		if err != nil {
			return nil, err
		}
		all[e.ID] = e
	}
	return all, nil
}

// shows waits until the list, which follows a moment later, has so many schedules.
func (p *place) shows(t *testing.T, n int) map[string]*client.ScheduleListEntry {
	t.Helper()
	var all map[string]*client.ScheduleListEntry
	eventually(t, 3*time.Minute+time.Duration(n)*30*time.Millisecond, fmt.Sprintf("%d schedules", n), func() bool {
		// A server that has just been given a thousand is busy for a while, and may let a call run out of time.
		list, err := p.tryList(t.Context())
		all = list
		return err == nil && len(all) == n
	})
	return all
}

func (p *place) schedule(t *testing.T, id string) *client.ScheduleDescription {
	t.Helper()
	d, err := p.ScheduleClient().GetHandle(t.Context(), id).Describe(t.Context())
	require.NoError(t, err)
	return d
}

func hostname(t *testing.T) string {
	t.Helper()
	name, err := os.Hostname()
	require.NoError(t, err)
	return name
}

func applyReport(t *testing.T, f finished) (r cli.ApplyReport) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(f.stdout), &r), f.stdout+f.stderr)
	return r
}

// manyEntries is a manifest with n entries; one of them, number odd, has an interval of its own.
func manyEntries(n, odd int) string {
	var b strings.Builder
	b.WriteString("name: many\ndefaults: {region: cn-hangzhou, schedule: {every: 30d, jitter: 2h}}\nrotations:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - {secret: team%d/db%d, labels: {team: team%d}", i%20, i, i%20)
		if i == odd {
			b.WriteString(", schedule: {every: 28d, jitter: 2h}")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// entries is how many entries the manifest of TestManyEntries has: make test-full has 1000, which the list tells in two pages, make
// manifest-size ENTRIES.
var entries = flag.Int("entries", 200, "how many entries TestManyEntries applies, a multiple of 200")

func TestManyEntries(t *testing.T) {
	t.Parallel()
	p, n := newPlace(t), *entries
	left := n * 9 / 10
	// On a busy machine, so many schedules take their time. How long each command takes is told with -v.
	starter := func(text string, line ...string) finished {
		began := time.Now()
		f := start(t, line, withStdin(text), p.env()).waitAtMost(2*time.Minute + time.Duration(n)*300*time.Millisecond)
		t.Logf("%6.1f s  starter %s", time.Since(began).Seconds(), strings.Join(line, " "))
		return f
	}
	apply := func(text string, more ...string) finished {
		return starter(text, append([]string{"apply", "-f", "-"}, more...)...)
	}
	// What others made stays.
	require.Zero(t, run(t, []string{"schedule", "by/hand", "-r", "cn-hangzhou", "--every", "30d"}, p.env()).code)
	require.Zero(t, run(t, []string{"apply", "-f", "-"}, withStdin("name: another\nrotations: [{secret: of/another, region: cn-hangzhou, schedule: {every: 30d}}]\n"), p.env()).code)
	_, err := p.ScheduleClient().Create(t.Context(), client.ScheduleOptions{ID: "rotor/alibaba-kms/cn-hangzhou/else", Action: &client.ScheduleWorkflowAction{
		ID: "else", Workflow: "Else", TaskQueue: "else"}})
	require.NoError(t, err)

	made := apply(manyEntries(n, -1), "-o", "json")
	require.Zero(t, made.code, made.stderr)
	r := applyReport(t, made)
	require.Equal(t, n, r.Created)
	require.Zero(t, r.Changed+r.Deleted+r.Unchanged+r.Failed)
	all := p.shows(t, n+3)
	for i := range n {
		id := fmt.Sprintf("rotor/alibaba-kms/cn-hangzhou/team%d/db%d", i%20, i)
		e := all[id]
		require.NotNil(t, e, id)
		require.Equal(t, []client.ScheduleIntervalSpec{{Every: 30 * 24 * time.Hour, Offset: e.Spec.Intervals[0].Offset}}, e.Spec.Intervals)
		require.Equal(t, 2*time.Hour, e.Spec.Jitter)
		require.Equal(t, rotation.WorkflowType, e.WorkflowType.Name)
		require.False(t, e.Paused)
		require.NotNil(t, e.Memo.GetFields()["rotor"], "the hash is in the memo")
	}
	d := p.schedule(t, "rotor/alibaba-kms/cn-hangzhou/team7/db7")
	require.Equal(t, enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, d.Schedule.Policy.Overlap)
	require.Equal(t, 30*24*time.Hour, d.Schedule.Policy.CatchupWindow)
	action := d.Schedule.Action.(*client.ScheduleWorkflowAction)
	require.Equal(t, "scheduled/alibaba-kms/cn-hangzhou/team7/db7", action.ID)
	require.Equal(t, "rotor", action.TaskQueue)
	require.WithinDuration(t, d.Info.CreatedAt.Add(30*24*time.Hour), d.Info.NextActionTimes[0], 3*time.Hour)

	again := apply(manyEntries(n, -1))
	require.Equal(t, finished{stdout: fmt.Sprintf("Applied: 0 created, 0 changed, 0 deleted, %d unchanged.\n", n)}, again)
	require.Zero(t, p.schedule(t, "rotor/alibaba-kms/cn-hangzhou/team7/db7").Info.LastUpdateAt.Unix(), "it was not touched")

	listed := starter("", "list")
	require.Zero(t, listed.code, listed.stderr)
	require.True(t, strings.HasSuffix(listed.stdout, fmt.Sprintf("\n%d secrets: %d unknown.\n", n+2, n+2)), "it ends otherwise")

	planned := starter(manyEntries(n, 7), "plan", "-f", "-", "--exit-code")
	require.Equal(t, cli.ExitRefused, planned.code)
	require.Equal(t, "~ team7/db7  alibaba-kms cn-hangzhou\n    every: 30d -> 28d\n    catch-up window: 30d -> 28d\n"+
		fmt.Sprintf("Plan: 0 to create, 1 to change, 0 to delete, %d unchanged.\n", n-1), planned.stdout)
	require.Equal(t, 30*24*time.Hour, p.schedule(t, "rotor/alibaba-kms/cn-hangzhou/team7/db7").Schedule.Spec.Intervals[0].Every, "a plan changes nothing")
	changed := apply(manyEntries(n, 7))
	require.Equal(t, strings.Replace(planned.stdout, "Plan: 0 to create, 1 to change, 0 to delete", "Applied: 0 created, 1 changed, 0 deleted", 1), changed.stdout)
	d = p.schedule(t, "rotor/alibaba-kms/cn-hangzhou/team7/db7")
	require.Equal(t, 28*24*time.Hour, d.Schedule.Spec.Intervals[0].Every)
	require.NotZero(t, d.Info.LastUpdateAt.Unix())
	require.Equal(t, finished{stdout: fmt.Sprintf("Plan: 0 to create, 0 to change, 0 to delete, %d unchanged.\n", n)},
		starter(manyEntries(n, 7), "plan", "-f", "-", "--exit-code", "--prune"))

	require.Equal(t, fmt.Sprintf("Applied: 0 created, 0 changed, 0 deleted, %d unchanged.\n", left), apply(manyEntries(left, 7)).stdout, "without --prune, what is no longer there stays")
	pruned := applyReport(t, apply(manyEntries(left, 7), "--prune", "-o", "json"))
	require.Equal(t, []int{0, 0, n - left, left}, []int{pruned.Created, pruned.Changed, pruned.Deleted, pruned.Unchanged})
	all = p.shows(t, left+3)
	for _, id := range []string{"by/hand", "of/another", "else", fmt.Sprintf("team19/db%d", left-1)} {
		require.NotNil(t, all["rotor/alibaba-kms/cn-hangzhou/"+id], id)
	}
	require.Nil(t, all[fmt.Sprintf("rotor/alibaba-kms/cn-hangzhou/team0/db%d", left)])

	deleted := starter(manyEntries(left, 7), "delete", "-f", "-", "--label", "team=team3")
	require.Zero(t, deleted.code, deleted.stderr)
	require.Contains(t, deleted.stdout, "team3/db23  alibaba-kms cn-hangzhou  deleted\n")
	require.Contains(t, deleted.stdout, fmt.Sprintf("\n%d schedules deleted, 0 without a schedule, 0 failed.\n", left/20))
	p.shows(t, left+3-left/20)
}

// A server that is away for a moment does not break off an apply, and what became of each entry is told as it is.
func TestApplyWhileTemporalRestarts(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	applying := start(t, []string{"apply", "-f", "-"}, withStdin(manyEntries(200, -1)), p.env())
	eventually(t, 3*time.Minute, "the first schedules", func() bool { return strings.Count(applying.stdout.String(), "\n+ ") > 10 })
	require.NoError(t, p.server.Kill())
	require.NoError(t, p.server.Restart(t.Context()))
	f := applying.waitAtMost(5 * time.Minute)
	require.Zero(t, f.code, f.stderr)
	require.True(t, strings.HasSuffix(f.stdout, "\nApplied: 200 created, 0 changed, 0 deleted, 0 unchanged.\n"), f.stdout[max(0, len(f.stdout)-300):])
	p.shows(t, 200)
	require.Equal(t, "Plan: 0 to create, 0 to change, 0 to delete, 200 unchanged.\n", run(t, []string{"plan", "-f", "-"}, withStdin(manyEntries(200, -1)), p.env()).stdout)
}

func TestApplyFieldByField(t *testing.T) {
	t.Parallel()
	p := here()
	apply := func(text string, more ...string) finished {
		return run(t, append([]string{"apply", "-f", "-"}, more...), withStdin(text), p.env())
	}
	const id = "rotor/aws-secrets-manager/eu-west-1/orders/db"
	made := apply(`name: one
rotations:
  - secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbCdEf
    store: aws-secrets-manager
    schedule: {every: 28d, window: {daysOfWeek: [sun], from: 01:00, to: 05:00}, timeZone: Europe/Berlin}
    owner: ada
    labels: {team: orders}
`)
	require.Equal(t, "+ orders/db  aws-secrets-manager eu-west-1  every 28d, between 01:00 and 05:00 on sun (Europe/Berlin)\nApplied: 1 created, 0 changed, 0 deleted, 0 unchanged.\n", made.stdout)
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	for _, next := range p.schedule(t, id).Info.NextActionTimes {
		local := next.In(berlin)
		require.Equal(t, time.Sunday, local.Weekday())
		require.Contains(t, []int{1, 2, 3}, local.Hour(), "in the first half, in summer and in winter")
	}
	require.Equal(t, 90*time.Minute, p.schedule(t, id).Schedule.Policy.CatchupWindow, "half of what is open all the year")

	changed := apply(`name: two
rotations:
  - secret: orders/db
    region: eu-west-1
    store: aws-secrets-manager
    schedule: {calendar: {daysOfMonth: [1], months: [1, 7], at: 03:30}, timeZone: Europe/Paris, jitter: 10m}
    owner: bob
    labels: {team: orders, stage: prod}
    network: rotor-eu
    onFailure: park
    password: {length: 40}
    grace: 2d
`)
	require.Equal(t, `~ orders/db  aws-secrets-manager eu-west-1
    when: every 28d -> at 03:30 on day 1 of month 1, 7
    window: between 01:00 and 05:00 on sun -> none
    time zone: Europe/Berlin -> Europe/Paris
    jitter: 0s -> 10m
    catch-up window: 1h30m -> 184d
    task queue: rotor -> rotor-eu
    request, Grace: 1h0m0s -> 48h0m0s
    request, OnFailure: rollback -> park
    request, Password: none -> {"Length":40}
    request, SecretName: arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbCdEf -> orders/db
    owner: ada -> bob
    labels: team=orders -> stage=prod, team=orders
    kept by: manifest one -> manifest two
Applied: 0 created, 1 changed, 0 deleted, 0 unchanged.
`, changed.stdout)
	d := p.schedule(t, id)
	require.Equal(t, "Europe/Paris", d.Schedule.Spec.TimeZoneName)
	paris, err := time.LoadLocation("Europe/Paris")
	require.NoError(t, err)
	next := d.Info.NextActionTimes[0].In(paris)
	require.Equal(t, []int{1, 3}, []int{next.Day(), next.Hour()}, next)
	require.Equal(t, "rotor-eu", d.Schedule.Action.(*client.ScheduleWorkflowAction).TaskQueue)
}

// What was changed behind Rotor's back shows: at once where a list tells it, else with --deep.
func TestPlanSeesDrift(t *testing.T) {
	t.Parallel()
	p := here()
	const text = "rotations: [{secret: drift, region: r-1, schedule: {every: 30d}}]\n"
	require.Zero(t, run(t, []string{"apply", "-f", "-"}, withStdin(text), p.env()).code)
	change := func(do func(*client.Schedule)) {
		h := p.ScheduleClient().GetHandle(t.Context(), "rotor/alibaba-kms/r-1/drift")
		before := p.schedule(t, "rotor/alibaba-kms/r-1/drift").Info.LastUpdateAt
		require.NoError(t, h.Update(t.Context(), client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			do(&in.Description.Schedule)
			return &client.ScheduleUpdate{Schedule: &in.Description.Schedule}, nil
		}}))
		eventually(t, 2*time.Minute, "the change", func() bool { return p.schedule(t, "rotor/alibaba-kms/r-1/drift").Info.LastUpdateAt != before })
	}
	plan := func(more ...string) string {
		return run(t, append([]string{"plan", "-f", "-"}, more...), withStdin(text), p.env()).stdout
	}
	change(func(s *client.Schedule) { s.Action.(*client.ScheduleWorkflowAction).TaskQueue = "elsewhere" })
	require.Equal(t, "Plan: 0 to create, 0 to change, 0 to delete, 1 unchanged.\n", plan())
	require.Contains(t, plan("--deep"), "~ drift  alibaba-kms r-1\n    task queue: elsewhere -> rotor\n")
	change(func(s *client.Schedule) { s.Spec.Intervals[0] = client.ScheduleIntervalSpec{Every: 24 * time.Hour} })
	eventually(t, 2*time.Minute, "the list follows", func() bool {
		return strings.Contains(plan(), "    every: 1d -> 30d\n    task queue: elsewhere -> rotor\n")
	})
	require.Zero(t, run(t, []string{"apply", "-f", "-", "--deep"}, withStdin(text), p.env()).code)
	require.Equal(t, "Plan: 0 to create, 0 to change, 0 to delete, 1 unchanged.\n", plan("--deep"))
}

func TestPausesAndManifests(t *testing.T) {
	t.Parallel()
	p := here()
	const id = "rotor/alibaba-kms/r-1/pauses"
	apply := func(paused string) string {
		f := run(t, []string{"apply", "-f", "-"}, withStdin("rotations: [{secret: pauses, region: r-1, schedule: {every: 30d}"+paused+"}]\n"), p.env())
		require.Zero(t, f.code, f.stderr)
		return f.stdout
	}
	apply(", paused: true")
	require.True(t, p.schedule(t, id).Schedule.State.Paused)
	require.Contains(t, p.schedule(t, id).Schedule.State.Note, "paused in the manifest")
	eventually(t, 2*time.Minute, "the list follows", func() bool { return p.list(t)[id] != nil })
	require.Contains(t, apply(""), "~ pauses  alibaba-kms r-1\n    paused: true -> false\n", "what the manifest paused, it lets go on")
	require.False(t, p.schedule(t, id).Schedule.State.Paused)

	paused := run(t, []string{"pause", "pauses", "-r", "r-1", "--reason", "the database moves | rotor waits"}, p.env())
	require.Zero(t, paused.code, paused.stderr)
	require.Contains(t, paused.stdout, "pauses  alibaba-kms r-1  paused\n")
	require.True(t, p.schedule(t, id).Schedule.State.Paused)
	eventually(t, 2*time.Minute, "the list follows", func() bool { return p.list(t)[id].Paused })
	require.Equal(t, "= pauses  alibaba-kms r-1\n    stays paused: paused by ada@"+hostname(t)+": the database moves | rotor waits\nApplied: 0 created, 0 changed, 0 deleted, 1 unchanged; 1 paused by somebody stay so.\n", apply(""))
	require.True(t, p.schedule(t, id).Schedule.State.Paused, "what a person paused stays so")

	resumed := run(t, []string{"resume", "pauses", "-r", "r-1"}, p.env())
	require.Zero(t, resumed.code, resumed.stderr)
	require.False(t, p.schedule(t, id).Schedule.State.Paused)
	eventually(t, 2*time.Minute, "the list follows", func() bool { return !p.list(t)[id].Paused })
	require.Equal(t, "Applied: 0 created, 0 changed, 0 deleted, 1 unchanged.\n", apply(""))
	require.Contains(t, apply(", paused: true"), "    paused: false -> true\n")
}

// A manifest with mistakes changes nothing, and one schedule that can't be made does not keep the others from being made.
func TestApplyThatFails(t *testing.T) {
	t.Parallel()
	p := here()
	wrong := run(t, []string{"apply", "-f", "-"}, withStdin(twoMistakes), p.env())
	require.Equal(t, cli.ExitUsage, wrong.code)
	for _, command := range []string{"plan", "apply"} {
		none := run(t, []string{command, "-f", "-", "--label", "team=nobody"}, withStdin("rotations: [{secret: a, region: r-1, schedule: {every: 30d}}]\n"), p.env())
		require.Equal(t, finished{code: cli.ExitRefused, stderr: "starter: no entry has label team=nobody\n"}, none)
	}
	require.Empty(t, wrong.stdout)
	require.Contains(t, wrong.stderr, "stdin:6:5: regoin: unknown field")
	for id := range p.list(t) {
		require.NotContains(t, []string{"rotor/alibaba-kms/r-1/a", "rotor/alibaba-kms/r-1/b"}, id)
	}

	_, err := p.ScheduleClient().Create(t.Context(), client.ScheduleOptions{ID: "rotor/alibaba-kms/r-1/fails/b", Action: &client.ScheduleWorkflowAction{ID: "x", Workflow: "Else", TaskQueue: "x"}})
	require.NoError(t, err)
	f := run(t, []string{"apply", "-f", "-"}, withStdin("defaults: {region: r-1, schedule: {every: 30d}}\nrotations: [{secret: fails/a}, {secret: fails/b}, {secret: fails/c}]\n"), p.env())
	require.Equal(t, cli.ExitRefused, f.code)
	require.Contains(t, f.stdout, "failed: the schedule rotor/alibaba-kms/r-1/fails/b exists, and starts something else than rotations")
	require.Contains(t, f.stdout, "Applied: 2 created, 0 changed, 0 deleted, 0 unchanged, 1 failed.\n")
	require.Equal(t, 30*24*time.Hour, p.schedule(t, "rotor/alibaba-kms/r-1/fails/c").Schedule.Spec.Intervals[0].Every)
	gone := run(t, []string{"apply", "-f", "-"}, withStdin("rotations: []\n"), withEnv("TEMPORAL_ADDRESS=127.0.0.1:1"))
	require.Equal(t, cli.ExitUsage, gone.code)
	oneLine(t, gone.stderr)
}

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	p := here()
	f := run(t, []string{"apply", "-f", "-"}, withStdin(manyEntries(40, -1)), p.env(), onTerminal)
	require.Zero(t, f.code, f.stderr)
	require.Contains(t, f.stdout, " 40 of 40")
	require.Contains(t, f.stdout, "━")
	require.Contains(t, f.stdout, "Applied: 40 created")
	require.NotContains(t, run(t, []string{"apply", "-f", "-"}, withStdin(manyEntries(45, -1)), p.env()).stdout, "━", "in a file there is no bar")
	require.NotContains(t, run(t, []string{"apply", "-f", "-", "-o", "json"}, withStdin(manyEntries(50, -1)), p.env(), onTerminal).stdout, "━", "nor in JSON")
}
