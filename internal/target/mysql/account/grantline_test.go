package account

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var fixtureAccount = expected{
	account: Name{"it's`app", "%"},
	tls:     TLS{Type: "SPECIFIED", Issuer: "/C=DE' WITH GRANT OPTION", Subject: "it's"},
}

// The fixtures in testdata/grants are one account, as each version prints it.
func TestFixturesOfEveryVersionAreRead(t *testing.T) {
	type privileges = map[string]Names
	common := func(s Server) Grants {
		return Grants{
			Global: NamesOf("SELECT", "RELOAD", "PROCESS"),
			Schemas: privileges{
				`my\_db`: NamesOf("SELECT", "INSERT"),
				"wild%":  NamesOf(AllPrivileges, GrantOption, "SELECT", "CREATE TEMPORARY TABLES"),
			},
			Tables: map[Table]TableGrant{
				{"my_db", "t1"}:         {NamesOf("DELETE", GrantOption), privileges{}},
				{"odd to db", "t TO x"}: {NamesOf("INSERT"), privileges{"SELECT": NamesOf("b`q", "x)")}},
			},
			Routines: map[Routine]Names{{"PROCEDURE", "my_db", "p1"}: NamesOf("EXECUTE", "ALTER ROUTINE")},
		}
	}
	legacy := func(g *Grants) { delete(g.Tables, Table{"odd to db", "t TO x"}) }
	mysql8 := func(g *Grants) {
		g.Dynamic = map[string]bool{"BACKUP_ADMIN": false, "XA_RECOVER_ADMIN": false, "CONNECTION_ADMIN": true}
		g.Restrictions = privileges{"mysql": NamesOf("SELECT")}
		g.Roles = map[Name]bool{{"r_read", "%"}: false, {"r`write", "%"}: true, {"r to x", "h"}: true}
	}
	mysql84 := func(g *Grants) { mysql8(g); g.Dynamic["SET_ANY_DEFINER"] = true }
	tests := map[string]struct {
		version     string
		bareColumns int
		change      func(g *Grants)
		tls         TLS
		limits      Limits
	}{
		"mysql-5.6.24": {"5.6.24", 1, func(g *Grants) { legacy(g); g.Global.add(GrantOption) }, fixtureAccount.tls, Limits{Queries: 5, UserConnections: 3}},
		"mysql-5.7.42": {"5.7.42", 1, legacy, TLS{}, Limits{}},
		"mysql-8.0.46": {"8.0.46", 0, mysql8, TLS{}, Limits{}},
		"mysql-8.4.6":  {"8.4.6", 0, mysql84, TLS{}, Limits{}},
		"mysql-9.7.4": {"9.7.4", 0, func(g *Grants) {
			mysql84(g)
			g.Restrictions["my_db"] = nil
			g.Routines[Routine{"LIBRARY", "my_db", "lib"}] = NamesOf("EXECUTE")
		}, TLS{}, Limits{}},
		"mariadb-10.11.19": {"10.11.19-MariaDB", 0, func(g *Grants) {
			g.Global.add("READ_ONLY ADMIN", "BINLOG MONITOR", GrantOption)
			g.Roles = map[Name]bool{{User: "r_read"}: false, {User: "r`write"}: true}
			g.DefaultRoles = map[Name]bool{{User: "r_read"}: true}
			g.Routines[Routine{"PACKAGE BODY", "my_db", "p1"}] = NamesOf("EXECUTE")
		}, fixtureAccount.tls, Limits{Queries: 5, UserConnections: -1, StatementMicroseconds: 1500000}},
	}
	files, err := filepath.Glob("testdata/grants/*.txt")
	require.NoError(t, err)
	require.Len(t, files, len(tests))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile("testdata/grants/" + name + ".txt")
			require.NoError(t, err)
			server, err := recognise(test.version, "")
			require.NoError(t, err)
			server.all.schema = NamesOf("SELECT", "CREATE TEMPORARY TABLES")
			var got gathered
			for _, l := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
				parsed, err := parseLine(l, fixtureAccount)
				require.NoError(t, err, l)
				require.NoError(t, got.add(parsed, server))
			}
			want := common(server)
			test.change(&want)
			require.Equal(t, want, got.grants)
			require.Equal(t, []int{1, 1, test.bareColumns}, []int{got.proxies, got.proxyOptions, got.bareColumns})
			require.Equal(t, test.tls, got.tls)
			require.Equal(t, test.limits, got.limits)
		})
	}
}

// What is not understood is an error that says where, and quotes nothing: neither a hash nor a name.
func TestLinesThatAreNotUnderstood(t *testing.T) {
	const canary = "C4N4RY"
	tests := map[string]string{
		"nothing":             "",
		"another statement":   "DROP USER `" + canary + "`@`%`",
		"no object":           "GRANT SELECT (`a`) TO `app`@`%`",
		"no privilege":        "GRANT ON *.* TO `app`@`%`",
		"empty list":          "GRANT SELECT, ON *.* TO `app`@`%`",
		"another account":     "GRANT SELECT ON *.* TO `" + canary + "`@`%`",
		"another host":        "GRANT SELECT ON *.* TO `app`@`" + canary + "`",
		"an open quote":       "GRANT SELECT ON `" + canary + ".* TO `app`@`%`",
		"an unknown object":   "GRANT SELECT ON GALAXY `" + canary + "`.`x` TO `app`@`%`",
		"an unknown clause":   "GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '" + canary + "' SPARKLING",
		"an unknown option":   "GRANT USAGE ON *.* TO `app`@`%` WITH SPARKLES",
		"an unknown require":  "GRANT USAGE ON *.* TO `app`@`%` REQUIRE SPARKLES",
		"an open hash":        "GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD '" + canary,
		"a hash as name":      "GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED BY PASSWORD `" + canary + "` x",
		"a revoke on a table": "REVOKE SELECT ON `a`.`b` FROM `app`@`%`",
		"columns left open":   "GRANT SELECT (`a` ON `a`.`b` TO `app`@`%`",
		"a limit in words":    "GRANT USAGE ON *.* TO `app`@`%` WITH MAX_QUERIES_PER_HOUR many",
		"a second statement":  "GRANT USAGE ON *.* TO `app`@`%`; DROP USER x",
		"a proxy for others":  "GRANT PROXY ON `a`@`%` TO `" + canary + "`@`%`",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseLine(text, expected{account: Name{"app", "%"}})
			var syntax *syntaxError
			require.ErrorAs(t, err, &syntax)
			require.NotContains(t, err.Error(), canary)
		})
	}
}

func TestHashesArePassedOver(t *testing.T) {
	for name, clause := range map[string]string{
		"native":        "BY PASSWORD '*78E957FE30F773D1841A5EAD82490C652BF2960B'",
		"sha256 salt":   `BY PASSWORD '$5$7_'1%]yn'c\_UV%1abc'$nv3kSVUpH0Kana0oJlB6s.cxTOaFjTsV8aWkrEOyloC'`,
		"hidden":        "BY PASSWORD <secret>",
		"left out":      "BY PASSWORD",
		"plugin":        "VIA unix_socket",
		"alternatives":  "VIA unix_socket OR mysql_native_password USING '*16863C23B2E91537AEAEDDE9D1B40DA2A975C5DC'",
		"quoted plugin": "VIA `ed25519` USING 'it''s'",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseLine("GRANT USAGE ON *.* TO `app`@`%` IDENTIFIED "+clause+" REQUIRE SSL WITH GRANT OPTION", expected{account: Name{"app", "%"}})
			require.NoError(t, err)
			require.Equal(t, TLS{Type: "ANY"}, got.tls)
			require.Equal(t, NamesOf(GrantOption), got.privileges)
		})
	}
}

// The admin's own SHOW GRANTS has lines for its roles, and for PUBLIC.
func TestLinesForOthers(t *testing.T) {
	for name, text := range map[string]string{
		"role":   "GRANT SELECT ON `d`.* TO `r`",
		"public": "GRANT SELECT ON `d`.* TO PUBLIC",
		"self":   "GRANT SELECT ON `d`.* TO 'we'ird'@'%'",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseLine(text, expected{account: Name{"we'ird", "%"}, others: true})
			require.NoError(t, err)
			require.Equal(t, "d", got.schema)
		})
	}
}

// print writes a line as MySQL 8 and MariaDB do.
func (l line) print(s Server) string {
	to := " TO " + quoteAccount(l.grantee)
	switch l.kind {
	case lineRole:
		var roles []string
		for _, r := range l.roles {
			roles = append(roles, s.quoteRole(r))
		}
		text := "GRANT " + strings.Join(roles, ",") + to
		if l.option {
			text += " WITH ADMIN OPTION"
		}
		return text
	case lineDefaultRole:
		return "SET DEFAULT ROLE " + s.quoteRole(l.roles[0]) + " FOR " + quoteAccount(l.grantee)
	}
	items := l.privileges.without(NamesOf(GrantOption)).Sorted()
	for _, privilege := range sortedKeys(l.columns) {
		items = append(items, privilege+" ("+quoteAll(l.columns[privilege].Sorted())+")")
	}
	on := "*.*"
	switch l.level {
	case schema:
		on = quoteName(l.schema) + ".*"
	case table, routine:
		on = strings.TrimSpace(l.routine + " " + quoteName(l.schema) + "." + quoteName(l.object))
	}
	if l.kind == lineRevoke {
		return "REVOKE " + strings.Join(items, ", ") + " ON " + on + " FROM " + quoteAccount(l.grantee)
	}
	if len(items) == 0 {
		items = []string{"USAGE"}
	}
	text := "GRANT " + strings.Join(items, ", ") + " ON " + on + to
	if l.tls.Type != "" {
		text += " REQUIRE " + l.tls.requirement()
	}
	if l.privileges.Has(GrantOption) {
		text += " WITH GRANT OPTION"
	}
	return text
}

// Whatever can be read, can be written and read again; whatever can't is an error of ours that quotes nothing.
func FuzzParseLine(f *testing.F) {
	files, err := filepath.Glob("testdata/grants/*.txt")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		for _, l := range strings.Split(string(text), "\n") {
			f.Add(l)
		}
	}
	known := fixtureAccount
	f.Fuzz(func(t *testing.T, text string) {
		first, err := parseLine(text, known)
		if err != nil {
			var syntax *syntaxError
			require.ErrorAs(t, err, &syntax)
			require.Regexp(t, `^at byte \d+: want [A-Za-z.*()`+"`"+`0-9, ]+$`, err.Error())
			return
		}
		if first.bareColumns || first.kind == lineProxy {
			return
		}
		server := Server{Flavour: MySQL}
		if first.kind == lineRole || first.kind == lineDefaultRole {
			for _, r := range first.roles {
				if r.Host == "" {
					server.Flavour = MariaDB
				}
			}
			for _, r := range first.roles {
				if r.Host != "" && server.Flavour == MariaDB {
					return // a mixture that no server writes
				}
			}
		}
		first.limits = Limits{}
		if first.tls.requirement() == "" { // SUBJECT '' says nothing
			first.tls = TLS{}
		}
		written := first.print(server)
		second, err := parseLine(written, known)
		require.NoError(t, err, written)
		require.Equal(t, first, second, written)
	})
}
