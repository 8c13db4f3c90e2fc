package account

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"rotor/internal/rotation"
)

// DefaultAllowMissing are the privileges that a standby account may lack if the admin can't grant them.
var DefaultAllowMissing = []string{rotation.DefaultAllowMissing}

// Options say how far equality goes.
type Options struct {
	// AllowMissing are privileges by name that are left out, and listed in Changes.LeftOut, where the admin can't grant
	// them. Nil means DefaultAllowMissing; an empty list, none.
	AllowMissing []string
	// Rights are the admin's: with them, what it can't grant is known before the first change.
	Rights *Rights
	// FirstHost is the host whose account is created first, so that whoever dies after it can prove by a login whose
	// account it is.
	FirstHost string
}

// Changes make a standby account the equal of the current one. They are in the order in which they are carried out.
type Changes struct {
	User string
	// WithPassword are statements that give an account the password: it is created, or its plugin changes.
	WithPassword []Statement
	// Level are statements that change privileges and attributes of accounts that exist.
	Level []Statement
	// Drops drop accounts on hosts where there is no current account.
	Drops []Statement
	// Given and Taken say in words what the account gets and loses.
	Given, Taken []string
	// LeftOut are privileges that the standby account lacks, because the admin can't grant them and they may be missing.
	LeftOut []string
	// Notes are things that differ and change nothing, such as a default role that is not granted.
	Notes []string

	accounts []string // those of Given that WithPassword gives
}

// Empty says whether the standby account is the equal already.
func (c Changes) Empty() bool { return len(c.WithPassword)+len(c.Level)+len(c.Drops) == 0 }

// Statements lists all statements in order.
func (c Changes) Statements() []Statement { return slices.Concat(c.WithPassword, c.Level, c.Drops) }

// Difference finds the fewest statements that make the standby set the equal of the current one: on the same hosts, with
// the same privileges and attributes. It changes nothing. What can't be cloned, and what the admin can't grant or take
// away as far as Options.Rights tell, is a permanent error that names all of it.
func Difference(server Server, current, standby Set, options Options) (Changes, error) {
	if options.AllowMissing == nil {
		options.AllowMissing = DefaultAllowMissing
	}
	d := &difference{server: server, options: options, changes: Changes{User: standby.User}}
	for _, a := range current.Accounts {
		d.account(Name{current.User, a.Host}, a, standby)
	}
	for _, a := range standby.Accounts {
		if _, ok := current.On(a.Host); !ok {
			name := Name{standby.User, a.Host}
			d.changes.Drops = append(d.changes.Drops, server.dropStatement(name))
			d.changes.Taken = append(d.changes.Taken, accountWord(name))
		}
	}
	d.sortCreations()
	if !d.changes.Empty() {
		d.checkAdmin(standby)
	}
	if len(d.problems) > 0 {
		word := rotation.FindingUnclonable
		if !slices.ContainsFunc(d.problems, func(problem string) bool { return !strings.Contains(problem, theAdmin) }) {
			word = rotation.FindingAdminRights
		}
		return Changes{}, rotation.Errorf(rotation.Permanent, "'%s' can't be made the equal of '%s': %s",
			standby.User, current.User, strings.Join(d.problems, "; ")).Found(word)
	}
	return d.changes, nil
}

// theAdmin stands in every problem that a right of the admin would solve, and in no other.
const theAdmin = "the admin account "

type difference struct {
	server   Server
	options  Options
	changes  Changes
	created  []creation
	problems []string
}

type creation struct {
	host      string
	statement Statement
}

func (d *difference) problem(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(d.problems, text) {
		d.problems = append(d.problems, text)
	}
}

// account levels one host.
func (d *difference) account(original Name, current Account, standby Set) {
	name := Name{standby.User, current.Host}
	if problem := d.server.unclonable(current.Attributes); problem != "" {
		d.problem("%s %s", original, problem)
		return
	}
	if !current.Grants.unsettled.empty() {
		d.problem("%s has privileges in the server's memory that its tables don't have, or not so; FLUSH PRIVILEGES makes the tables count", original)
	}
	have, exists := standby.On(current.Host)
	if have.SecondPassword {
		d.changes.Notes = append(d.changes.Notes, name.String()+" accepts a second password, too")
	}
	pair := &pair{difference: d, original: original, name: name}
	if !exists {
		d.created = append(d.created, creation{current.Host, d.server.createStatement(name, current.Attributes)})
		d.givenAccount(accountWord(name))
		have = Account{Host: current.Host, Attributes: Attributes{Plugin: current.Attributes.Plugin}}
		if d.server.can.alterUser { // CREATE USER has set them all
			have.Attributes = current.Attributes
		}
	}
	pair.attributes(current.Attributes, have.Attributes)
	pair.grants(current.Grants, have.Grants)
}

func accountWord(name Name) string { return "the account " + name.String() }

func (d *difference) givenAccount(word string) {
	d.changes.Given = append(d.changes.Given, word)
	d.changes.accounts = append(d.changes.accounts, word)
}

func (d *difference) sortCreations() {
	slices.SortStableFunc(d.created, func(a, b creation) int {
		switch d.options.FirstHost {
		case a.host:
			return -1
		case b.host:
			return 1
		}
		return 0
	})
	var statements []Statement
	for _, c := range d.created {
		statements = append(statements, c.statement)
	}
	d.changes.WithPassword = append(statements, d.changes.WithPassword...)
}

// pair is an original account and its clone on the same host.
type pair struct {
	*difference
	original, name Name
	// Statements in the order of their effect: what is given first, what is taken, what must be given again because
	// taking something took it, too.
	grant, revoke, again []Statement
}

// grants levels everything that GRANT and REVOKE do.
func (p *pair) grants(want, have Grants) {
	p.settle(have)
	have = p.proxies(want, have)
	p.global(want, have)
	p.schemas(want, have)
	p.tables(want.Tables, have.Tables)
	p.routines(want.Routines, have.Routines)
	lost := p.roles(want, have)
	p.changes.Level = slices.Concat(p.changes.Level, p.grant, p.revoke, p.again)
	p.defaultRoles(want, have, lost)
}

func (p *pair) given(what, on string) {
	p.changes.Given = append(p.changes.Given, what+" on "+on+" for "+p.name.String())
}

func (p *pair) taken(what, on string) {
	p.changes.Taken = append(p.changes.Taken, what+" on "+on+" from "+p.name.String())
}

// settle grants what is in the server's memory only, so that its tables have it, too, and it can be revoked.
func (p *pair) settle(have Grants) {
	for _, name := range have.unsettled.dynamic.Sorted() {
		p.grant = append(p.grant, p.to([]string{name}, "*.*", have.Dynamic[name]))
	}
	for _, r := range slices.SortedFunc(maps.Keys(have.unsettled.routines), compareRoutines) {
		p.grant = append(p.grant, p.giving(have.unsettled.routines[r], r.sql()))
	}
}

// proxies come first: GRANT PROXY ... WITH GRANT OPTION also gives the account the global GRANT OPTION (seen on every
// server), which is taken away again with the rest.
func (p *pair) proxies(want, have Grants) Grants {
	for _, who := range slices.SortedFunc(maps.Keys(have.Proxies), compareNames) {
		option, wanted := want.Proxies[who]
		// Before MySQL 8, and on MariaDB, a GRANT changes the option of a PROXY that exists in memory only.
		if !wanted || have.Proxies[who] != option {
			p.grant = append(p.grant, statement(fmt.Sprintf("revoke PROXY on %s from %s", who, p.name),
				"REVOKE PROXY ON "+quoteAccount(who)+" FROM "+quoteAccount(p.name)))
			switch {
			case !wanted:
				p.taken("PROXY", who.String())
			case !option:
				p.taken("GRANT OPTION of PROXY", who.String())
			}
		}
	}
	for _, who := range slices.SortedFunc(maps.Keys(want.Proxies), compareNames) {
		has, exists := have.Proxies[who]
		option := want.Proxies[who]
		if exists && has == option {
			continue
		}
		text := "GRANT PROXY ON " + quoteAccount(who) + " TO " + quoteAccount(p.name)
		if option {
			text += " WITH GRANT OPTION"
			have = have.withGrantOption()
		}
		p.grant = append(p.grant, statement(fmt.Sprintf("grant PROXY on %s to %s", who, p.name), text))
		if !exists || option {
			p.given("PROXY", who.String())
		}
		if p.options.Rights.lacksProxy(who) {
			p.problem("the admin account can't grant PROXY on %s", who)
		}
	}
	return have
}

// withGrantOption is what is left of grants after a global GRANT ... WITH GRANT OPTION, which also ends partial revokes of it.
func (g Grants) withGrantOption() Grants {
	option := NamesOf(GrantOption)
	g.Global = g.Global.or(option)
	restrictions := map[string]Names{}
	for schema, names := range g.Restrictions {
		restrictions[schema] = names.without(option)
	}
	g.Restrictions = restrictions
	return g
}

func (p *pair) routines(want, have map[Routine]Names) {
	for _, r := range slices.SortedFunc(maps.Keys(union(want, have)), compareRoutines) {
		on := r.sql()
		lacks := func(name string) bool { return p.options.Rights.lacksOnRoutine(name, r) }
		grants, revokes := len(p.grant), len(p.revoke)
		p.giveAndTake(want[r], have[r], on, lacks)
		if strings.HasPrefix(r.Kind, "PACKAGE") {
			oracle(p.grant[grants:])
			oracle(p.revoke[revokes:])
		}
	}
}

func (r Routine) sql() string { return r.Kind + " " + quoteName(r.Schema) + "." + quoteName(r.Name) }

func oracle(statements []Statement) {
	for i := range statements {
		statements[i].oracle = true
	}
}

// union has the keys of both.
func union[K comparable, V any](a, b map[K]V) map[K]V {
	all := maps.Clone(a)
	if all == nil {
		all = map[K]V{}
	}
	maps.Copy(all, b)
	return all
}

func compareRoutines(a, b Routine) int {
	return slices.Compare([]string{a.Schema, a.Name, a.Kind}, []string{b.Schema, b.Name, b.Kind})
}

func compareTables(a, b Table) int {
	return slices.Compare([]string{a.Schema, a.Name}, []string{b.Schema, b.Name})
}
