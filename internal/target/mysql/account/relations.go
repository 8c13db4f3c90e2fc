package account

import (
	"database/sql"
	"maps"
	"net/netip"
	"strings"
)

// relations reads what ties the accounts to other accounts: proxies, roles and default roles.
func (r reader) relations(accounts map[string]*Account) error {
	query := func(text string, row func(g *Grants, values []sql.NullString)) error {
		return r.each(text, []any{r.user}, func(values []sql.NullString) error {
			// Each query's first columns are user and host.
			if a, ok := accounts[values[1].String]; ok && values[0].String == r.user {
				row(&a.Grants, values[2:])
			}
			return nil
		})
	}
	err := query("SELECT User, Host, Proxied_user, Proxied_host, With_grant FROM mysql.proxies_priv WHERE User = ?",
		func(g *Grants, v []sql.NullString) {
			put(&g.Proxies, Name{v[0].String, v[1].String}, v[2].String != "0")
		})
	if err != nil {
		return err
	}
	role := func(g *Grants, v []sql.NullString) {
		put(&g.Roles, Name{v[0].String, v[1].String}, v[2].String == "Y")
	}
	defaultRole := func(g *Grants, v []sql.NullString) {
		if v[0].String != "" {
			put(&g.DefaultRoles, Name{v[0].String, v[1].String}, true)
		}
	}
	switch {
	case r.server.Flavour == MariaDB:
		if err := query("SELECT User, Host, Role, '', Admin_option FROM mysql.roles_mapping WHERE User = ?", role); err != nil {
			return err
		}
		return query("SELECT User, Host, default_role, '' FROM mysql.user WHERE User = ?", defaultRole)
	case r.server.can.dynamic:
		if err := query("SELECT TO_USER, TO_HOST, FROM_USER, FROM_HOST, WITH_ADMIN_OPTION FROM mysql.role_edges WHERE TO_USER = ?", role); err != nil {
			return err
		}
		return query("SELECT USER, HOST, DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST FROM mysql.default_roles WHERE USER = ?", defaultRole)
	}
	return nil
}

// tables reads the level of tables and columns from the grant tables. SHOW GRANTS hides the columns of a table with ALL
// PRIVILEGES, and before MySQL 8 it writes columns without quotes, so that "(a, b)" can be one column or two.
func (r reader) tables(host string, seen *gathered) error {
	args := []any{r.user, host}
	fromTables := map[Table]TableGrant{}
	err := r.each("SELECT User, Db, Table_name, Table_priv FROM mysql.tables_priv WHERE User = ? AND Host = ?", args, func(v []sql.NullString) error {
		if v[0].String == r.user {
			fromTables[Table{v[1].String, v[2].String}] = r.server.tableGrant(v[3].String)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = r.each("SELECT User, Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv WHERE User = ? AND Host = ?", args, func(v []sql.NullString) error {
		t, ok := fromTables[Table{v[1].String, v[2].String}]
		if !ok || v[0].String != r.user {
			return nil
		}
		for _, privilege := range strings.Split(v[4].String, ",") {
			if name := strings.ToUpper(privilege); name != "" {
				t.Columns[name] = t.Columns[name].add(v[3].String)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !seen.showsTables(fromTables) {
		return r.unreadable(host, "SHOW GRANTS and the grant tables differ in tables or columns; FLUSH PRIVILEGES makes the tables count")
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
func (r reader) settled(host string, seen *gathered) error {
	args := []any{r.user, host}
	dynamic := map[string]bool{}
	err := r.each("SELECT USER, PRIV, WITH_GRANT_OPTION FROM mysql.global_grants WHERE USER = ? AND HOST = ?", args, func(v []sql.NullString) error {
		if v[0].String == r.user {
			dynamic[strings.ToUpper(v[1].String)] = v[2].String == "Y"
		}
		return nil
	})
	if err != nil {
		return err
	}
	routines := map[Routine]Names{}
	err = r.each("SELECT User, Routine_type, Db, Routine_name, Proc_priv FROM mysql.procs_priv WHERE User = ? AND Host = ?", args, func(v []sql.NullString) error {
		if v[0].String == r.user {
			// Routine names don't tell upper from lower case.
			routines[Routine{v[1].String, v[2].String, strings.ToLower(v[3].String)}] = r.server.tableGrant(v[4].String).Privileges
		}
		return nil
	})
	if err != nil {
		return err
	}
	to := &seen.grants.unsettled
	for name, option := range seen.grants.Dynamic {
		if stored, ok := dynamic[name]; !ok || stored != option {
			to.dynamic = to.dynamic.add(name)
		}
		delete(dynamic, name)
	}
	for key, names := range seen.grants.Routines {
		stored := Routine{key.Kind, key.Schema, strings.ToLower(key.Name)}
		if !maps.Equal(routines[stored], names) {
			put(&to.routines, key, names)
		}
		delete(routines, stored)
	}
	if len(dynamic)+len(routines) > 0 {
		return r.unreadable(host, "SHOW GRANTS and the grant tables differ in dynamic or routine privileges; FLUSH PRIVILEGES makes the tables count")
	}
	return nil
}

// shadows lists anonymous accounts that come before the set's: the server looks at the most specific host first, and at
// named users before anonymous ones only among equal hosts.
func (r reader) shadows(set Set) ([]string, error) {
	var hosts []string
	err := r.each("SELECT Host FROM mysql.user WHERE User = '' ORDER BY Host", nil, func(v []sql.NullString) error {
		anonymous := v[0].String
		if _, ok := set.On(anonymous); ok || r.server.Flavour == MariaDB && anonymous == "" {
			return nil // on MariaDB these are roles without a name: PUBLIC in old versions
		}
		for _, a := range set.Accounts {
			if covers(a.Host, anonymous) {
				hosts = append(hosts, anonymous)
				return nil
			}
		}
		return nil
	})
	return hosts, err
}

// covers says whether some client could match both hosts, and the second is the more specific one.
func covers(host, specific string) bool {
	if specific == "" || specific == "%" || strings.EqualFold(host, specific) {
		return false // the least specific ones
	}
	if host == "" || host == "%" {
		return true
	}
	if prefix, ok := netmask(host); ok {
		if address, err := netip.ParseAddr(specific); err == nil {
			return prefix.Contains(address)
		}
		other, ok := netmask(specific)
		return ok && prefix.Overlaps(other) && other.Bits() > prefix.Bits()
	}
	return like(strings.ToLower(host), strings.ToLower(specific))
}

// netmask reads 10.0.0.0/255.255.255.0 and 10.0.0.0/24.
func netmask(host string) (netip.Prefix, bool) {
	address, mask, ok := strings.Cut(host, "/")
	if !ok {
		return netip.Prefix{}, false
	}
	if prefix, err := netip.ParsePrefix(host); err == nil {
		return prefix, true
	}
	base, err := netip.ParseAddr(address)
	if err != nil {
		return netip.Prefix{}, false
	}
	bits, err := netip.ParseAddr(mask)
	if err != nil || !bits.Is4() || !base.Is4() {
		return netip.Prefix{}, false
	}
	n := 0
	for _, b := range bits.As4() {
		for ; b&0x80 != 0; b <<= 1 {
			n++
		}
	}
	return netip.PrefixFrom(base, n), true
}

// like says whether the text matches a pattern with % and _ as wildcards, which a backslash takes away.
func like(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	switch {
	case pattern[0] == '%':
		return like(pattern[1:], text) || text != "" && like(pattern, text[1:])
	case text == "":
		return false
	case pattern[0] == '\\' && len(pattern) > 1:
		return pattern[1] == text[0] && like(pattern[2:], text[1:])
	case pattern[0] == '_' || pattern[0] == text[0]:
		return like(pattern[1:], text[1:])
	}
	return false
}
