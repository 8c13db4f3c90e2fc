package manifest_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/manifest"
	"rotor/internal/recurrence"
	"rotor/internal/rotation"
)

var write = flag.Bool("write", false, "write docs/rotations.schema.json")

// read reads a manifest from the standard input.
func read(text string) (*manifest.Manifest, []string) {
	m, problems := manifest.Read([]string{"-"}, manifest.Options{Stdin: strings.NewReader(text)})
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.Error())
	}
	return m, lines
}

func TestTheExampleOfTheDocs(t *testing.T) {
	t.Parallel()
	const file = "../../docs/rotations.yaml"
	m, problems := manifest.Read([]string{file}, manifest.Options{})
	require.Empty(t, problems)
	require.Empty(t, m.Warnings)
	require.Equal(t, []string{"shop"}, m.Names)
	require.Len(t, m.Rotations, 4)

	orders := m.Rotations[0]
	require.Equal(t, rotation.Request{SecretName: "orders/db", Store: rotation.StoreAWS, RegionId: "eu-central-1", OnFailure: "rollback", Grace: "1h0m0s", Patience: "15m0s"},
		orders.Request)
	require.Equal(t, recurrence.Rule{Every: 30 * 24 * time.Hour, Jitter: 2 * time.Hour}, orders.Rule)
	require.Equal(t, map[string]string{"stage": "prod", "team": "orders"}, orders.Labels, "those of the defaults, and its own")
	require.Equal(t, "dba@example.com", orders.Owner)
	require.Equal(t, "shop", orders.Manifest)
	require.Equal(t, fmt.Sprintf("%s:14", file), fmt.Sprintf("%s:%d", orders.File, orders.Line))

	reports := m.Rotations[1]
	require.Equal(t, "orders/reports", reports.Request.Name())
	require.Equal(t, "at 03:00 on sun (Europe/Berlin)", reports.Rule.Text(), "a schedule is replaced as a whole")

	ledger := m.Rotations[2]
	require.Equal(t, "rotor-payments", ledger.Network)
	require.Equal(t, "park", ledger.Request.OnFailure)
	require.Equal(t, rotation.PasswordPolicy{Length: 40, ExcludeCharacters: "-"}, ledger.Request.Password)
	require.Equal(t, "every 28d, between 01:00 and 05:00 on sat, sun (Europe/Berlin)", ledger.Rule.Text())

	shop := m.Rotations[3]
	require.True(t, shop.Paused)
	require.Equal(t, "rotate/alibaba-kms/cn-hangzhou/shop", shop.Request.WorkflowID())
	require.Equal(t, "rm-bp1234567890abcdef", shop.Request.InstanceId)
}

// Twenty mistakes: each is reported, at its place, in the order of the file.
func TestTwentyMistakes(t *testing.T) {
	t.Parallel()
	m, problems := read(`name: "a b"
defaults:
  region: eu-central-1
  stoer: aws-secrets-manager
  schedule: {every: 30d}
rotations:
  - secret: one
    strategy: triple
  - secret: two
    region: EU 1
  - region: eu-central-1
  - secret: four
    schedule: {every: 20h}
  - secret: five
    store: aws-secrets-manager
    schedule: {every: 5m}
  - secret: six
    schedule: {every: 400d}
  - secret: seven
    schedule: {every: often}
  - secret: eight
    schedule: {jitter: 1h}
  - secret: nine
    schedule: {every: 30d, calendar: {at: 03:00}}
  - secret: ten
    schedule: {calendar: {at: 25:00}}
  - secret: eleven
    schedule: {calendar: {at: 03:00}, timeZone: Europe/Atlantis}
  - secret: twelve
    schedule: {every: 36h, window: {from: 01:00, to: 05:00}}
  - secret: thirteen
    password: {length: 7}
  - secret: fourteen
    password: hunter2
  - secret: fifteen
    onFailure: pray
  - secret: sixteen
    paused: maybe
  - secret: one
  - secret: eighteen
    labels: {password: hunter2}
  - secret: nineteen
    secret: twenty
`)
	require.Nil(t, m)
	require.Equal(t, []string{
		"stdin:1:1: name: no manifest's name; wanted: letters, digits and ._/-, 63 at most",
		"stdin:4:3: stoer: unknown field; did you mean store?",
		"stdin:8:5: strategy: it is unknown; known: dual-account, single-user, dual-password",
		"stdin:10:5: region: it is no region: lower-case letters, digits and dashes, like cn-hangzhou",
		"stdin:11:5: secret: missing; wanted: the secret's name",
		"stdin:13:16: schedule.every: 20h is less than the store's versions bear: KMS keeps ten, and the 9 that a week of failing rotations would add push out the previous one; wanted: 21h to 365d",
		"stdin:16:16: schedule.every: 5m is less than the store's versions bear: Secrets Manager bears one new version of a secret per 10m; wanted: 1h to 365d",
		"stdin:18:16: schedule.every: 400d is out of range: 21h to 365d",
		"stdin:20:16: every: no interval; wanted: days, hours, minutes or seconds, like 30d, 12h or 1d12h",
		"stdin:22:5: schedule: neither every nor calendar; wanted: one of them, like {every: 30d}",
		"stdin:24:28: schedule.calendar: there is an interval (every), too; wanted: one of them",
		"stdin:26:27: at: no time of day; wanted: one like 03:00",
		"stdin:28:39: schedule.timeZone: no time zone of that name is known; wanted: one like Europe/Berlin or UTC",
		"stdin:30:16: schedule.every: 1d12h does not fit a window; wanted: whole days, like 4d",
		"stdin:32:16: length: wanted: a whole number of at least 8",
		"stdin:34:15: password: wanted: fields with values",
		"stdin:36:5: onFailure: it is unknown; known: rollback, park",
		"stdin:38:5: paused: wanted: true or false",
		"stdin:39:5: secret: one of alibaba-kms in eu-central-1 has an entry already, at stdin:7; wanted: one entry for each secret",
		"stdin:41:14: labels: password: nothing secret goes into a manifest; wanted: a label to choose entries by, like team",
		"stdin:43:5: secret: the field is there twice; wanted: one (the other stands in line 42)",
	}, problems)
	require.NotContains(t, strings.Join(problems, "\n"), "hunter2", "what may be a password is not quoted")
}

// Wherever somebody puts a password, it is not in the message, which may be in a log that many read.
func TestPasswordsInTheWrongPlace(t *testing.T) {
	t.Parallel()
	const canary = `hunter2 \"Zx%s`
	const value = `"` + canary + `"`
	fields := []string{"store", "region", "instanceId", "strategy", "schedule", "password", "onFailure", "grace", "patience", "proof", "adoptStandby",
		"acceptPasswordHistory", "retireFormer", "retireWhenIdle", "endSessions", "network", "owner", "labels", "paused",
		"schedule.every", "schedule.calendar", "schedule.timeZone", "schedule.window", "schedule.jitter", "schedule.calendar.at", "schedule.calendar.months",
		"schedule.calendar.daysOfMonth", "schedule.calendar.daysOfWeek", "schedule.window.from", "schedule.window.to", "schedule.window.daysOfWeek",
		"password.length", "password.source", "password.requireEachIncludedType", "labels.team", "nosuch", "secret"}
	for _, field := range fields {
		t.Run(field, func(t *testing.T) {
			t.Parallel()
			parts := strings.Split(field, ".")
			text := parts[len(parts)-1] + ": " + value
			for i := len(parts) - 2; i >= 0; i-- {
				text = parts[i] + ": {" + text + "}"
			}
			for _, other := range []string{"secret: a", "region: r-1", "schedule: {every: 30d}"} {
				if name, _, _ := strings.Cut(other, ":"); name != parts[0] {
					text += ", " + other
				}
			}
			m, problems := read("rotations: [{" + text + "}]\n")
			all := strings.Join(problems, "\n")
			if field == "instanceId" {
				require.NotContains(t, all, "hunter2")
				return // it takes any text
			}
			require.Nil(t, m)
			require.NotEmpty(t, problems)
			require.Contains(t, all, parts[len(parts)-1])
			for _, part := range []string{"hunter2", "Zx%s"} {
				require.NotContains(t, all, part)
			}
		})
	}
	_, problems := read("rotations: [{secret: 'acs:kms:cn-x:1:secret/b', region: hunter2, schedule: {every: 30d}}]\n")
	require.Len(t, problems, 1)
	require.NotContains(t, problems[0], "hunter2")
}

// A part of a schedule that can't be read does not hide what is wrong with the others.
func TestMistakesInOneSchedule(t *testing.T) {
	t.Parallel()
	_, problems := read(`defaults: {region: r-1}
rotations:
  - secret: one
    schedule:
      calendar: {daysOfMonth: [32], months: [13], daysOfWeek: [foo], at: 3}
      timeZone: Mars/Olympus
  - secret: two
    schedule: {every: 20h, jitter: soon}
  - secret: three
    schedule: {calendar: {daysOfMonth: [0], at: 03:00}, timeZone: Mars/Olympus}
  - secret: arn:aws:secretsmanager:eu-west-1:123456789012:secret:orders/db-AbCdEf
    region: eu-west-1
    schedule: {every: 30d}
  - secret: five
    schedule: {every: soon, window: {from: 01:00, to: 01:05}}
  - secret: six
    schedule: {every: 30h, jitter: 40h, foo: 1, window: {from: 01:00}}
  - secret: seven
    schedule: {calendar: {daysOfMonth: [30], months: [2], at: x}, every: 30d, window: {from: x}}
  - secret: eight
    schedule: {evry: 30d, timeZone: UTC, window: {frm: 01:00, to: 05:00}}
  - secret: nine
    schedule: &shared {every: soon}
  - secret: ten
    schedule: *shared
`)
	require.Equal(t, []string{
		"stdin:5:18: schedule.calendar.daysOfMonth: 32 is out of range: 1 to 31",
		"stdin:5:37: schedule.calendar.months: 13 is out of range: 1 to 12",
		"stdin:5:64: daysOfWeek: no day of the week; wanted: mon, tue, wed, thu, fri, sat, sun",
		"stdin:5:70: at: no time of day; wanted: one like 03:00",
		"stdin:6:7: schedule.timeZone: no time zone of that name is known; wanted: one like Europe/Berlin or UTC",
		"stdin:8:16: schedule.every: 20h is less than the store's versions bear: KMS keeps ten, and the 9 that a week of failing rotations would add push out the previous one; wanted: 21h to 365d",
		"stdin:8:28: jitter: no interval; wanted: days, hours, minutes or seconds, like 30d, 12h or 1d12h",
		"stdin:10:27: schedule.calendar.daysOfMonth: 0 is out of range: 1 to 31",
		"stdin:10:57: schedule.timeZone: no time zone of that name is known; wanted: one like Europe/Berlin or UTC",
		"stdin:11:5: store: alibaba-kms, but the ARN is that of a secret in another store; wanted: aws-secrets-manager, or a named store",
		"stdin:15:16: every: no interval; wanted: days, hours, minutes or seconds, like 30d, 12h or 1d12h",
		"stdin:15:29: schedule.window: it is too short: wanted at least 10m",
		"stdin:17:16: schedule.every: 1d6h does not fit a window; wanted: whole days, like 4d",
		"stdin:17:28: schedule.jitter: 1d16h is not shorter than the interval of 1d6h",
		"stdin:17:41: foo: unknown field; known: calendar, every, jitter, timeZone, window",
		"stdin:17:49: schedule.window.to: missing; wanted: a time of day, like 03:00",
		"stdin:19:16: schedule.calendar: there is an interval (every), too; wanted: one of them",
		"stdin:19:16: schedule.calendar: it does not come up at least once a year",
		"stdin:19:59: at: no time of day; wanted: one like 03:00",
		"stdin:19:79: schedule.window: a calendar says the hour itself; a window goes with every",
		"stdin:19:79: schedule.window.to: missing; wanted: a time of day, like 03:00",
		"stdin:19:88: from: no time of day; wanted: one like 03:00",
		// What an unknown name may have been meant for is not called missing, too.
		"stdin:21:16: evry: unknown field; did you mean every?",
		"stdin:21:51: frm: unknown field; did you mean from?",
		// The same schedule, through an alias, has the same problem, and no other.
		"stdin:23:24: every: no interval; wanted: days, hours, minutes or seconds, like 30d, 12h or 1d12h",
	}, problems)
}

// The standard input is read once, however often it is named.
func TestStandardInputTwice(t *testing.T) {
	t.Parallel()
	m, problems := manifest.Read([]string{"-", "-"}, manifest.Options{Stdin: strings.NewReader("rotations: [{secret: a, region: r-1, schedule: {every: 30d}}]\n")})
	require.Empty(t, problems)
	require.Len(t, m.Rotations, 1)
}

func TestProblems(t *testing.T) {
	t.Parallel()
	const one = "rotations: [{secret: a, region: r-1, schedule: {every: 30d}}]\n"
	entry := func(fields string) string {
		return "rotations:\n  - {secret: a, region: r-1, " + fields + "}\n"
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                    {"", "stdin: there is nothing in it"},
		"no YAML":                    {"rotations:\n  - [", "stdin:2:5: no YAML: "},
		"a list":                     {"- a\n", "stdin:1:1: the manifest: wanted: fields with values"},
		"no rotations":               {"name: a\n", "rotations: missing; wanted: one entry for each secret"},
		"rotations that are no list": {"rotations: {a: b}\n", "stdin:1:1: rotations: wanted: a list with one entry for each secret"},
		"an entry that is none":      {"rotations: [a]\n", "stdin:1:13: an entry: wanted: fields with values"},
		"secret among the defaults":  {"defaults: {secret: a}\n" + one, "stdin:1:12: secret: unknown field; known: "},
		"unknown field":              {one + "rotation: []\n", "stdin:2:1: rotation: unknown field; did you mean rotations?"},
		"no region":                  {"rotations: [{secret: a, schedule: {every: 30d}}]\n", "stdin:1:14: region: missing; wanted: a region like cn-hangzhou"},
		"no schedule":                {"rotations: [{secret: a, region: r-1}]\n", "stdin:1:14: schedule: missing; wanted: one like {every: 30d}"},
		"another region in the ARN":  {entry("schedule: {every: 30d}") + "  - {secret: 'acs:kms:cn-x:1:secret/b', region: r-1, schedule: {every: 30d}}\n", "stdin:3:41: region: it is another, but the ARN in secret says cn-x"},
		"a partial ARN":              {"rotations: [{secret: 'arn:aws:secretsmanager:r-1:1:secret:b', region: r-1, schedule: {every: 30d}}]\n", "stdin:1:14: secret: an incomplete ARN"},
		"unknown field of a rule":    {entry("schedule: {evry: 30d}"), "stdin:2:41: evry: unknown field; did you mean every?"},
		"password length":            {entry("schedule: {every: 30d}, password: {length: 200}"), "stdin:2:54: password.length: 200 is out of range: 8 to 128"},
		"retirement":                 {entry("schedule: {every: 30d}, retireFormer: soon"), "stdin:2:54: retireFormer: it is unknown; wanted: never, now, or a Go duration like 24h"},
		"when idle, and never":       {entry("schedule: {every: 30d}, retireWhenIdle: true"), "stdin:2:54: retireWhenIdle: says how retireFormer is to be done; give that, too"},
		"grace":                      {entry("schedule: {every: 30d}, grace: long"), "stdin:2:54: grace: it is no duration"},
		"network":                    {entry("schedule: {every: 30d}, network: 'a b'"), "stdin:2:54: network: no task queue's name"},
		"owner":                      {entry("schedule: {every: 30d}, owner: 'a\"b'"), "stdin:2:54: owner: wanted: a name or an address"},
		"label's name":               {entry("schedule: {every: 30d}, labels: {a b: c}"), "labels: no label's name"},
		"label's value":              {entry("schedule: {every: 30d}, labels: {a: 'b c'}"), "labels: a: no label's value"},
		"label that is no text":      {entry("schedule: {every: 30d}, labels: {a: 1}"), "a: wanted: a text"},
		"zone without use":           {entry("schedule: {every: 30d, timeZone: UTC}"), "schedule.timeZone: it goes with a calendar or a window"},
		"jitter":                     {entry("schedule: {every: 30d, jitter: 30d}"), "schedule.jitter: 30d is not shorter than the interval of 30d"},
		"no interval at all":         {entry("schedule: {every: 0d}"), "every: 0s is no interval"},
		"window and calendar":        {entry("schedule: {calendar: {at: 03:00}, window: {from: 01:00, to: 02:00}}"), "schedule.window: a calendar says the hour itself"},
		"window without an end":      {entry("schedule: {every: 30d, window: {from: 01:00}}"), "schedule.window.to: missing; wanted: a time of day"},
		"window that is too short":   {entry("schedule: {every: 30d, window: {from: 01:00, to: 01:05}}"), "schedule.window: it is too short: wanted at least 10m"},
		"window in summer time":      {entry("schedule: {every: 30d, window: {from: 01:00, to: 02:00}, timeZone: Europe/Berlin}"), "schedule.window: it is too short: wanted at least 1h10m, because Europe/Berlin has summer time"},
		"weekdays and not weeks":     {entry("schedule: {every: 30d, window: {daysOfWeek: [sat], from: 01:00, to: 05:00}}"), "schedule.every: 30d does not fit a window; wanted: whole weeks"},
		"jitter beyond the window":   {entry("schedule: {every: 30d, jitter: 3h, window: {from: 01:00, to: 05:00}}"), "schedule.jitter: 3h is longer than the first half of the window, 2h"},
		"no such day of the week":    {entry("schedule: {calendar: {at: 03:00, daysOfWeek: [sunday]}}"), "daysOfWeek: no day of the week; wanted: mon, tue"},
		"no such day of the month":   {entry("schedule: {calendar: {at: 03:00, daysOfMonth: [32]}}"), "schedule.calendar.daysOfMonth: 32 is out of range: 1 to 31"},
		"a day that never comes":     {entry("schedule: {calendar: {at: 03:00, daysOfMonth: [30], months: [2]}}"), "schedule.calendar: it does not come up at least once a year"},
		"a day of leap years":        {entry("schedule: {calendar: {at: 03:00, daysOfMonth: [29], months: [2]}}"), "schedule.calendar: 1461d is out of range"},
		"calendar without a time":    {entry("schedule: {calendar: {daysOfMonth: [1]}}"), "schedule.calendar.at: missing"},
		"days that are no list":      {entry("schedule: {calendar: {at: 03:00, daysOfMonth: 1}}"), "daysOfMonth: wanted: a list of numbers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, problems := read(c.text)
			require.Nil(t, m)
			require.Contains(t, strings.Join(problems, "\n"), c.want)
			require.Len(t, problems, 1)
		})
	}
}

// A mistake in the defaults is one mistake, however many entries have it.
func TestDefaultsAreReportedOnce(t *testing.T) {
	t.Parallel()
	_, problems := read("defaults: {region: r-1, strategy: x, schedule: {every: 1h}}\nrotations: [{secret: a}, {secret: b}, {secret: c, strategy: single-user, schedule: {every: 2d}}]\n")
	require.Len(t, problems, 2)
	require.Contains(t, problems[0], "stdin:1:25: strategy: ")
	require.Contains(t, problems[1], "stdin:1:49: schedule.every: ")
}

func TestFilesAndFolders(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "team [a]*")
	put := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	const head = "defaults: {region: r-1, schedule: {every: 30d}}\nrotations: "
	a := put("a.yaml", "name: x\n"+head+"[{secret: a}]\n")
	put("b.yml", head+"[{secret: b}]\n")
	put("c.txt", "no manifest")
	put("deeper/d.yaml", "no manifest")
	put("folder.yaml/e.yaml", "no manifest")
	m, problems := manifest.Read([]string{dir, a, "-"}, manifest.Options{Stdin: strings.NewReader(head + "[]\n")})
	require.Empty(t, problems)
	require.Equal(t, []string{a, filepath.Join(dir, "b.yml"), "stdin"}, m.Files, "each once")
	require.Equal(t, []string{"", "x"}, m.Names)
	require.Len(t, m.Rotations, 2)

	again := put("again.yaml", head+"[{secret: a}]\n")
	_, problems = manifest.Read([]string{a, again, filepath.Join(dir, "none.yaml"), filepath.Join(dir, "deeper", "e")}, manifest.Options{})
	require.Len(t, problems, 3)
	require.Equal(t, again+":2:14: secret: a of alibaba-kms in r-1 has an entry already, at "+a+":3; wanted: one entry for each secret", problems[0].Error())
	require.Contains(t, problems[1].Error(), "none.yaml: it can't be read; wanted: a YAML file, a folder of such, or - for the standard input")
}

func TestLoweredBounds(t *testing.T) {
	t.Parallel()
	const text = "defaults: {region: r-1, schedule: {every: 5s}, grace: 0s}\nrotations: [{secret: a}, {secret: b, store: aws-secrets-manager}]\n"
	_, problems := read(text)
	require.Len(t, problems, 2)
	_, none := manifest.Read([]string{"-"}, manifest.Options{Stdin: strings.NewReader(text), Bounds: recurrence.Bounds{Lowered: 5 * time.Second}})
	require.Empty(t, none)
	_, still := manifest.Read([]string{"-"}, manifest.Options{Stdin: strings.NewReader(text), Bounds: recurrence.Bounds{Lowered: 6 * time.Second}})
	require.NotEmpty(t, still)
}

// A named store's provider is known where the workers' configuration is.
func TestNamedStores(t *testing.T) {
	t.Parallel()
	const text = "rotations: [{secret: a, store: finance, region: r-1, schedule: {every: 20h}}]\n"
	_, problems := read(text)
	require.Empty(t, problems)
	_, found := manifest.Read([]string{"-"}, manifest.Options{Stdin: strings.NewReader(text), Providers: map[string]string{"finance": rotation.StoreAlibabaKMS}})
	require.Len(t, found, 1)
}

func TestGraceBeyondTheInterval(t *testing.T) {
	t.Parallel()
	m, problems := read("defaults: {region: r-1, schedule: {every: 1d}, grace: 2d}\nrotations: [{secret: a}, {secret: b, strategy: single-user}]\n")
	require.Empty(t, problems)
	require.Len(t, m.Warnings, 1)
	require.Contains(t, m.Warnings[0].Error(), "stdin:1:36: schedule.every: with two accounts that take turns, every rotation would be refused")
	require.Equal(t, "48h0m0s", m.Rotations[0].Request.Grace, "Temporal's workers know no days")
}

func TestRetirements(t *testing.T) {
	t.Parallel()
	m, problems := read("defaults: {region: r-1, schedule: {every: 30d}, retireFormer: 2d}\nrotations: [{secret: a}, {secret: b, retireFormer: now, endSessions: true}, {secret: c, retireFormer: never}]\n")
	require.Empty(t, problems)
	require.Equal(t, "48h0m0s", m.Rotations[0].Request.RetireFormer)
	require.Equal(t, rotation.RetireNow, m.Rotations[1].Request.RetireFormer)
	require.True(t, m.Rotations[1].Request.EndSessions)
	require.Equal(t, rotation.RetireNever, m.Rotations[2].Request.RetireFormer)
}

func TestAnchors(t *testing.T) {
	t.Parallel()
	m, problems := read("defaults: {region: r-1}\nrotations:\n  - {secret: a, schedule: &weekly {every: 7d}}\n  - {secret: b, schedule: *weekly}\n")
	require.Empty(t, problems)
	require.Equal(t, m.Rotations[0].Rule, m.Rotations[1].Rule)
}

// The schema in the docs is the one that the fields make: go test ./internal/manifest -args -write writes it.
func TestSchemaInTheDocs(t *testing.T) {
	t.Parallel()
	const file = "../../docs/rotations.schema.json"
	if *write {
		require.NoError(t, os.WriteFile(file, manifest.Schema(), 0o644))
	}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, bytes.Equal(manifest.Schema(), data), "it is out of date; write it with: go test ./internal/manifest -args -write")
}
