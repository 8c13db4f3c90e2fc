package account

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"rotor/internal/rotation"
)

// Rights are what an admin account may do, active roles included. They tell only what it certainly can't do: where it may
// depend on how the server matches patterns, a statement is tried. A nil Rights lacks nothing.
type Rights struct {
	Account Name
	grants  Grants
	// unread: some lines of SHOW GRANTS can't be taken apart (columns without quotes), so that tables may be anything.
	unread bool
}

// ReadRights reads the rights of the connection's account.
func ReadRights(ctx context.Context, conn *sql.Conn, server Server) (*Rights, error) {
	const doing = "read the admin account's own privileges"
	rights, err := ownGrants(ctx, conn, server)
	if err != nil {
		return nil, Failure(err, doing)
	}
	name := rights.Account
	r := reader{ctx: ctx, conn: conn, server: server}
	err = r.each("SELECT Proxied_user, Proxied_host, With_grant FROM mysql.proxies_priv WHERE User = ? AND Host = ?", []any{name.User, name.Host},
		func(v []sql.NullString) error {
			put(&rights.grants.Proxies, Name{v[0].String, v[1].String}, v[2].String != "0")
			return nil
		})
	return rights, Failure(err, doing)
}

// ownGrants reads what SHOW GRANTS says of the connection's account, which every account may see.
func ownGrants(ctx context.Context, conn *sql.Conn, server Server) (*Rights, error) {
	name, err := currentUser(ctx, conn)
	if err != nil {
		return nil, err
	}
	r := reader{ctx: ctx, conn: conn, server: server}
	var seen gathered
	n := 0
	err = r.each("SHOW GRANTS", nil, func(v []sql.NullString) error {
		n++
		l, err := parseLine(v[0].String, expected{account: name, others: true})
		if err != nil {
			return unreadable(name, "line %d of the server's SHOW GRANTS is not understood %v", n, err)
		}
		return seen.add(l, server)
	})
	return &Rights{Account: name, grants: seen.grants, unread: seen.bareColumns > 0}, err
}

// CanKeepOwnPassword says whether the connection's account may have a second password beside a new one of its own making.
func CanKeepOwnPassword(ctx context.Context, conn *sql.Conn, server Server) (bool, error) {
	const doing = "read the account's own privileges"
	rights, err := ownGrants(ctx, conn, server)
	if err != nil {
		return false, Failure(err, doing)
	}
	_, dynamic := rights.grants.Dynamic["APPLICATION_PASSWORD_ADMIN"]
	return dynamic || rights.grants.Global.Has("CREATE USER"), nil
}

// SessionRights says whether the connection's account may see the sessions of other accounts, and end them.
func SessionRights(ctx context.Context, conn *sql.Conn, server Server) (see, end bool, err error) {
	const doing = "read the account's own privileges"
	rights, err := ownGrants(ctx, conn, server)
	if err != nil {
		return false, false, Failure(err, doing)
	}
	for _, name := range []string{"CONNECTION_ADMIN", "CONNECTION ADMIN", "SUPER", AllPrivileges} {
		_, dynamic := rights.grants.Dynamic[name]
		end = end || dynamic || rights.grants.Global.Has(name)
	}
	return rights.grants.Global.Has("PROCESS"), end, nil
}

// lacksGlobally: a static privilege is passed on by who has it, and the grant option, on *.*.
func (r *Rights) lacksGlobally(name string) bool {
	return r != nil && !(r.grants.Global.Has(name) && r.grants.Global.Has(GrantOption))
}

// lacksDynamic: with UPDATE on the mysql schema an admin may grant any dynamic privilege (seen on 8.0 to 9.7), even
// SYSTEM_USER, which would then keep it from changing that account ever again.
func (r *Rights) lacksDynamic(name string) bool {
	if r == nil || r.grants.Dynamic[name] {
		return false
	}
	if _, own := r.grants.Dynamic[name]; name == "SYSTEM_USER" && !own {
		return true
	}
	return r.lacksOnMySQL("UPDATE")
}

func (r *Rights) lacksOnMySQL(name string) bool {
	if r.grants.Global.Has(name) && !r.grants.Restrictions["mysql"].Has(name) {
		return false
	}
	for pattern, names := range r.grants.Schemas {
		if names.Has(name) && like(pattern, "mysql") {
			return false
		}
	}
	return true
}

// lacksOnSchema takes the name of a schema or a pattern as it stands in a grant.
func (r *Rights) lacksOnSchema(name, pattern string) bool {
	if r == nil || r.grants.Global.Has(name) && !r.grants.Restrictions[pattern].Has(name) {
		return false
	}
	for own, names := range r.grants.Schemas {
		if names.Has(name) && (own == pattern || like(own, strings.ReplaceAll(pattern, `\`, ""))) {
			return false
		}
	}
	return true
}

func (r *Rights) lacksOnTable(name string, t Table) bool {
	return r != nil && !r.unread && r.lacksOnSchema(name, t.Schema) && !r.grants.Tables[t].Privileges.Has(name)
}

func (r *Rights) lacksOnColumns(name string, t Table) bool {
	return r.lacksOnTable(name, t) && len(r.grants.Tables[t].Columns[name]) == 0
}

func (r *Rights) lacksOnRoutine(name string, routine Routine) bool {
	return r != nil && r.lacksOnSchema(name, routine.Schema) && !r.grants.Routines[routine].Has(name)
}

func (r *Rights) lacksRole(role Name) bool {
	if r == nil || r.grants.Roles[role] {
		return false
	}
	_, admin := r.grants.Dynamic["ROLE_ADMIN"]
	return !admin && !(r.grants.Global.Has("SUPER") && role.Host != "")
}

// lacksProxy: whoever may pass on some PROXY may perhaps pass on this one; an account may always pass on itself.
func (r *Rights) lacksProxy(who Name) bool {
	if r == nil || r.Account == who {
		return false
	}
	for _, option := range r.grants.Proxies {
		if option {
			return false
		}
	}
	return true
}

// lacksCreateUser: the right to create, alter and drop accounts.
func (r *Rights) lacksCreateUser() bool {
	return r != nil && !r.grants.Global.Has("CREATE USER") && (r.lacksOnMySQL("INSERT") || r.lacksOnMySQL("UPDATE"))
}

// CheckPasswords says why the admin can't change the passwords of other accounts. Every rotation changes one, also where the accounts
// are equal already and nothing else is done.
func (r *Rights) CheckPasswords(server Server) error {
	switch {
	case r.lacksCreateUser():
		return rotation.Errorf(rotation.Permanent, "the admin account %q lacks CREATE USER, which it takes to create accounts and to change passwords", r.Account.User).
			Advise("GRANT CREATE USER ON *.* to it")
	case r != nil && !server.can.alterUser && r.lacksOnMySQL("UPDATE"):
		return rotation.Errorf(rotation.Permanent, "the admin account %q lacks UPDATE on the mysql schema, which it takes on this server to change "+
			"the password of another account", r.Account.User).Advise("GRANT UPDATE ON mysql.* to it")
	}
	return nil
}

// LacksKill says whether the admin can't end sessions of other accounts.
func (r *Rights) LacksKill() bool {
	if r == nil || r.grants.Global.Has("SUPER") || r.grants.Global.Has("CONNECTION ADMIN") || r.grants.Global.Has(AllPrivileges) {
		return false
	}
	_, has := r.grants.Dynamic["CONNECTION_ADMIN"]
	return !has
}

// checkAdmin checks what the statements about accounts themselves take.
func (d *difference) checkAdmin(standby Set) {
	rights := d.options.Rights
	alters := slices.ContainsFunc(d.changes.Level, func(s Statement) bool { return strings.HasPrefix(s.parts[0], "ALTER USER") })
	if rights.lacksCreateUser() && (alters || len(d.changes.WithPassword)+len(d.changes.Drops) > 0) {
		d.problem("the admin account lacks CREATE USER")
	}
	if err := rights.Check(standby); err != nil {
		d.problem("%s", err.Error())
	}
}

// Check says why the admin can't change the accounts of a set at all, passwords included: an account with SYSTEM_USER is
// changed only by one that has it, too.
func (r *Rights) Check(set Set) error {
	if r == nil {
		return nil
	}
	if _, own := r.grants.Dynamic["SYSTEM_USER"]; own {
		return nil
	}
	for _, a := range set.Accounts {
		if _, has := a.Grants.Dynamic["SYSTEM_USER"]; has {
			return rotation.Errorf(rotation.Permanent, "%s has SYSTEM_USER: the admin account can't change it without having it, too", Name{set.User, a.Host}).Found(rotation.FindingAdminRights)
		}
	}
	return nil
}
