package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"rotor/internal/rotation"
)

// Flavour is which family of servers answers.
type Flavour string

const (
	MySQL   Flavour = "MySQL"
	MariaDB Flavour = "MariaDB"
)

// Version is major, minor and patch.
type Version [3]int

// AtLeast compares versions.
func (v Version) AtLeast(major, minor, patch int) bool {
	return slices.Compare(v[:], []int{major, minor, patch}) >= 0
}

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// Server is what a connection is to: what it is, what it can do, and what it enforces.
type Server struct {
	Flavour Flavour
	Version Version
	// ID tells servers apart; see Identify.
	ID string
	// Connection is the number that the server gave the connection.
	Connection int64
	// UserLength is the longest user name in characters, asked from the grant tables; where they can't be read it is
	// what this version is known for.
	UserLength int
	// ReadOnly says that the server refuses writes by ordinary accounts: a replica, or a reader endpoint.
	ReadOnly bool
	// PasswordHistory and ReuseDays are the server-wide reuse policy; accounts can have their own.
	PasswordHistory, ReuseDays int
	// Policy is what the server asks of passwords; nil if it asks nothing.
	Policy *Policy

	// Rehearse, if set, is told each statement that would change something, with *** for passwords; none is carried out.
	Rehearse func(statement string)
	// Hints are what the server says of its surroundings, as far as this account may see it.
	Hints Hints

	partialRevokes bool
	mandatoryRoles []Name
	userColumns    map[string]column // of mysql.user, lower case; empty if they can't be read
	globalPriv     bool              // MariaDB keeps accounts in mysql.global_priv
	all            levels            // what ALL PRIVILEGES stands for
	can            capabilities
}

// Hints are signs that a change here may not be all that it takes.
type Hints struct {
	// NotLogged: changes of this session don't get into the binary log, which the server otherwise writes.
	NotLogged bool
	// Cluster: it is a node of Galera, on which a lock keeps out nobody at another node.
	Cluster bool
	// CopiesFrom is the host of the server that this one replicates from, "" if it doesn't or the account may not see it.
	CopiesFrom string
}

// Policy is a password policy: characters of each kind at least.
type Policy struct {
	Length, Lower, Upper, Digits, Special int
	// NotUserName forbids the user name and its reverse as password.
	NotUserName bool
	// Dictionary says that a word list is consulted, too.
	Dictionary bool
}

// capabilities are what statements a server knows. Servers newer than this program are taken for the newest known.
type capabilities struct {
	alterUser       bool // ALTER USER sets passwords, TLS and limits; before it was SET PASSWORD and GRANT
	ifExists        bool
	lock            bool
	dynamic         bool // dynamic privileges, and roles that are accounts
	requireCurrent  bool // IDENTIFIED BY ... REPLACE
	secondPasswords bool
	atomicAccounts  bool // a statement about several accounts succeeds or fails as a whole
	viaPassword     bool // IDENTIFIED VIA plugin USING PASSWORD('...')
	revokeAdmin     bool // REVOKE ADMIN OPTION FOR role
}

func capabilitiesOf(flavour Flavour, v Version) capabilities {
	if flavour == MariaDB {
		return capabilities{
			alterUser: v.AtLeast(10, 2, 0), ifExists: v.AtLeast(10, 2, 0), lock: v.AtLeast(10, 4, 2),
			viaPassword: v.AtLeast(10, 4, 0), revokeAdmin: true,
		}
	}
	return capabilities{
		alterUser: v.AtLeast(5, 7, 8), ifExists: v.AtLeast(5, 7, 8), lock: v.AtLeast(5, 7, 8),
		dynamic: v.AtLeast(8, 0, 0), requireCurrent: v.AtLeast(8, 0, 13), secondPasswords: v.AtLeast(8, 0, 14),
		atomicAccounts: v.AtLeast(8, 0, 0),
	}
}

// TakesOldPassword says whether changing one's own password takes the old one (REPLACE): without it the server may refuse (3892).
func (s Server) TakesOldPassword() bool { return s.can.requireCurrent }

// TakesSecondPassword says whether accounts can have a second password (RETAIN, DISCARD).
func (s Server) TakesSecondPassword() bool { return s.can.secondPasswords }

// ChangesTogether says whether the accounts of a name, on all hosts, change in one statement.
func (s Server) ChangesTogether() bool { return s.can.atomicAccounts }

// CanLock says whether accounts can be locked.
func (s Server) CanLock() bool { return s.can.lock }

// KeepsPasswords says whether a reuse policy would forbid going back to a former password (3638) on one of the accounts.
func (s Server) KeepsPasswords(set Set) bool {
	kept := func(own Setting, everywhere int) bool {
		if own.Set {
			return own.Value > 0
		}
		return everywhere > 0
	}
	if len(set.Accounts) == 0 {
		return s.PasswordHistory > 0 || s.ReuseDays > 0
	}
	for _, a := range set.Accounts {
		if kept(a.Attributes.History, s.PasswordHistory) || kept(a.Attributes.ReuseDays, s.ReuseDays) {
			return true
		}
	}
	return false
}

// CheckUser says why a user name can't be an account's here. The server itself would shorten or change some names
// silently, and then change an account that was not meant.
func (s Server) CheckUser(user string) error {
	length := utf8.RuneCountInString(user)
	switch {
	case user == "":
		return rotation.Errorf(rotation.Permanent, "an empty user name is the anonymous account, which can't be rotated")
	case !utf8.ValidString(user) || strings.ContainsRune(user, 0):
		return rotation.Errorf(rotation.Permanent, "the user name is not text in UTF-8")
	case strings.ContainsFunc(user, func(r rune) bool { return r > 0xFFFF }):
		return rotation.Errorf(rotation.Permanent, "the user name %q has a character outside of Unicode's basic plane; the server would store a question mark", user)
	case strings.TrimRight(user, " ") != user:
		return rotation.Errorf(rotation.Permanent, "the user name %q ends with a space, which the server would cut off", user)
	case length > s.UserLength:
		return rotation.Errorf(rotation.Permanent, "the user name %q has %d characters; this server takes %d", user, length, s.UserLength)
	}
	return nil
}

var versionNumber = regexp.MustCompile(`^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)`)

// recognise makes a Server of the texts of VERSION() and @@version_comment.
func recognise(version, comment string) (Server, error) {
	m := versionNumber.FindStringSubmatch(version)
	if m == nil {
		return Server{}, rotation.Errorf(rotation.Permanent, "the server's version is not a number: %q", version)
	}
	s := Server{Flavour: MySQL}
	for i := range s.Version {
		s.Version[i], _ = strconv.Atoi(m[i+1])
	}
	if strings.Contains(strings.ToLower(version+" "+comment), "mariadb") {
		s.Flavour = MariaDB
	}
	if strings.Contains(strings.ToLower(version), "tidb") {
		return Server{}, rotation.Errorf(rotation.Permanent, "the server is TiDB, which keeps accounts in its own way")
	}
	if !s.Version.AtLeast(5, 6, 0) || s.Flavour == MariaDB && !s.Version.AtLeast(10, 1, 0) {
		return Server{}, rotation.Errorf(rotation.Permanent, "the server is %s %s; MySQL 5.6 and MariaDB 10.1 are the oldest known", s.Flavour, s.Version)
	}
	s.can = capabilitiesOf(s.Flavour, s.Version)
	s.UserLength = s.knownUserLength()
	return s, nil
}

func (s Server) knownUserLength() int {
	switch {
	case s.Flavour == MariaDB:
		return 80 // 128 since 10.6
	case s.Version.AtLeast(5, 7, 8):
		return 32
	}
	return 16
}

// ReadHints looks for what Hints tell. What the account may not see is no hint.
func (s *Server) ReadHints(ctx context.Context, conn *sql.Conn) error {
	var logs, logged int
	if err := conn.QueryRowContext(ctx, "SELECT @@GLOBAL.log_bin, @@SESSION.sql_log_bin").Scan(&logs, &logged); err != nil {
		return Failure(err, "look at the server's binary log")
	}
	s.Hints.NotLogged = logs == 1 && logged == 0
	var name, cluster string
	err := conn.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name = 'wsrep_on'").Scan(&name, &cluster)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Failure(err, "look for a cluster")
	}
	s.Hints.Cluster = strings.EqualFold(cluster, "ON")
	s.Hints.CopiesFrom = s.source(ctx, conn)
	return nil
}

// source is the host that the server replicates from, where the account may ask (REPLICATION CLIENT, on MariaDB REPLICA MONITOR).
func (s *Server) source(ctx context.Context, conn *sql.Conn) (host string) {
	statement := "SHOW SLAVE STATUS"
	if s.Flavour == MySQL && s.Version.AtLeast(8, 0, 22) {
		statement = "SHOW REPLICA STATUS"
	}
	r := reader{ctx: ctx, conn: conn}
	_ = r.each(statement, nil, func(values []sql.NullString) error { // a refusal is no hint
		if len(values) > 1 {
			host = values[1].String
		}
		return nil
	})
	return host
}

func (v variables) on(name string) bool {
	return strings.EqualFold(v[name], "ON") || v[name] == "1" || strings.EqualFold(v[name], "SUPER")
}

func (v variables) number(names ...string) int {
	for _, name := range names {
		if n, err := strconv.Atoi(v[name]); err == nil {
			return n
		}
	}
	return 0
}

func (s *Server) apply(v variables) error {
	s.ID, s.Connection = identityOf(v), int64(v.number("pseudo_thread_id"))
	s.ReadOnly = v.on("read_only") || v.on("super_read_only") || v.on("innodb_read_only")
	s.PasswordHistory = v.number("password_history")
	s.ReuseDays = v.number("password_reuse_interval")
	if _, ok := v["password_reuse_check_interval"]; ok { // MariaDB's plugin; its interval 0 is for ever
		s.PasswordHistory = 1
	}
	s.partialRevokes = v.on("partial_revokes")
	s.Policy = policyOf(v)
	var err error
	if s.mandatoryRoles, err = parseNames(v["mandatory_roles"]); err != nil {
		return rotation.Errorf(rotation.Permanent, "the server's mandatory_roles can't be read: %v", err)
	}
	return nil
}

// policyOf reads validate_password as component (8.0), as plugin (5.7), and MariaDB's simple_password_check.
func policyOf(v variables) *Policy {
	if _, ok := v["simple_password_check_minimal_length"]; ok {
		letters := v.number("simple_password_check_letters_same_case")
		return &Policy{
			Length: v.number("simple_password_check_minimal_length"), Lower: letters, Upper: letters,
			Digits: v.number("simple_password_check_digits"), Special: v.number("simple_password_check_other_characters"),
			NotUserName: true, Dictionary: v["cracklib_password_check_dictionary"] != "",
		}
	}
	if dictionary, ok := v["cracklib_password_check_dictionary"]; ok {
		return &Policy{Dictionary: dictionary != ""}
	}
	level, ok := v["validate_password.policy"]
	separator := "."
	if !ok {
		if level, ok = v["validate_password_policy"]; !ok {
			return nil
		}
		separator = "_"
	}
	setting := func(name string) string { return "validate_password" + separator + name }
	policy := &Policy{Length: v.number(setting("length")), NotUserName: v.on(setting("check_user_name"))}
	if level != "LOW" && level != "0" {
		letters := v.number(setting("mixed_case_count"))
		policy.Lower, policy.Upper = letters, letters
		policy.Digits, policy.Special = v.number(setting("number_count")), v.number(setting("special_char_count"))
	}
	policy.Dictionary = (level == "STRONG" || level == "2") && v[setting("dictionary_file")] != ""
	return policy
}
