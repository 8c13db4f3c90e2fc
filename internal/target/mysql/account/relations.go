package account

import (
	"database/sql"
	"net/netip"
	"slices"
	"strings"
)

// relations are what ties the accounts to other accounts: proxies, roles and default roles.
func (r reader) relations(accounts map[Name]*Account) []question {
	of := func(row func(g *Grants, v []sql.NullString)) func(Name, []sql.NullString) {
		return func(name Name, v []sql.NullString) {
			if a, ok := accounts[name]; ok {
				row(&a.Grants, v)
			}
		}
	}
	role := of(func(g *Grants, v []sql.NullString) {
		put(&g.Roles, Name{v[0].String, v[1].String}, v[2].String == "Y")
	})
	questions := []question{{"mysql.proxies_priv", []string{"User", "Host", "Proxied_user", "Proxied_host", "With_grant"}, of(func(g *Grants, v []sql.NullString) {
		put(&g.Proxies, Name{v[0].String, v[1].String}, v[2].String != "0")
	})}}
	switch {
	case r.server.Flavour == MariaDB:
		questions = append(questions, question{"mysql.roles_mapping", []string{"User", "Host", "Role", "''", "Admin_option"}, role})
	case r.server.can.dynamic:
		questions = append(questions,
			question{"mysql.role_edges", []string{"TO_USER", "TO_HOST", "FROM_USER", "FROM_HOST", "WITH_ADMIN_OPTION"}, role},
			question{"mysql.default_roles", []string{"USER", "HOST", "DEFAULT_ROLE_USER", "DEFAULT_ROLE_HOST"}, of(func(g *Grants, v []sql.NullString) {
				put(&g.DefaultRoles, Name{v[0].String, v[1].String}, true)
			})})
	}
	return questions
}

// shadows lists anonymous accounts that come before those of each set: the server looks at the most specific host first, and at
// named users before anonymous ones only among equal hosts.
func (r reader) shadows(sets []Set, anonymous []string) {
	slices.Sort(anonymous)
	for _, host := range anonymous {
		for i := range sets {
			if sets[i].shadowed(host, r.server) {
				sets[i].Shadows = append(sets[i].Shadows, host)
			}
		}
	}
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
