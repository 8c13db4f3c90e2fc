package account_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target/mysql/account"
)

// managed are the static privileges of an admin account of a managed server: no FILE, SUPER or SHUTDOWN.
const managed = "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, " +
	"CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, CREATE VIEW, SHOW VIEW, CREATE ROUTINE, ALTER ROUTINE, " +
	"CREATE USER, EVENT, TRIGGER"

// What an admin can't grant or take is found before the first change and named; nothing is changed then.
func TestWhatTheAdminCannotDoIsFoundFirst(t *testing.T) {
	tests := map[string]struct {
		needs   func(w *world) bool
		admin   []string // to adm@'%'
		current []string
		standby []string // nil: there is none
		problem string
		number  string // what the server answers if nobody looks before
	}{
		"a static privilege": {
			admin: []string{"GRANT " + managed + " ON *.* TO adm@'%' WITH GRANT OPTION"}, current: []string{"GRANT SELECT, FILE ON *.* TO cur@'%'"},
			problem: "can't grant FILE on *.*", number: "1045",
		},
		"taking a static privilege": {
			admin: []string{"GRANT " + managed + " ON *.* TO adm@'%' WITH GRANT OPTION"}, current: []string{"GRANT SELECT ON *.* TO cur@'%'"},
			standby: []string{"GRANT SELECT, FILE ON *.* TO cur_rt@'%'"}, problem: "can't revoke FILE on *.*", number: "1045",
		},
		"no grant option": {
			admin:   []string{"GRANT CREATE USER ON *.* TO adm@'%'", "GRANT SELECT ON mysql.* TO adm@'%'", "GRANT SELECT ON acct.* TO adm@'%'"},
			current: []string{"GRANT USAGE ON acct.* TO cur@'%' WITH GRANT OPTION"}, problem: "can't grant GRANT OPTION on `acct`.*", number: "1044",
		},
		"another schema": {
			admin:   []string{"GRANT CREATE USER ON *.* TO adm@'%'", "GRANT SELECT ON mysql.* TO adm@'%'", "GRANT SELECT ON acct.* TO adm@'%' WITH GRANT OPTION"},
			current: []string{"GRANT SELECT ON acct.* TO cur@'%'", "GRANT SELECT ON `wild%`.* TO cur@'%'"}, problem: "can't grant SELECT on `wild%`.*", number: "1044",
		},
		"a table": {
			admin:   []string{"GRANT CREATE USER ON *.* TO adm@'%'", "GRANT SELECT ON mysql.* TO adm@'%'", "GRANT SELECT ON acct.* TO adm@'%' WITH GRANT OPTION"},
			current: []string{"GRANT INSERT ON acct.t1 TO cur@'%'"}, problem: "can't grant INSERT on `acct`.`t1`", number: "1142",
		},
		"a column": {
			admin:   []string{"GRANT CREATE USER ON *.* TO adm@'%'", "GRANT SELECT ON mysql.* TO adm@'%'", "GRANT SELECT ON acct.* TO adm@'%' WITH GRANT OPTION"},
			current: []string{"GRANT UPDATE (a) ON acct.t1 TO cur@'%'"}, problem: "can't grant or revoke UPDATE on columns of `acct`.`t1`",
		},
		"a routine": {
			admin:   []string{"GRANT CREATE USER ON *.* TO adm@'%'", "GRANT SELECT ON mysql.* TO adm@'%'", "GRANT SELECT ON acct.* TO adm@'%' WITH GRANT OPTION"},
			current: []string{"GRANT EXECUTE ON PROCEDURE acct.f1 TO cur@'%'"}, problem: "can't grant EXECUTE on PROCEDURE `acct`.`f1`", number: "1370",
		},
		"a proxy": {
			admin: []string{"GRANT " + managed + " ON *.* TO adm@'%' WITH GRANT OPTION"}, current: []string{"GRANT PROXY ON other@'%' TO cur@'%'"},
			problem: "can't grant PROXY on 'other'@'%'", number: "1698",
		},
		"a role": {
			needs: func(w *world) bool { return len(w.roles) > 0 },
			admin: []string{"GRANT " + managed + " ON *.* TO adm@'%' WITH GRANT OPTION"}, current: []string{"GRANT r1 TO cur@'%'"},
			problem: "can't grant or revoke the role 'r1'",
		},
		"all of a schema, on MariaDB": {
			needs: func(w *world) bool { return w.server.Flavour == account.MariaDB },
			admin: []string{"GRANT " + managed + " ON *.* TO adm@'%' WITH GRANT OPTION"}, current: []string{"GRANT ALL ON acct.* TO cur@'%'"},
			problem: "can't grant DELETE HISTORY on `acct`.*", number: "1044",
		},
		"a dynamic privilege": {
			needs: (*world).hasDynamic,
			admin: []string{"GRANT CREATE USER ON *.* TO adm@'%' WITH GRANT OPTION", "GRANT SELECT ON mysql.* TO adm@'%'"}, current: []string{"GRANT BACKUP_ADMIN ON *.* TO cur@'%'"},
			problem: "can't grant BACKUP_ADMIN on *.*", number: "1227",
		},
		"SYSTEM_USER, which would lock the admin out": {
			needs: (*world).hasDynamic,
			admin: []string{"GRANT " + managed + " ON *.* TO adm@'%' WITH GRANT OPTION"}, current: []string{"GRANT SYSTEM_USER ON *.* TO cur@'%'"},
			problem: "can't grant SYSTEM_USER on *.*",
		},
		"a standby account with SYSTEM_USER": {
			needs: (*world).hasDynamic,
			admin: []string{"GRANT " + managed + " ON *.* TO adm@'%' WITH GRANT OPTION"}, standby: []string{"GRANT SYSTEM_USER ON *.* TO cur_rt@'%'"},
			problem: "'cur_rt'@'%' has SYSTEM_USER", number: "1227",
		},
		"limits, where GRANT gives them": {
			needs:   func(w *world) bool { return w.server.Flavour == account.MySQL && !w.server.Version.AtLeast(5, 7, 8) },
			admin:   []string{"GRANT CREATE USER ON *.* TO adm@'%'", "GRANT SELECT, UPDATE ON mysql.* TO adm@'%'"},
			current: []string{"GRANT USAGE ON *.* TO cur@'%' WITH MAX_QUERIES_PER_HOUR 7"},
			problem: "can't change attributes", number: "1045",
		},
		"no CREATE USER": {
			admin:   []string{"GRANT SELECT ON *.* TO adm@'%' WITH GRANT OPTION"},
			problem: "the admin account lacks CREATE USER", number: "1227",
		},
	}
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		for name, test := range tests {
			if test.needs != nil && !test.needs(w) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				password := newPassword()
				w.account(t, "adm", "%", password)
				w.account(t, "cur", "%", newPassword())
				w.exec(t, append(test.admin, test.current...)...)
				w.dropAfter(t, "cur_rt")
				if test.standby != nil {
					w.account(t, "cur_rt", "%", newPassword())
					w.exec(t, test.standby...)
				}
				conn, before := w.login(t, "adm", password), w.dump(t, "cur_rt")
				rights, err := account.ReadRights(t.Context(), conn, w.server)
				require.NoError(t, err)
				_, err = account.Level(t.Context(), conn, w.server, "cur", "cur_rt", newPassword(), account.Options{Rights: rights})
				require.Equal(t, rotation.Permanent, rotation.KindOf(err), "%v", err)
				require.ErrorContains(t, err, test.problem)
				require.Equal(t, before, w.dump(t, "cur_rt"), "nothing may have changed")
				if test.number != "" {
					_, err = account.Level(t.Context(), conn, w.server, "cur", "cur_rt", newPassword(), account.Options{})
					require.Equal(t, test.number, rotation.CodeOf(err), "without looking first: %v", err)
					require.Equal(t, rotation.Permanent, rotation.KindOf(err))
				}
			})
		}
	})
}

func (w *world) hasDynamic() bool { return w.server.HasDynamic() }

// Whether an admin can change the passwords of others is known from its rights, on every server.
func TestWhatChangingPasswordsTakes(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		for name, statements := range map[string][]string{
			"nothing":                   {"GRANT SELECT ON mysql.* TO adm@'%'"},
			"CREATE USER":               {"GRANT SELECT ON mysql.* TO adm@'%'", "GRANT CREATE USER ON *.* TO adm@'%'"},
			"CREATE USER and UPDATE":    {"GRANT SELECT, UPDATE ON mysql.* TO adm@'%'", "GRANT CREATE USER ON *.* TO adm@'%'"},
			"CREATE USER, UPDATE on *":  {"GRANT SELECT, UPDATE ON *.* TO adm@'%'", "GRANT CREATE USER ON *.* TO adm@'%'"},
			"CREATE USER, UPDATE on m%": {"GRANT SELECT, UPDATE ON `m%`.* TO adm@'%'", "GRANT CREATE USER ON *.* TO adm@'%'"},
		} {
			t.Run(name, func(t *testing.T) {
				password := newPassword()
				w.account(t, "adm", "%", password)
				w.account(t, "cur", "%", newPassword())
				w.exec(t, statements...)
				conn := w.login(t, "adm", password)
				rights, err := account.ReadRights(t.Context(), conn, w.server)
				require.NoError(t, err)
				expected := rights.CheckPasswords(w.server)
				set, err := account.Read(t.Context(), conn, w.server, "cur")
				require.NoError(t, err)
				next := newPassword()
				err = account.SetPassword(t.Context(), conn, w.server, set, next)
				if expected == nil {
					require.NoError(t, err)
				} else {
					require.Equal(t, rotation.Permanent, rotation.KindOf(expected))
					require.Equal(t, rotation.Permanent, rotation.KindOf(err), "%v", err)
				}
				require.Equal(t, expected == nil, w.canLogIn(t, "cur", next))
			})
		}
	})
}

// An admin who can do what it takes is not stopped, wherever its rights come from.
func TestAnAdminWithJustEnoughRights(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		tests := map[string][]string{
			"global": {"GRANT " + managed + " ON *.* TO adm@'%' WITH GRANT OPTION", "GRANT PROXY ON ''@'%' TO adm@'%' WITH GRANT OPTION"},
			"by schema": {"GRANT CREATE USER ON *.* TO adm@'%'", "GRANT SELECT ON mysql.* TO adm@'%'",
				"GRANT SELECT, INSERT, EXECUTE ON `ac%`.* TO adm@'%' WITH GRANT OPTION", "GRANT PROXY ON other@'%' TO adm@'%' WITH GRANT OPTION"},
		}
		if len(w.roles) > 0 {
			w.exec(t, "CREATE ROLE deputy", "GRANT "+managed+" ON *.* TO deputy WITH GRANT OPTION")
			w.execAfter(t, "DROP ROLE deputy")
			tests["by role"] = []string{"GRANT deputy TO adm@'%'", "GRANT PROXY ON other@'%' TO adm@'%' WITH GRANT OPTION", "SET DEFAULT ROLE deputy TO adm@'%'"}
			if w.server.Flavour == account.MariaDB {
				tests["by role"][2] = "SET DEFAULT ROLE deputy FOR adm@'%'"
			}
		}
		for name, statements := range tests {
			t.Run(name, func(t *testing.T) {
				password := newPassword()
				w.account(t, "adm", "%", password)
				w.account(t, "cur", "%", newPassword())
				w.exec(t, statements...)
				w.exec(t, "GRANT SELECT, INSERT ON acct.* TO cur@'%'", "GRANT EXECUTE ON PROCEDURE acct.f1 TO cur@'%'",
					"GRANT INSERT (a), SELECT ON acct.t1 TO cur@'%'", "GRANT PROXY ON other@'%' TO cur@'%'")
				w.dropAfter(t, "cur_rt")
				conn := w.login(t, "adm", password)
				rights, err := account.ReadRights(t.Context(), conn, w.server)
				require.NoError(t, err)
				changes, err := account.Level(t.Context(), conn, w.server, "cur", "cur_rt", newPassword(), account.Options{Rights: rights})
				require.NoError(t, err)
				require.Empty(t, changes.LeftOut)
				require.Equal(t, w.dump(t, "cur"), w.dump(t, "cur_rt"))
			})
		}
	})
}

// XA_RECOVER_ADMIN may be missing where the admin can't grant it, and is granted where it can. Whether the admin's rights were
// read or the server said no makes no difference.
func TestWhatMayBeMissingIsListed(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		privilege, on, allow := "XA_RECOVER_ADMIN", "*.*", []string(nil)
		if !w.server.HasDynamic() {
			privilege, on, allow = "EVENT", "`acct`.*", []string{"EVENT"}
		}
		few := []string{"GRANT CREATE USER ON *.* TO adm@'%'", "GRANT SELECT ON mysql.* TO adm@'%'", "GRANT SELECT ON acct.* TO adm@'%' WITH GRANT OPTION"}
		for name, test := range map[string]struct {
			extra string
			read  bool
			left  []string
		}{
			"read, and it can't":  {"", true, []string{privilege + " ON " + on + " for 'cur_rt'@'%'"}},
			"tried, and it can't": {"", false, []string{privilege + " ON " + on + " for 'cur_rt'@'%'"}},
			"read, and it can":    {"GRANT " + privilege + " ON " + on + " TO adm@'%' WITH GRANT OPTION", true, nil},
			"tried, and it can":   {"GRANT " + privilege + " ON " + on + " TO adm@'%' WITH GRANT OPTION", false, nil},
		} {
			t.Run(name, func(t *testing.T) {
				password := newPassword()
				w.account(t, "adm", "%", password)
				w.account(t, "cur", "%", newPassword())
				w.exec(t, few...)
				w.exec(t, "GRANT SELECT ON acct.* TO cur@'%'", "GRANT "+privilege+" ON "+on+" TO cur@'%'")
				if test.extra != "" {
					w.exec(t, test.extra)
				}
				w.dropAfter(t, "cur_rt")
				conn, options := w.login(t, "adm", password), account.Options{AllowMissing: allow}
				if test.read {
					var err error
					options.Rights, err = account.ReadRights(t.Context(), conn, w.server)
					require.NoError(t, err)
				}
				changes, err := account.Level(t.Context(), conn, w.server, "cur", "cur_rt", newPassword(), options)
				require.NoError(t, err)
				require.Equal(t, test.left, changes.LeftOut)
				require.Equal(t, len(test.left) == 0, strings.Join(w.dump(t, "cur"), "\n") == strings.Join(w.dump(t, "cur_rt"), "\n"))

				options.AllowMissing = []string{}
				if test.left != nil {
					_, err = account.Level(t.Context(), conn, w.server, "cur", "cur_rt", newPassword(), options)
					require.Equal(t, rotation.Permanent, rotation.KindOf(err), "nothing else is left out")
					require.ErrorContains(t, err, privilege)
				}
			})
		}
	})
}
