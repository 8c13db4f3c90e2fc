package account

import (
	"database/sql"
	"maps"
	"strings"
)

// grantTables is what the server's grant tables hold of some accounts, on the levels where SHOW GRANTS does not tell all.
type grantTables struct {
	server   Server
	ofTables map[Name]map[Table]TableGrant
	// dynamic and routines: what MySQL 8 has in memory is known to part from these.
	dynamic  map[Name]map[string]bool
	routines map[Name]map[Routine]Names
}

func newGrantTables(server Server) grantTables {
	return grantTables{server, map[Name]map[Table]TableGrant{}, map[Name]map[string]bool{}, map[Name]map[Routine]Names{}}
}

// questions are what fills it.
func (g grantTables) questions() []question {
	questions := []question{
		{"mysql.tables_priv", []string{"User", "Host", "Db", "Table_name", "Table_priv"}, func(name Name, v []sql.NullString) {
			within(g.ofTables, name)[Table{v[0].String, v[1].String}] = g.server.tableGrant(v[2].String)
		}},
		{"mysql.columns_priv", []string{"User", "Host", "Db", "Table_name", "Column_name", "Column_priv"}, func(name Name, v []sql.NullString) {
			t, ok := g.ofTables[name][Table{v[0].String, v[1].String}]
			if !ok {
				return
			}
			for _, privilege := range strings.Split(v[3].String, ",") {
				if privilege = strings.ToUpper(privilege); privilege != "" {
					t.Columns[privilege] = t.Columns[privilege].add(v[2].String)
				}
			}
		}},
	}
	if !g.server.can.dynamic {
		return questions
	}
	return append(questions,
		question{"mysql.global_grants", []string{"USER", "HOST", "PRIV", "WITH_GRANT_OPTION"}, func(name Name, v []sql.NullString) {
			within(g.dynamic, name)[strings.ToUpper(v[0].String)] = v[1].String == "Y"
		}},
		question{"mysql.procs_priv", []string{"User", "Host", "Routine_type", "Db", "Routine_name", "Proc_priv"}, func(name Name, v []sql.NullString) {
			// Routine names don't tell upper from lower case.
			within(g.routines, name)[Routine{v[0].String, v[1].String, strings.ToLower(v[2].String)}] = g.server.tableGrant(v[3].String).Privileges
		}})
}

// within gives the map of an account, which it makes if there is none.
func within[K comparable, V any](all map[Name]map[K]V, name Name) map[K]V {
	if all[name] == nil {
		all[name] = map[K]V{}
	}
	return all[name]
}

// tables takes the level of tables and columns from the grant tables. SHOW GRANTS hides the columns of a table with ALL
// PRIVILEGES, and before MySQL 8 it writes columns without quotes, so that "(a, b)" can be one column or two.
func (g grantTables) tables(name Name, seen *gathered) error {
	fromTables := within(g.ofTables, name)
	if !seen.showsTables(fromTables) {
		return unreadable(name, "SHOW GRANTS and the grant tables differ in tables or columns; FLUSH PRIVILEGES makes the tables count")
	}
	seen.grants.Tables = fromTables
	return nil
}

// tableGrant reads a value of tables_priv.Table_priv.
func (s Server) tableGrant(list string) TableGrant {
	t := TableGrant{Names{}, map[string]Names{}}
	for _, privilege := range strings.Split(list, ",") {
		switch {
		case strings.EqualFold(privilege, "Grant"):
			t.Privileges.add(GrantOption)
		case privilege != "":
			t.Privileges.add(privilegeOf(privilege)...)
		}
	}
	if len(s.all.table) > 0 && len(s.all.table.without(t.Privileges)) == 0 {
		t.Privileges.add(AllPrivileges)
	}
	return t
}

// showsTables says whether the lines of SHOW GRANTS, as far as they could be read, say the same as the grant tables.
func (g *gathered) showsTables(fromTables map[Table]TableGrant) bool {
	bare := 0
	for key, t := range fromTables {
		shown, ok := g.grants.Tables[key]
		switch {
		case !ok && len(t.Columns) > 0:
			bare++
		case !ok || !maps.Equal(shown.Privileges, t.Privileges):
			return false
		case !shown.Privileges.Has(AllPrivileges) && !maps.EqualFunc(shown.Columns, t.Columns, maps.Equal[Names, Names]):
			return false
		}
	}
	return bare == g.bareColumns && len(fromTables) == len(g.grants.Tables)+bare
}

// settled compares what MySQL 8 has in memory with its tables, where the two are known to part.
func (g grantTables) settled(name Name, seen *gathered) error {
	dynamic, routines := within(g.dynamic, name), within(g.routines, name)
	to := &seen.grants.unsettled
	for privilege, option := range seen.grants.Dynamic {
		if stored, ok := dynamic[privilege]; !ok || stored != option {
			to.dynamic = to.dynamic.add(privilege)
		}
		delete(dynamic, privilege)
	}
	for key, names := range seen.grants.Routines {
		stored := Routine{key.Kind, key.Schema, strings.ToLower(key.Name)}
		if !maps.Equal(routines[stored], names) {
			put(&to.routines, key, names)
		}
		delete(routines, stored)
	}
	if len(dynamic)+len(routines) > 0 {
		return unreadable(name, "SHOW GRANTS and the grant tables differ in dynamic or routine privileges; FLUSH PRIVILEGES makes the tables count")
	}
	return nil
}
