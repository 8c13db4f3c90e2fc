package account

import (
	"fmt"
	"slices"
	"strings"
)

// giveAndTake is the plain case of a level: one GRANT and one REVOKE.
func (p *pair) giveAndTake(want, have Names, on string, lacks func(name string) bool) {
	give := p.grantable(want.without(have), on, lacks)
	take := p.takeable(p.surplus(want, have, on), on, lacks)
	p.give(&p.grant, give, on)
	p.take(&p.revoke, take, on)
}

// give adds the GRANT of a set to the list, if it is not empty.
func (p *pair) give(list *[]Statement, names Names, on string) {
	if len(names) == 0 {
		return
	}
	p.given(strings.Join(words(names), ", "), on)
	rest := p.giveOptional(list, names, nil, on)
	if len(rest) < len(names) {
		rest = rest.without(NamesOf(AllPrivileges))
	}
	if len(rest) > 0 {
		*list = append(*list, p.giving(rest, on))
	}
}

// giveOptional adds a GRANT of its own for each privilege that may be missing, as nothing is known about the admin's
// rights. It gives the others.
func (p *pair) giveOptional(list *[]Statement, names, option Names, on string) Names {
	if p.options.Rights != nil {
		return names
	}
	allowed := names.and(NamesOf(p.options.AllowMissing...)).without(NamesOf(GrantOption, AllPrivileges))
	for _, name := range allowed.Sorted() {
		s := p.giving(NamesOf(name).or(option), on)
		s.optional = fmt.Sprintf("%s ON %s for %s", name, on, p.name)
		*list = append(*list, s)
	}
	return names.without(allowed)
}

// take adds the REVOKE of a set to the list, if it is not empty.
func (p *pair) take(list *[]Statement, names Names, on string) {
	if len(names) > 0 {
		*list = append(*list, p.from(names.Sorted(), on))
		p.taken(strings.Join(names.Sorted(), ", "), on)
	}
}

// to is a GRANT on a level; no item at all is USAGE.
func (p *pair) to(items []string, on string, option bool) Statement {
	if len(items) == 0 {
		items = []string{"USAGE"}
	}
	list := strings.Join(items, ", ")
	text := "GRANT " + list + " ON " + on + " TO " + quoteAccount(p.name)
	if option {
		text += " WITH GRANT OPTION"
		list += " with GRANT OPTION"
	}
	return statement(fmt.Sprintf("grant %s on %s to %s", list, on, p.name), text)
}

func (p *pair) from(items []string, on string) Statement {
	list := strings.Join(items, ", ")
	return statement(fmt.Sprintf("revoke %s on %s from %s", list, on, p.name),
		"REVOKE "+list+" ON "+on+" FROM "+quoteAccount(p.name))
}

// giving makes a GRANT of a set that may hold GRANT OPTION and ALL PRIVILEGES.
func (p *pair) giving(names Names, on string) Statement {
	return p.to(words(names.without(NamesOf(GrantOption))), on, names.Has(GrantOption))
}

// words lists a set: ALL PRIVILEGES instead of what it stands for.
func words(names Names) []string {
	switch {
	case names.Has(AllPrivileges) && names.Has(GrantOption):
		return []string{AllPrivileges, GrantOption}
	case names.Has(AllPrivileges):
		return []string{AllPrivileges}
	}
	return names.Sorted()
}

// surplus is what has to be taken away. That a level says ALL PRIVILEGES and only has them one by one elsewhere can't
// be: the server would know a privilege that has no name here.
func (p *pair) surplus(want, have Names, on string) Names {
	rest := have.without(want)
	if rest.Has(AllPrivileges) {
		delete(rest, AllPrivileges)
		if len(rest.without(NamesOf(GrantOption))) == 0 {
			p.problem("ALL PRIVILEGES of %s on %s hold one that is not known here", p.name, on)
		}
	}
	return rest
}

// grantable leaves out what the admin can't grant and may be missing, and reports the rest of what it can't grant.
func (p *pair) grantable(names Names, on string, lacks func(name string) bool) Names {
	leftOut := Names{}
	for _, name := range names.Sorted() {
		if name == AllPrivileges || !lacks(name) {
			continue
		}
		if slices.Contains(p.options.AllowMissing, name) {
			leftOut.add(name, AllPrivileges)
			p.changes.LeftOut = append(p.changes.LeftOut, fmt.Sprintf("%s ON %s for %s", name, on, p.name))
			continue
		}
		p.problem("the admin account can't grant %s on %s", name, on)
	}
	return names.without(leftOut)
}

// takeable reports what the admin can't revoke: the server wants it to have what it takes.
func (p *pair) takeable(names Names, on string, lacks func(name string) bool) Names {
	for _, name := range names.Sorted() {
		if lacks(name) {
			p.problem("the admin account can't revoke %s on %s", name, on)
		}
	}
	return names
}

// global levels *.*.
func (p *pair) global(want, have Grants) {
	const on = "*.*"
	lacks := p.options.Rights.lacksGlobally
	give := p.grantable(want.Global.without(have.Global), on, lacks)
	take := p.takeable(p.surplus(want.Global, have.Global, on), on, lacks)
	p.dynamic(want.Dynamic, have.Dynamic, take.Has(GrantOption))
	p.give(&p.grant, give, on)
	if option := NamesOf(GrantOption); take.Has(GrantOption) && len(p.server.all.global.without(take)) == 0 {
		// Together with all others, 5.6 takes the privileges of every level away, not only the global ones.
		p.take(&p.revoke, option, on)
		take = take.without(option)
	}
	p.take(&p.revoke, take, on)
}

// dynamic levels MySQL 8's dynamic privileges, in statements of their own: in one with static privileges or GRANT OPTION,
// 9.7 passes over some of them without a word. The grant option comes and goes with each privilege; and with REVOKE GRANT
// OPTION ON *.*, which takes it from all of them, though only in the server's tables. So what is to go goes before it, and
// what is to stay is granted again after it.
func (p *pair) dynamic(want, have map[string]bool, optionGoes bool) {
	const on = "*.*"
	plain, withOption, take, again, keep := Names{}, Names{}, Names{}, Names{}, Names{}
	for name, option := range want {
		had, exists := have[name]
		switch {
		case exists && had == option:
			if option && optionGoes {
				keep.add(name)
			}
		case exists && had:
			take.add(name)
			again.add(name)
		case option:
			withOption.add(name)
		default:
			plain.add(name)
		}
	}
	for name := range have {
		if _, wanted := want[name]; !wanted {
			take.add(name)
		}
	}
	lacks := p.options.Rights.lacksDynamic
	p.give(&p.grant, p.grantable(plain, on, lacks), on)
	p.take(&p.revoke, p.takeable(take, on, lacks), on)
	p.give(&p.again, again, on)
	given := &p.grant
	if optionGoes {
		given = &p.again
	}
	if withOption = p.grantable(withOption, on, lacks); len(withOption) > 0 {
		p.giveDynamic(given, withOption, on)
	}
	if len(keep) > 0 {
		p.again = append(p.again, p.to(keep.Sorted(), on, true))
	}
}

// giveDynamic grants with grant option.
func (p *pair) giveDynamic(list *[]Statement, names Names, on string) {
	option := NamesOf(GrantOption)
	p.given(strings.Join(words(names.or(option)), ", "), on)
	if rest := p.giveOptional(list, names, option, on); len(rest) > 0 {
		*list = append(*list, p.giving(rest.or(option), on))
	}
}

// schemas levels the schemas, partial revokes included. In a schema where a global privilege is revoked, the first GRANT
// of it only ends that, and a second one gives it; and the other way round.
func (p *pair) schemas(want, have Grants) {
	gone := have.Global.without(want.Global) // their partial revokes go with them
	all := union(union(want.Schemas, have.Schemas), union(want.Restrictions, have.Restrictions))
	for _, schema := range sortedKeys(all) {
		on := quoteName(schema) + ".*"
		lacks := func(name string) bool { return p.options.Rights.lacksOnSchema(name, schema) }
		restricted := have.Restrictions[schema].without(gone)
		lift := restricted.without(want.Restrictions[schema])
		restrict := want.Restrictions[schema].without(restricted)
		give := p.grantable(want.Schemas[schema].without(have.Schemas[schema]), on, lacks)
		take := p.takeable(p.surplus(want.Schemas[schema], have.Schemas[schema], on), on, lacks)
		later := give.and(have.Restrictions[schema]) // lifted first, or by the revoke of the global privilege
		p.give(&p.grant, give.without(later).or(p.grantable(lift, on, lacks)), on)
		p.give(&p.again, later, on)
		p.take(&p.revoke, take.or(p.takeable(restrict, on, lacks)), on)
		p.take(&p.again, restrict.and(have.Schemas[schema]), on)
	}
}

// tables levels tables and their columns. REVOKE of a privilege on a table takes it from the columns, too.
func (p *pair) tables(want, have map[Table]TableGrant) {
	for _, key := range slices.SortedFunc(mapKeys(union(want, have)), compareTables) {
		p.table(key, want[key], have[key])
	}
}

func (p *pair) table(key Table, want, have TableGrant) {
	on := quoteName(key.Schema) + "." + quoteName(key.Name)
	rights := p.options.Rights
	lacks := func(name string) bool { return rights.lacksOnTable(name, key) }
	give := p.grantable(want.Privileges.without(have.Privileges), on, lacks)
	take := p.takeable(p.surplus(want.Privileges, have.Privileges, on), on, lacks)
	var giveColumns []string
	takeItems := take.Sorted()
	again := false
	var columns Names
	for _, privilege := range sortedKeys(union(want.Columns, have.Columns)) {
		wanted, had := want.Columns[privilege], have.Columns[privilege]
		if take.Has(privilege) { // and so from all columns
			again = again || len(wanted) > 0
			had = nil
		}
		if missing := wanted.without(had); len(missing) > 0 {
			giveColumns = append(giveColumns, privilege+" ("+quoteAll(missing.Sorted())+")")
			columns = columns.add(missing.Sorted()...)
		}
		if surplus := had.without(wanted); len(surplus) > 0 {
			takeItems = append(takeItems, privilege+" ("+quoteAll(surplus.Sorted())+")")
		}
		if (len(wanted.without(had)) > 0 || len(had.without(wanted)) > 0) && rights.lacksOnColumns(privilege, key) {
			p.problem("the admin account can't grant or revoke %s on columns of %s", privilege, on)
		}
	}
	items := give.without(NamesOf(GrantOption))
	if len(giveColumns) > 0 { // ALL PRIVILEGES can't stand in a list
		delete(items, AllPrivileges)
	}
	if giveItems := append(words(items), giveColumns...); len(giveItems) > 0 || give.Has(GrantOption) {
		s := p.to(giveItems, on, give.Has(GrantOption))
		s.table, s.columns = key, columns
		if len(columns) == 0 {
			s.ifTableGone = p.ifTableGone(giveItems, give, have, on)
		}
		list := &p.grant
		if again {
			list = &p.again
		}
		*list = append(*list, s)
		p.given(strings.Join(orGrantOption(giveItems, give), ", "), on)
	}
	if len(takeItems) > 0 {
		p.revoke = append(p.revoke, p.from(takeItems, on))
		p.taken(strings.Join(takeItems, ", "), on)
	}
}

func orGrantOption(items []string, names Names) []string {
	if names.Has(GrantOption) {
		return append(slices.Clone(items), GrantOption)
	}
	return items
}

// ifTableGone: on a table that doesn't exist, the server takes only a GRANT that includes CREATE, and none on columns.
func (p *pair) ifTableGone(items []string, give Names, have TableGrant, on string) []Statement {
	if give.Has("CREATE") {
		return nil
	}
	statements := []Statement{p.to(append(slices.Clone(items), "CREATE"), on, give.Has(GrantOption))}
	if !have.Privileges.Has("CREATE") {
		statements = append(statements, p.from([]string{"CREATE"}, on))
	}
	return statements
}
