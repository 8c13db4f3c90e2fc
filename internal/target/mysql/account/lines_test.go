package account_test

import (
	"fmt"
	"slices"
	"strings"

	"rotor/internal/target/mysql/account"
)

// lines describes a set, one fact a line, so that two can be compared by eye.
func lines(set account.Set) []string {
	var out []string
	for _, a := range set.Accounts {
		add := func(format string, args ...any) {
			out = append(out, a.Host+": "+fmt.Sprintf(format, args...))
		}
		names := func(names account.Names, on string) {
			if len(names) > 0 {
				add("%s on %s", strings.Join(names.Sorted(), ", "), on)
			}
		}
		add("%+v", a.Attributes)
		names(a.Grants.Global, "*.*")
		for name, option := range a.Grants.Dynamic {
			add("%s, option %v", name, option)
		}
		for schema, privileges := range a.Grants.Schemas {
			names(privileges, schema)
		}
		for schema, privileges := range a.Grants.Restrictions {
			names(privileges, "all but "+schema)
		}
		for key, grant := range a.Grants.Tables {
			names(grant.Privileges, fmt.Sprintf("table %+v", key))
			for privilege, columns := range grant.Columns {
				names(columns, fmt.Sprintf("columns %s %+v", privilege, key))
			}
		}
		for routine, privileges := range a.Grants.Routines {
			names(privileges, fmt.Sprintf("routine %+v", routine))
		}
		for who, option := range a.Grants.Proxies {
			add("proxy %s, option %v", who, option)
		}
		for role, admin := range a.Grants.Roles {
			add("role %s, admin %v", role, admin)
		}
		for role := range a.Grants.DefaultRoles {
			add("default role %s", role)
		}
	}
	slices.Sort(out)
	return out
}
