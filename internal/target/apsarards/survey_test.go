package apsarards_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/apsarards"
)

func TestSurvey(t *testing.T) {
	b := start(t, sim.Instance{})
	got, err := b.Survey(t.Context(), question(rotation.DualAccount, "app"))
	require.NoError(t, err)
	require.Equal(t, target.Survey{Passwords: rotation.PasswordRule{MinLength: 8, MaxLength: 32, Classes: 3, Punctuation: "!@#$%^&*()_+-="}}, got)

	b = start(t, sim.Instance{Accounts: []sim.Account{app(), partner(map[string]string{"wiki": "ReadWrite"})}})
	got, err = b.Survey(t.Context(), question(rotation.DualAccount, "app"))
	require.NoError(t, err)
	require.True(t, got.StandbyExists)
	require.Empty(t, b.writes())
}

// Nothing that is refused or waited for here has changed anything.
func TestSurveyRefuses(t *testing.T) {
	const (
		dual      = rotation.DualAccount
		single    = rotation.SingleUser
		permanent = rotation.Permanent
	)
	custom := sim.Account{Name: "app", Password: oldWord, Privileges: map[string]string{"shop": "ReadWrite"}}
	super := sim.Account{Name: "app", Password: oldWord, Type: sim.Super}
	for name, c := range map[string]struct {
		instance sim.Instance
		prepare  func(*testing.T, *bench)
		strategy rotation.Strategy
		current  string
		kind     rotation.Kind
		code     string
		words    []string
	}{
		"unknown account": {strategy: dual, current: "unknown", kind: permanent, words: []string{"account unknown does not exist", "InstanceId"}},
		"another engine": {instance: sim.Instance{Engine: "PostgreSQL", Version: "15.0"}, strategy: single, kind: permanent,
			words: []string{"its engine is PostgreSQL"}},
		"read-only": {instance: sim.Instance{Type: "Readonly", Master: "rm-0"}, strategy: single, kind: permanent,
			words: []string{"read-only", "primary instance rm-0"}},
		"locked": {instance: sim.Instance{LockMode: "LockByDiskQuota"}, strategy: single, kind: permanent, words: []string{"locked (LockByDiskQuota)", "unlock it"}},
		"not running": {instance: sim.Instance{Status: "DBInstanceClassChanging"}, strategy: dual, kind: rotation.Retryable, code: "busy",
			words: []string{"rm-1", "not Running, but DBInstanceClassChanging"}},
		"account busy": {instance: sim.Instance{Accounts: []sim.Account{{Name: "app", Status: sim.Unavailable}}}, strategy: single, kind: rotation.Retryable,
			code: "busy", words: []string{"account app of instance rm-1 is Unavailable"}},
		"standby busy": {instance: sim.Instance{Accounts: []sim.Account{app(), {Name: "app_rt", Status: sim.Unavailable}}}, strategy: dual,
			kind: rotation.Retryable, code: "busy", words: []string{"account app_rt", "Unavailable"}},
		"privileges by SQL": {instance: sim.Instance{Accounts: []sim.Account{custom}}, strategy: dual, kind: permanent,
			prepare: func(t *testing.T, b *bench) {
				require.NoError(t, b.server.Grant(t.Context(), "app", "wiki", []string{"SELECT", "INSERT"}))
			}, words: []string{"privileges Custom on database \"wiki\"", "ReadWrite, ReadOnly, DDLOnly, DMLOnly", "Strategy single-user"}},
		"privileged account": {instance: sim.Instance{Accounts: []sim.Account{super}}, strategy: dual, kind: permanent,
			words: []string{"type Super", "only one such account", "Strategy single-user"}},
		"privileged standby": {instance: sim.Instance{Accounts: []sim.Account{app(), {Name: "app_rt", Type: sim.Super}}}, strategy: dual, kind: permanent,
			words: []string{"app_rt is of type Super"}},
		"name too long": {instance: longNamed("", "8.0", 30), strategy: dual, current: longName(30), kind: permanent,
			words: []string{"has 33 characters", "instances of MySQL 8.0 take 32"}},
		"name too long for 5.6": {instance: longNamed("", "5.6", 14), strategy: dual, current: longName(14), kind: permanent,
			words: []string{"has 17 characters", "instances of MySQL 5.6 take 16"}},
		"name too long for MariaDB": {instance: longNamed("MariaDB", "10.3", 14), strategy: dual, current: longName(14), kind: permanent,
			words: []string{"has 17 characters", "instances of MariaDB 10.3 take 16"}},
		"name in upper case for MariaDB": {instance: sim.Instance{Engine: "MariaDB", Version: "10.3", Accounts: []sim.Account{{Name: "App"}}}, strategy: dual,
			current: "App", kind: permanent, words: []string{"App_rt can't be created", "lower-case"}},
		"name too short": {instance: sim.Instance{Accounts: []sim.Account{{Name: "a_rt"}}}, strategy: dual, current: "a_rt", kind: permanent,
			words: []string{"account a can't be created", "has 1 characters"}},
		"name with a strange end": {instance: sim.Instance{Accounts: []sim.Account{{Name: "app__rt"}}}, strategy: dual, current: "app__rt", kind: permanent,
			words: []string{"account app_ can't be created", "end with a letter or digit"}},
		"a name that differs in case": {instance: sim.Instance{Accounts: []sim.Account{app(), {Name: "App_RT"}}}, strategy: dual, kind: permanent,
			words: []string{"App_RT exists", "nothing but case"}},
		"no room": {instance: sim.Instance{MaxAccounts: 3, Accounts: append(numbered("other", 2), app())}, strategy: dual, kind: permanent,
			words: []string{"has 3 accounts and takes 3"}},
		"may not list accounts": {prepare: func(_ *testing.T, b *bench) { b.deny("DescribeAccounts") }, strategy: dual, kind: permanent, code: "Forbidden.RAM",
			words: []string{"allow rds:DescribeAccounts on acs:rds:cn-hangzhou:*:dbinstance/rm-1"}},
		"may not look, and the name is long": {instance: longNamed("", "8.0", 14), prepare: func(_ *testing.T, b *bench) { b.deny("DescribeDBInstanceAttribute") },
			strategy: dual, current: longName(14), kind: permanent, words: []string{"has 17 characters", "allow rds:DescribeDBInstanceAttribute"}},
		"throttled": {prepare: func(_ *testing.T, b *bench) {
			b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Action: "DescribeAccounts", Times: cloudsim.Always})
		}, strategy: dual, kind: rotation.Retryable, code: "Throttling.User", words: []string{"no more requests"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, c.instance)
			if c.prepare != nil {
				c.prepare(t, b)
			}
			if c.current == "" {
				c.current = "app"
			}
			before := b.accounts()
			_, err := b.Survey(t.Context(), question(c.strategy, c.current))
			requireError(t, err, c.kind, c.code, c.words...)
			require.Empty(t, b.writes())
			require.Equal(t, before, b.accounts())
		})
	}
}

func longName(n int) string { return strings.Repeat("n", n) }

func longNamed(engine, version string, n int) sim.Instance {
	return sim.Instance{Engine: engine, Version: version, Accounts: []sim.Account{{Name: longName(n)}}}
}

func TestSurveyOfUnknownInstances(t *testing.T) {
	b := start(t, sim.Instance{})
	for name, c := range map[string]struct {
		place rotation.Place
		field string
		code  string
		words string
	}{
		"instance": {rotation.Place{Instance: "rm-2", Region: region}, "InstanceId", "InvalidDBInstanceName.NotFound", "no such instance"},
		"region":   {rotation.Place{Instance: "rm-1", Region: "cn-beijing"}, "InstanceId", "InvalidDBInstanceName.NotFound", "no such instance"},
		"no id":    {rotation.Place{Instance: "rm 1/x", Region: region}, "InstanceId", "", "letters, digits and dashes"},
		"no host":  {rotation.Place{Instance: "rm-1", Region: "x.example/"}, "RegionId", "", "lower-case letters"},
	} {
		t.Run(name, func(t *testing.T) {
			q := question(rotation.SingleUser, "app")
			q.By.Place = c.place
			_, err := b.Survey(t.Context(), q)
			ours := failureOf(t, err, rotation.Permanent, c.code, c.words)
			require.Equal(t, c.field, ours.Field)
		})
	}
}

// One account needs less: neither the limits of names nor of numbers, nor privileges that the API can grant.
func TestSurveyOfOneAccount(t *testing.T) {
	for name, instance := range map[string]sim.Instance{
		"privileged":  {Accounts: []sim.Account{{Name: "app", Password: oldWord, Type: sim.Super}}},
		"no room":     {MaxAccounts: 1},
		"MariaDB":     {Engine: "MariaDB", Version: "10.3"},
		"MySQL 5.7":   {Version: "5.7"},
		"many others": {Accounts: append(numbered("other", 450), app())},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, instance)
			_, err := b.Survey(t.Context(), question(rotation.SingleUser, "app"))
			require.NoError(t, err)
		})
	}
}

func TestNamesThatFit(t *testing.T) {
	for _, c := range []struct {
		engine, version string
		length          int
	}{{"", "8.0", 29}, {"", "5.7", 29}, {"", "8.4", 29}, {"", "5.6", 13}, {"", "5.5", 13}, {"MariaDB", "10.3", 13}} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			b := start(t, longNamed(c.engine, c.version, c.length))
			_, err := b.Survey(t.Context(), question(rotation.DualAccount, longName(c.length)))
			require.NoError(t, err)
		})
	}
}

// Without the permissions that only make sure, a rotation goes on, and says so.
func TestSurveyWithLessPermissions(t *testing.T) {
	b := start(t, sim.Instance{})
	b.deny("DescribeDBInstanceAttribute", "DescribeDBInstanceNetInfo")
	q := question(rotation.DualAccount, "app")
	q.Client.Place.Host, q.Client.Place.Port = "rm-1.example", 3306
	got, err := b.Survey(t.Context(), q)
	require.NoError(t, err)
	require.Len(t, got.Notes, 2)
	require.Contains(t, got.Notes[0], "rds:DescribeDBInstanceAttribute")
	require.Contains(t, got.Notes[1], "rds:DescribeDBInstanceNetInfo")
}

func TestIncompletePrivilegesAreRefused(t *testing.T) {
	b := answering(t, map[string]string{
		"DescribeDBInstanceAttribute": `{"RequestId":"x","Items":{"DBInstanceAttribute":[{"Engine":"MySQL","EngineVersion":"8.0","DBInstanceStatus":"Running"}]}}`,
		"DescribeAccounts": `{"RequestId":"x","TotalRecordCount":1,"Accounts":{"DBInstanceAccount":[{"AccountName":"app","AccountStatus":"Available",` +
			`"AccountType":"Normal","PrivExceeded":"1"}]}}`,
	})
	_, err := b.Survey(t.Context(), question(rotation.DualAccount, "app"))
	requireError(t, err, rotation.Permanent, "", "more databases than the API lists")
}

// The document's address must lead to the instance: an account of the same name on another one would be changed in its stead.
func TestAddressOfTheSecret(t *testing.T) {
	elsewhere := func(servers map[string]string) func(*bench) {
		return func(b *bench) { b.logins.servers = servers }
	}
	for name, c := range map[string]struct {
		host    string
		prepare func(*bench)
		refused bool
		note    string
	}{
		"none":                       {},
		"the instance's":             {host: "rm-1.example"},
		"the instance's, rooted":     {host: "RM-1.example."},
		"another name of it":         {host: "db.example", prepare: elsewhere(map[string]string{"db.example:3306": "one"})},
		"another server":             {host: "db.example", prepare: elsewhere(map[string]string{"db.example:3306": "two"}), refused: true},
		"nobody there":               {host: "db.example", note: "could not be seen"},
		"the instance not reachable": {host: "db.example", prepare: func(b *bench) { b.logins.at, b.logins.servers = "x", map[string]string{"db.example:3306": "two"} }, note: "could not be seen"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, sim.Instance{})
			if c.prepare != nil {
				c.prepare(b)
			}
			q := question(rotation.SingleUser, "app")
			q.Client.Place.Host, q.Client.Place.Port = c.host, 3306
			got, err := b.Survey(t.Context(), q)
			if c.refused {
				ours := failureOf(t, err, rotation.Permanent, "", "lead to different servers")
				require.Equal(t, "InstanceId", ours.Field)
				return
			}
			require.NoError(t, err)
			if c.note == "" {
				require.Empty(t, got.Notes)
				return
			}
			require.Contains(t, strings.Join(got.Notes, "\n"), c.note)
		})
	}
}

// A password that works at the document's address and not at the instance's shows two servers, too.
func TestAddressWithOtherPasswords(t *testing.T) {
	b := start(t, sim.Instance{}, func(o *apsarards.Options) {
		o.Logins = proberFunc(func(l target.Login) target.Proof {
			if l.Place.Host == "rm-1.example" {
				return target.Proof{Answer: rotation.RefusedLogin, Code: "1045"}
			}
			return target.Proof{Answer: rotation.Accepted, Server: "two"}
		})
	})
	q := question(rotation.SingleUser, "app")
	q.Client.Place.Host, q.Client.Place.Port = "db.example", 3306
	_, err := b.Survey(t.Context(), q)
	requireError(t, err, rotation.Permanent, "", "lead to different servers")
}
