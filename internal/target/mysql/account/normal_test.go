package account_test

import (
	"maps"

	"rotor/internal/target/mysql/account"
)

// normal drops empty maps, which say the same as none.
func normal(set account.Set) account.Set {
	out := account.Set{User: set.User, Shadows: set.Shadows}
	for _, a := range set.Accounts {
		g := &a.Grants
		g.Global, g.Dynamic = full(g.Global), full(g.Dynamic)
		g.Schemas, g.Restrictions, g.Routines = full(g.Schemas), full(g.Restrictions), full(g.Routines)
		g.Proxies, g.Roles, g.DefaultRoles = full(g.Proxies), full(g.Roles), full(g.DefaultRoles)
		tables := map[account.Table]account.TableGrant{}
		for key, grant := range g.Tables {
			tables[key] = account.TableGrant{Privileges: full(grant.Privileges), Columns: full(grant.Columns)}
		}
		g.Tables = full(tables)
		out.Accounts = append(out.Accounts, a)
	}
	return out
}

func full[M ~map[K]V, K comparable, V any](m M) M {
	if len(m) == 0 {
		return nil
	}
	return maps.Clone(m)
}
