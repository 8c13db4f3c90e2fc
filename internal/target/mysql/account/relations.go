package account

import (
	"database/sql"
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

// columns reads the table level from the grant tables, where SHOW GRANTS writes columns without quotes (before MySQL 8).
func (r reader) columns(host string, seen *gathered) error {
	fromTables := map[Table]TableGrant{}
	err := r.each("SELECT User, Db, Table_name, Table_priv FROM mysql.tables_priv WHERE User = ? AND Host = ?", []any{r.user, host},
		func(v []sql.NullString) error {
			if v[0].String != r.user {
				return nil
			}
			t := TableGrant{Names{}, map[string]Names{}}
			for _, privilege := range strings.Split(v[3].String, ",") {
				switch {
				case strings.EqualFold(privilege, "Grant"):
					t.Privileges.add(GrantOption)
				case privilege != "":
					t.Privileges.add(privilegeOf(privilege)...)
				}
			}
			if len(t.Privileges.and(r.server.all.table)) == len(r.server.all.table) {
				t.Privileges.add(AllPrivileges)
			}
			fromTables[Table{v[1].String, v[2].String}] = t
			return nil
		})
	if err != nil {
		return err
	}
	withColumns := map[Table]bool{}
	err = r.each("SELECT User, Db, Table_name, Column_name, Column_priv FROM mysql.columns_priv WHERE User = ? AND Host = ?", []any{r.user, host},
		func(v []sql.NullString) error {
			key := Table{v[1].String, v[2].String}
			t, ok := fromTables[key]
			if v[0].String != r.user || !ok {
				return nil
			}
			for _, privilege := range strings.Split(v[4].String, ",") {
				if privilege != "" {
					name := strings.ToUpper(privilege)
					t.Columns[name] = t.Columns[name].add(v[3].String)
					withColumns[key] = true
				}
			}
			return nil
		})
	if err != nil {
		return err
	}
	return r.checkColumns(host, seen, fromTables, withColumns)
}

// checkColumns takes over the tables with columns, if the rest is as SHOW GRANTS says.
func (r reader) checkColumns(host string, seen *gathered, fromTables map[Table]TableGrant, withColumns map[Table]bool) error {
	differ := len(withColumns) != seen.bareColumns || len(fromTables) != len(seen.grants.Tables)+seen.bareColumns
	for key, t := range seen.grants.Tables {
		other, ok := fromTables[key]
		differ = differ || !ok || len(t.Privileges.without(other.Privileges)) > 0 || len(other.Privileges.without(t.Privileges)) > 0
	}
	if differ {
		return r.unreadable(host, "SHOW GRANTS and the grant tables differ in tables or columns; FLUSH PRIVILEGES makes the tables count")
	}
	for key := range withColumns {
		put(&seen.grants.Tables, key, fromTables[key])
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
