package account

import (
	"maps"
	"slices"
	"strings"
)

// Set is all accounts of one user name. A Set without accounts says that there are none.
type Set struct {
	User     string
	Accounts []Account // sorted by host
	// Shadows are hosts of anonymous accounts that the server prefers to one of the Accounts for some clients: the login
	// of the user is refused there with 1045.
	Shadows []string
}

// Hosts lists the hosts of the accounts.
func (s Set) Hosts() []string {
	hosts := make([]string, len(s.Accounts))
	for i, a := range s.Accounts {
		hosts[i] = a.Host
	}
	return hosts
}

// On gives the account on a host.
func (s Set) On(host string) (Account, bool) {
	for _, a := range s.Accounts {
		if a.Host == host {
			return a, true
		}
	}
	return Account{}, false
}

// Account is one user@host with all that a standby account must have in common with it, and no password or hash.
type Account struct {
	Host       string
	Grants     Grants
	Attributes Attributes

	// Expired and SecondPassword are states of the password. A new password ends the first; neither is cloned.
	Expired bool
	// SecondPassword: a secondary password is accepted beside the first one (MySQL 8.0.14 and later).
	SecondPassword bool
}

// Name is an account or a role. Roles have a host on MySQL and none on MariaDB.
type Name struct{ User, Host string }

// String is for messages: 'app'@'%'. The text in statements comes from Server.
func (n Name) String() string {
	if n.Host == "" && n.User != "" {
		return "'" + n.User + "'"
	}
	return "'" + n.User + "'@'" + n.Host + "'"
}

func compareNames(a, b Name) int {
	if c := strings.Compare(a.User, b.User); c != 0 {
		return c
	}
	return strings.Compare(a.Host, b.Host)
}

// Members of Names that stand beside the names of privileges.
const (
	// GrantOption is a member like any other: the account may give the privileges of this level to others.
	GrantOption = "GRANT OPTION"
	// AllPrivileges is a member where the server says so, beside the privileges that it is known to stand for: a server
	// newer than this program may mean more by it, and it must be given again as it was.
	AllPrivileges = "ALL PRIVILEGES"
)

// Names is a set of privileges or columns.
type Names map[string]struct{}

// NamesOf makes a set.
func NamesOf(names ...string) Names {
	set := make(Names, len(names))
	for _, n := range names {
		set[n] = struct{}{}
	}
	return set
}

// Has says whether the name is a member.
func (n Names) Has(name string) bool { _, ok := n[name]; return ok }

// Sorted lists the members.
func (n Names) Sorted() []string { return slices.Sorted(maps.Keys(n)) }

func (n Names) add(names ...string) Names {
	if n == nil {
		n = make(Names, len(names))
	}
	for _, name := range names {
		n[name] = struct{}{}
	}
	return n
}

func (n Names) without(other Names) Names {
	rest := Names{}
	for name := range n {
		if !other.Has(name) {
			rest[name] = struct{}{}
		}
	}
	return rest
}

func (n Names) and(other Names) Names { return n.without(n.without(other)) }

func (n Names) or(other Names) Names {
	all := maps.Clone(n)
	if all == nil {
		all = Names{}
	}
	maps.Copy(all, other)
	return all
}

// Grants are the privileges of an account, by level. Levels without privileges are absent.
type Grants struct {
	// Global holds the static privileges on *.*.
	Global Names
	// Dynamic holds MySQL 8's dynamic privileges; the value says whether the account may grant it.
	Dynamic map[string]bool
	// Schemas are keyed by the pattern as the server writes it: `my\_db`, `wild%`.
	Schemas map[string]Names
	// Restrictions are MySQL 8's partial revokes: global privileges that don't hold in a schema.
	Restrictions map[string]Names
	Tables       map[Table]TableGrant
	Routines     map[Routine]Names
	// Proxies are the accounts that this one may act as; the value says whether it may let others.
	Proxies map[Name]bool
	// Roles are granted roles; the value is the admin option.
	Roles map[Name]bool
	// DefaultRoles are active after login.
	DefaultRoles map[Name]bool

	unsettled unsettled
}

// unsettled are privileges that the server has in memory and not, or not so, in its tables: they would change with its
// next restart. On MySQL two statements leave such things behind. REVOKE GRANT OPTION ON *.* takes the option of every
// dynamic privilege, but only in the table (seen on 9.7); DROP USER forgets privileges on libraries, and the next account
// of that name has them.
type unsettled struct {
	dynamic  Names
	routines map[Routine]Names
}

func (u unsettled) empty() bool { return len(u.dynamic)+len(u.routines) == 0 }

// Table names a table or view.
type Table struct{ Schema, Name string }

// TableGrant is what an account may do with a table.
type TableGrant struct {
	Privileges Names
	// Columns are the columns by privilege.
	Columns map[string]Names
}

// Routine names a stored routine; Kind is PROCEDURE, FUNCTION, PACKAGE, PACKAGE BODY or LIBRARY.
type Routine struct{ Kind, Schema, Name string }

// Attributes are the properties of an account besides its privileges. The zero value is a plain new account's, but
// for the plugin.
type Attributes struct {
	// Plugin checks the password.
	Plugin string
	// OtherPlugins are further factors (MySQL) or alternatives (MariaDB). Such an account can't be cloned.
	OtherPlugins []string
	TLS          TLS
	Limits       Limits
	// Lifetime is the days until the password expires; 0 is never, absent is the server's default.
	Lifetime Setting
	// History is the number of former passwords that can't be used again.
	History Setting
	// ReuseDays is for how many days a former password can't be used again.
	ReuseDays Setting
	// RequireCurrent says whether the account must give its password to change it: 1 yes, 0 no.
	RequireCurrent Setting
	// FailedLogins in a row lock the account for LockDays; -1 days is until it is unlocked.
	FailedLogins, LockDays int64
	Locked                 bool
	// Attribute is the JSON object of ATTRIBUTE and COMMENT, in canonical form; "" for none.
	Attribute string
}

// Setting is a number, or absent.
type Setting struct {
	Set   bool
	Value int64
}

// TLS is what a connection must be protected by.
type TLS struct {
	// Type is "", "ANY" (REQUIRE SSL), "X509", or "SPECIFIED": then at least one of the others is not empty.
	Type                    string
	Cipher, Issuer, Subject string
}

// Limits are resource limits; zero is no limit.
type Limits struct {
	Queries, Updates, Connections int64 // per hour
	UserConnections               int64 // at a time; MariaDB takes negative ones
	StatementMicroseconds         int64 // MariaDB
}
