package account

import (
	"database/sql"
	"net/netip"
	"slices"
	"strings"
)

// relations reads what ties the accounts to other accounts: proxies, roles and default roles.
func (r reader) relations(accounts map[Name]*Account) error {
	query := func(columns, table, user string, row func(g *Grants, values []sql.NullString)) error {
		condition, args := r.named(user)
		return r.each("SELECT "+columns+" FROM "+table+" WHERE "+condition, args, func(values []sql.NullString) error {
			// Each query's first columns are user and host.
			if a, ok := accounts[Name{values[0].String, values[1].String}]; ok {
				row(&a.Grants, values[2:])
			}
			return nil
		})
	}
	err := query("User, Host, Proxied_user, Proxied_host, With_grant", "mysql.proxies_priv", "User", func(g *Grants, v []sql.NullString) {
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
		if err := query("User, Host, Role, '', Admin_option", "mysql.roles_mapping", "User", role); err != nil {
			return err
		}
		return query("User, Host, default_role, ''", "mysql.user", "User", defaultRole)
	case r.server.can.dynamic:
		if err := query("TO_USER, TO_HOST, FROM_USER, FROM_HOST, WITH_ADMIN_OPTION", "mysql.role_edges", "TO_USER", role); err != nil {
			return err
		}
		return query("USER, HOST, DEFAULT_ROLE_USER, DEFAULT_ROLE_HOST", "mysql.default_roles", "USER", defaultRole)
	}
	return nil
}

// shadows lists anonymous accounts that come before those of each set: the server looks at the most specific host first, and at
// named users before anonymous ones only among equal hosts.
func (r reader) shadows(sets []Set) error {
	return r.each("SELECT Host FROM mysql.user WHERE User = '' ORDER BY Host", nil, func(v []sql.NullString) error {
		anonymous := v[0].String
		for i := range sets {
			if sets[i].shadowed(anonymous, r.server) {
				sets[i].Shadows = append(sets[i].Shadows, anonymous)
			}
		}
		return nil
	})
}

func (s Set) shadowed(anonymous string, server Server) bool {
	if _, ok := s.On(anonymous); ok || server.Flavour == MariaDB && anonymous == "" {
		return false // on MariaDB these are roles without a name: PUBLIC in old versions
	}
	return slices.ContainsFunc(s.Accounts, func(a Account) bool { return covers(a.Host, anonymous) })
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
