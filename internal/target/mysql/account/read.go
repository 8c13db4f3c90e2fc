package account

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rotor/internal/rotation"
)

// Read reads all accounts of a user name. It takes SELECT on the mysql schema. That there are none is no error.
func Read(ctx context.Context, conn *sql.Conn, server Server, user string) (Set, error) {
	sets, err := readAll(ctx, conn, server, user)
	if err != nil {
		return Set{}, err
	}
	return sets[0], nil
}

// ReadBoth reads the accounts of two user names with as many questions as those of one.
func ReadBoth(ctx context.Context, conn *sql.Conn, server Server, one, other string) (Set, Set, error) {
	sets, err := readAll(ctx, conn, server, one, other)
	if err != nil {
		return Set{}, Set{}, err
	}
	return sets[0], sets[1], nil
}

// Exists says whether there is an account of a user name, on any host.
func Exists(ctx context.Context, conn *sql.Conn, server Server, user string) (bool, error) {
	if err := server.CheckUser(user); err != nil {
		return false, err
	}
	accounts, _, err := reader{ctx: ctx, conn: conn, server: server, users: []string{user}}.attributes()
	return len(accounts) > 0, Failure(err, "look for '%s'", user)
}

func readAll(ctx context.Context, conn *sql.Conn, server Server, users ...string) ([]Set, error) {
	r := reader{ctx: ctx, conn: conn, server: server, users: users}
	for _, user := range users {
		if err := server.CheckUser(user); err != nil {
			return nil, err
		}
	}
	whose := "'" + strings.Join(users, "' and '") + "'"
	accounts, anonymous, err := r.attributes()
	if err != nil {
		return nil, Failure(err, "read the attributes of %s", whose)
	}
	tables := newGrantTables(server)
	if err := r.ask(append(r.relations(accounts), tables.questions()...)...); err != nil {
		return nil, Failure(err, "read the privileges of %s", whose)
	}
	sets := make([]Set, len(users))
	for i, user := range users {
		sets[i].User = user
	}
	for _, name := range slices.SortedFunc(maps.Keys(accounts), compareNames) {
		a := accounts[name]
		if err := r.grants(name, a, tables); err != nil {
			return nil, Failure(err, "read the privileges of %s", name)
		}
		set := &sets[slices.Index(users, name.User)]
		set.Accounts = append(set.Accounts, *a)
	}
	r.shadows(sets, anonymous)
	return sets, nil
}

// reader reads the accounts of some user names.
type reader struct {
	ctx    context.Context
	conn   *sql.Conn
	server Server
	users  []string
}

// named is the condition that a column of a grant table has one of the user names, and its arguments.
func (r reader) named(column string) (string, []any) {
	return column + " IN (?" + strings.Repeat(", ?", len(r.users)-1) + ")", arguments(r.users)
}

func arguments(names []string) []any {
	args := make([]any, len(names))
	for i, name := range names {
		args[i] = name
	}
	return args
}

// of: a comparison with trailing spaces or another case is the column's, not ours.
func (r reader) of(user string) bool { return slices.Contains(r.users, user) }

// each runs a query and hands over each row as text.
func (r reader) each(query string, args []any, row func(values []sql.NullString) error) error {
	rows, err := r.conn.QueryContext(r.ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, pointers := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

func unreadable(name Name, format string, args ...any) error {
	return rotation.Errorf(rotation.Permanent, "%s: %s", name, fmt.Sprintf(format, args...))
}

// grants reads SHOW GRANTS of one account and checks it against what the grant tables said.
func (r reader) grants(name Name, a *Account, stored grantTables) error {
	known := expected{account: name, tls: a.Attributes.TLS}
	var seen gathered
	at := 0
	err := r.each("SHOW GRANTS FOR "+quoteAccount(name), nil, func(values []sql.NullString) error {
		at++
		l, err := parseLine(values[0].String, known)
		if err != nil {
			return unreadable(name, "line %d of the server's SHOW GRANTS is not understood %v", at, err)
		}
		return seen.add(l, r.server)
	})
	if err != nil {
		return err
	}
	if err := stored.tables(name, &seen); err != nil {
		return err
	}
	if r.server.can.dynamic && isASCII(name.User) { // the others' rows in mysql.procs_priv are garbled (seen on 5.6, 9.7 and MariaDB)
		if err := stored.settled(name, &seen); err != nil {
			return err
		}
	}
	if err := r.check(name, a, seen); err != nil {
		return err
	}
	related := a.Grants
	a.Grants = seen.grants
	a.Grants.Restrictions = related.Restrictions
	a.Grants.Proxies, a.Grants.Roles, a.Grants.DefaultRoles = related.Proxies, related.Roles, related.DefaultRoles
	return nil
}

// check compares what SHOW GRANTS says (from the server's memory) with the grant tables, where they say the same. They
// differ if somebody wrote to the tables without FLUSH PRIVILEGES, or if one of the two was misread.
func (r reader) check(name Name, a *Account, seen gathered) error {
	differ := func(what string) error {
		return unreadable(name, "SHOW GRANTS and the grant tables differ in %s; FLUSH PRIVILEGES makes the tables count", what)
	}
	options := 0
	for _, option := range a.Grants.Proxies {
		if option {
			options++
		}
	}
	if seen.proxies != len(a.Grants.Proxies) || seen.proxyOptions != options {
		return differ("PROXY")
	}
	for _, role := range r.server.mandatoryRoles { // every account has them; only a grant of its own counts
		if _, ok := a.Grants.Roles[role]; !ok {
			delete(seen.grants.Roles, role)
		}
	}
	if !maps.Equal(seen.grants.Roles, a.Grants.Roles) {
		return differ("roles")
	}
	if !maps.EqualFunc(shownRestrictions(a.Grants.Restrictions), shownRestrictions(seen.grants.Restrictions), maps.Equal[Names, Names]) {
		return differ("partial revokes")
	}
	if r.server.showsAttributes() && (seen.tls != a.Attributes.TLS || seen.limits != a.Attributes.Limits) {
		return differ("REQUIRE or resource limits")
	}
	return nil
}

// shownRestrictions are partial revokes as SHOW GRANTS shows them: without GRANT OPTION.
func shownRestrictions(all map[string]Names) map[string]Names {
	out := map[string]Names{}
	for schema, names := range all {
		out[schema] = names.without(NamesOf(GrantOption))
	}
	return out
}

// showsAttributes: TLS requirement and limits stand in SHOW GRANTS.
func (s Server) showsAttributes() bool {
	return s.Flavour == MariaDB || !s.can.alterUser
}

// gathered is what the lines of one SHOW GRANTS say together.
type gathered struct {
	grants                             Grants
	proxies, proxyOptions, bareColumns int
	tls                                TLS
	limits                             Limits
}

func (g *gathered) add(l line, s Server) error {
	if l.bareColumns {
		g.bareColumns++
		return nil
	}
	to := &g.grants
	switch l.kind {
	case lineProxy:
		g.proxies++
		if l.option {
			g.proxyOptions++
		}
	case lineRole:
		for _, role := range l.roles {
			put(&to.Roles, role, l.option)
		}
	case lineDefaultRole:
		put(&to.DefaultRoles, l.roles[0], true)
	case lineRevoke:
		put(&to.Restrictions, l.schema, l.privileges)
	case lineGrant:
		if l.level == global {
			if l.tls != (TLS{}) {
				g.tls = l.tls
			}
			if l.limits != (Limits{}) {
				g.limits = l.limits
			}
		}
		to.grant(l, s)
	}
	return nil
}

func put[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[key] = value
}

// grant adds the privileges of one line.
func (g *Grants) grant(l line, s Server) {
	switch l.level {
	case global:
		if s.can.dynamic {
			g.grantGlobal8(l, s)
			return
		}
		g.Global = g.Global.or(spell(l.privileges, s.all.global))
	case schema:
		put(&g.Schemas, l.schema, g.Schemas[l.schema].or(spell(l.privileges, s.all.schema)))
	case table:
		key := Table{l.schema, l.object}
		t := g.Tables[key]
		t.Privileges = t.Privileges.or(spell(l.privileges, s.all.table))
		if t.Columns == nil {
			t.Columns = map[string]Names{}
		}
		for privilege, columns := range l.columns {
			t.Columns[privilege] = t.Columns[privilege].or(columns)
		}
		put(&g.Tables, key, t)
	case routine:
		key := Routine{l.routine, l.schema, l.object}
		put(&g.Routines, key, g.Routines[key].or(spell(l.privileges, s.all.routine)))
	}
}

// grantGlobal8 tells static privileges, which share one grant option, from dynamic ones, which have one each. MySQL 8
// writes them on lines of their own.
func (g *Grants) grantGlobal8(l line, s Server) {
	dynamic := l.privileges.without(static).without(NamesOf(GrantOption, AllPrivileges))
	for name := range dynamic {
		put(&g.Dynamic, name, l.privileges.Has(GrantOption))
	}
	if rest := l.privileges.without(dynamic); len(dynamic) == 0 || len(rest.without(NamesOf(GrantOption))) > 0 {
		if rest.Has(AllPrivileges) { // here it would give every dynamic privilege, too
			rest = rest.without(NamesOf(AllPrivileges)).or(s.all.global)
		}
		g.Global = g.Global.or(rest)
	}
}

// spell adds to ALL PRIVILEGES what it stands for.
func spell(names, all Names) Names {
	if names.Has(AllPrivileges) {
		return names.or(all)
	}
	return names
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r > 0x7F })
}
