package account

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
)

func mapKeys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// roles levels granted roles. It gives the roles that were taken, if only for a moment: MySQL takes them from the default
// roles then.
func (p *pair) roles(want, have Grants) map[Name]bool {
	lost := map[Name]bool{}
	var give, giveAdmin, take, takeAdmin, again []Name
	for _, role := range slices.SortedFunc(maps.Keys(union(want.Roles, have.Roles)), compareNames) {
		admin, wanted := want.Roles[role]
		hadAdmin, had := have.Roles[role]
		switch {
		case !wanted && slices.Contains(p.server.mandatoryRoles, role) && !hadAdmin:
			continue // every account has it, and it can't be revoked
		case !wanted:
			take = append(take, role)
			lost[role] = true
		case had && admin == hadAdmin:
			continue
		case !had && !admin:
			give = append(give, role)
		case admin:
			giveAdmin = append(giveAdmin, role)
		case p.server.can.revokeAdmin:
			takeAdmin = append(takeAdmin, role)
		default:
			take, again = append(take, role), append(again, role)
			lost[role] = true
		}
		if p.options.Rights.lacksRole(role) {
			p.problem("the admin account can't grant or revoke the role %s", role)
		}
	}
	p.rolesTo(&p.grant, give, "")
	p.rolesTo(&p.grant, giveAdmin, " WITH ADMIN OPTION")
	p.rolesFrom(take, "")
	p.rolesFrom(takeAdmin, "ADMIN OPTION FOR ")
	p.rolesTo(&p.again, again, "")
	return lost
}

// lists of roles in one statement, where the server takes several.
func (p *pair) lists(roles []Name) [][]string {
	var lists [][]string
	for _, role := range roles {
		quoted := p.server.quoteRole(role)
		if p.server.Flavour == MySQL && len(lists) > 0 {
			lists[0] = append(lists[0], quoted)
			continue
		}
		lists = append(lists, []string{quoted})
	}
	return lists
}

func (p *pair) rolesTo(list *[]Statement, roles []Name, option string) {
	for _, quoted := range p.lists(roles) {
		names := strings.Join(quoted, ", ")
		*list = append(*list, statement(fmt.Sprintf("grant the roles %s to %s", names, p.name),
			"GRANT "+names+" TO "+quoteAccount(p.name)+option))
		p.changes.Given = append(p.changes.Given, fmt.Sprintf("the roles %s%s for %s", names, option, p.name))
	}
}

func (p *pair) rolesFrom(roles []Name, what string) {
	for _, quoted := range p.lists(roles) {
		names := strings.Join(quoted, ", ")
		p.revoke = append(p.revoke, statement(fmt.Sprintf("revoke the roles %s from %s", names, p.name),
			"REVOKE "+what+names+" FROM "+quoteAccount(p.name)))
		p.changes.Taken = append(p.changes.Taken, fmt.Sprintf("%sthe roles %s from %s", what, names, p.name))
	}
}

// defaultRoles sets the whole list, if it differs. A default role that is not granted is without effect and can't be set.
func (p *pair) defaultRoles(want, have Grants, lost map[Name]bool) {
	wanted, had := map[Name]bool{}, map[Name]bool{}
	for role := range want.DefaultRoles {
		if _, granted := want.Roles[role]; !granted && !slices.Contains(p.server.mandatoryRoles, role) {
			p.changes.Notes = append(p.changes.Notes, fmt.Sprintf("%s has the default role %s, which is not granted to it", p.original, role))
			continue
		}
		wanted[role] = true
	}
	for role := range have.DefaultRoles {
		if !lost[role] || p.server.Flavour == MariaDB {
			had[role] = true
		}
	}
	if maps.Equal(wanted, had) {
		return
	}
	var quoted []string
	for _, role := range slices.SortedFunc(maps.Keys(wanted), compareNames) {
		quoted = append(quoted, p.server.quoteRole(role))
	}
	names := strings.Join(quoted, ", ")
	if names == "" {
		names = "NONE"
	}
	preposition := " TO "
	if p.server.Flavour == MariaDB {
		preposition = " FOR "
	}
	p.changes.Level = append(p.changes.Level, statement(fmt.Sprintf("set the default roles of %s", p.name),
		"SET DEFAULT ROLE "+names+preposition+quoteAccount(p.name)))
	p.changes.Given = append(p.changes.Given, fmt.Sprintf("the default roles %s for %s", names, p.name))
}
