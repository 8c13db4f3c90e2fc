// Package target is what a rotation needs of a database server. Each target is a folder beside this file; errors are
// *rotation.Error, with the server's number and never its text.
package target

import (
	"context"
	"strings"

	"rotor/internal/rotation"
)

// Login is a credential and where it goes.
type Login struct {
	Place    rotation.Place
	Account  string
	Password rotation.Secret
	// Version is the version of the secret that the credential is of. In Lock's, with an API as the admin, it is the version that the
	// changes are for.
	Version string
	// Demanded: only a login will do, where the target would else take the word of an API.
	Demanded bool
}

// Traits are what differs between targets.
type Traits struct {
	// APIAdmin: accounts are changed through a cloud's API, with the worker's own credentials; no admin secret is needed.
	APIAdmin bool
}

// Proof is what a login was told.
type Proof struct {
	Answer rotation.Answer
	// Code is the number that came back where it was not let in ("1045"), or a word for what happened before the server
	// could answer ("timeout", "refused", "tls").
	Code string
	// Server identifies the server that answered.
	Server string
	// TLS says in words how the connection was protected: "TLS 1.3, verified", "none: the server offers no TLS", ...
	TLS string
	// Cipher is the cipher suite's name, where there was TLS.
	Cipher string
	// ByAPI: nobody logged in, because the worker can't reach the server; a cloud's API says that the account is available. It does not
	// say which password the account has.
	ByAPI bool
	// Marked, where ByAPI: the account bears the mark of having been created for the login's version.
	Marked bool
	// Err says why the answer is not Accepted, or not a clean login; nil if it logged in.
	Err error
}

// Protection says in words how the connection was protected, and by which cipher.
func (p Proof) Protection() string {
	version, rest, found := strings.Cut(p.TLS, ",")
	if p.Cipher == "" {
		return tlsWords(p.TLS)
	}
	if found {
		rest = "," + rest
	}
	return version + " (" + p.Cipher + ")" + rest
}

func tlsWords(tls string) string {
	if strings.HasPrefix(tls, "none") {
		return "TLS " + tls
	}
	return tls
}

// Survey is what Look sees of the server: everything that can refuse a rotation before it changes anything.
type Survey struct {
	Server        string
	StandbyExists bool
	// Passwords is what the server takes.
	Passwords rotation.PasswordRule
	// KeepsPasswords: a password history or reuse interval would forbid going back to the standby account's password (3638).
	KeepsPasswords bool
	// Divided: the account whose password is changed exists on several hosts, which change one after the other.
	Divided bool
	// SecondPassword: the current account takes a second password; it is looked at with a strategy that is about those.
	SecondPassword bool
	Notes          []string
	// Open is the session that looked, where the question says Leave and the target has sessions; nil otherwise. It is to be closed.
	Open Surveyed
}

// Surveyed is a session that has looked and changed nothing.
type Surveyed interface {
	// Lock is Target.Lock on this session, without another login. It is closed where that fails.
	Lock(ctx context.Context) (Session, error)
	Close()
}

// Target accepts credentials.
type Target interface {
	Traits() Traits
	// Probe logs in once, on a connection of its own, as a client would.
	Probe(ctx context.Context, login Login) Proof
	// Survey looks, changing nothing. What a rotation could not do is a permanent error: missing rights, a name that is too
	// long, a standby account whose privileges could not be made equal to the current account's.
	Survey(ctx context.Context, q Question) (Survey, error)
	// Lock opens a session that holds the lock of the account pair. It ends the session of a former holder first.
	Lock(ctx context.Context, by Login, pair rotation.Pair) (Session, error)
	// Rehearse opens a session that changes nothing, and disturbs nobody who holds the lock: it answers as Lock's would, and what that would
	// have done goes to the script.
	Rehearse(ctx context.Context, by Login, pair rotation.Pair, script *Script) (Session, error)
}

// Script is what a rehearsal would have changed: statements or calls of an API, in order, with *** for passwords.
type Script struct{ Lines []string }

// Add adds a line.
func (s *Script) Add(line string) { s.Lines = append(s.Lines, line) }

// SessionLister is a Target on which it can be seen who is logged in.
type SessionLister interface {
	// Sessions lists the sessions of the account that were opened before the one that it opens itself, and ends them if asked. An account sees
	// and ends its own; another login needs the right to see and end others', which is checked first.
	Sessions(ctx context.Context, by Login, account string, end bool) (Sessions, error)
}

// Sessions are those of one account.
type Sessions struct {
	rotation.Sessions
	// Logins is how many logins of the account the server has counted since it started, without this one's; 0 where it does not say.
	Logins int64
}

// Question is what a survey is for.
type Question struct {
	// By is who changes the target: the admin, or the account itself.
	By       Login
	Strategy rotation.Strategy
	Pair     rotation.Pair
	// Current is the account that is current.
	Current string
	// Client is the login of the base version, as clients use it.
	Client Login
	// Findings is told what is found, good and bad. With nil, the first problem is the survey's error.
	Findings *rotation.Findings
	// Leave: the session is left open, for the change that follows at once.
	Leave bool
}

// Session changes the accounts of one pair, under their lock. Close gives the lock back; it is safe to call twice.
type Session interface {
	// Exists says whether the account exists, under any host.
	Exists(ctx context.Context, account string) (bool, error)
	// Create creates the account on the hosts of the account like, with its privileges and attributes.
	Create(ctx context.Context, account, like string, password rotation.Secret) (Change, error)
	// SetPassword replaces the password of the account on all its hosts.
	SetPassword(ctx context.Context, account string, password rotation.Secret) error
	// SetOwnPassword replaces the password of the account that the session is logged in as. Where the server can compare, an
	// account that no longer has the old one is a retryable error (3891): look again.
	SetOwnPassword(ctx context.Context, old, new rotation.Secret) error
	// Renew is SetPassword, and Level with the account like.
	Renew(ctx context.Context, account, like string, password rotation.Secret) (Change, error)
	// Level makes hosts, privileges and attributes of the account equal to those of the account like: nothing missing, nothing more.
	// Accounts on further hosts get the password.
	Level(ctx context.Context, account, like string, password rotation.Secret) (Change, error)
	// Differences says in words what differs between the account and the account like; none when they are equal.
	Differences(ctx context.Context, account, like string) ([]string, error)
	// Drop drops the account on all its hosts. That it does not exist is no error.
	Drop(ctx context.Context, account string) error
	Close()
}

// Disabler is a Session of a server on which an account can exist on several hosts, each with a password of its own.
type Disabler interface {
	// Disable gives the account a password that nobody has, on the host that a login meets last: until then the login tells that it is
	// not done.
	Disable(ctx context.Context, account string, unknown rotation.Secret) error
}

// TwoPasswords is a Session of a server on which an account can take two passwords. It changes the session's own account, where the session
// is that account's, and others as an admin.
type TwoPasswords interface {
	// Passwords looks at the account's passwords, before logins tell whose they are.
	Passwords(ctx context.Context, account string) (PasswordsSeen, error)
	// SetBoth makes the account take kept and next and no other password, at once. likely are passwords that may be the first one of the
	// account now: who changes itself has to name that one. keptIsFirst says that it is certainly kept. Where the account's passwords are not as
	// they were seen any more, it changes nothing and is Retryable; of who changes itself, only the first one is compared.
	SetBoth(ctx context.Context, seen PasswordsSeen, kept, next rotation.Secret, keptIsFirst bool, likely ...rotation.Secret) error
	// SetOnly makes the account take only this password, at once, and on the same condition.
	SetOnly(ctx context.Context, seen PasswordsSeen, only rotation.Secret, likely ...rotation.Secret) error
}

// PasswordsSeen is what can be seen of the passwords of an account.
type PasswordsSeen struct {
	Account string
	// Second: the account takes a second password. Known is false where the session may not see that.
	Second, Known bool
	// Mark is another one, for the same session, when one of the passwords has been changed.
	Mark string
}

// Change is what was done to an account, in words.
type Change struct {
	// Given and Taken are privileges and attributes.
	Given, Taken []string
	// LeftOut are privileges that the admin cannot give and that are allowed to be missing.
	LeftOut []string
}
