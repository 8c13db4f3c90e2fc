package mysql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// session is a session that holds the lock of an account pair. All its statements are on one connection; if that breaks,
// whatever is asked of the session afterwards is an error.
type session struct {
	target *Target
	by     target.Login
	pair   rotation.Pair
	conn   *connection
	lock   string
	server account.Server
	rights *account.Rights
	// unsure: a statement got no answer, so that the server may still be at it.
	unsure bool
	closed bool
	// salt is of the marks that it has made; see mark.
	salt string
	// readOnly: the server refuses changes on it.
	readOnly bool
	// rehearsal: it has no lock, and tells what it would change; see Rehearse.
	rehearsal bool
}

// Format prints a session without its login: fmt doesn't call the methods of a Secret that is in an unexported field.
func (s *session) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "session %d at %s", s.server.Connection, s.address())
}

func (s *session) address() string { return s.by.Place.Address() }

// guard makes sure that the lock is still this session's before anything is done under it. A proxy that reconnects by
// itself, or somebody's RELEASE_ALL_LOCKS, would have lost it silently.
func (s *session) guard(ctx context.Context) error {
	if s.rehearsal {
		return nil
	}
	var mine bool
	if err := s.conn.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?) <=> CONNECTION_ID()", s.lock).Scan(&mine); err != nil {
		return s.note(failure(err, "make sure of the lock of account pair %q at %s", s.pair.Base, s.address()))
	}
	if !mine {
		return rotation.Errorf(rotation.Retryable, "the lock of account pair %q at %s is no longer this session's; does a proxy between share connections?",
			s.pair.Base, s.address()).WithCode(codeSession)
	}
	return nil
}

// note remembers whether a statement may still be at work. That the server is read-only was not so when the rotation began:
// it is failing over, and the address will lead to its successor.
func (s *session) note(err error) error {
	var e *rotation.Error
	if err = sessionError(err); !errors.As(err, &e) {
		return err
	}
	s.unsure = s.unsure || e.Unanswered
	if slices.Contains(readOnlyCodes, e.Code) {
		e.Kind = rotation.Retryable
	}
	return e
}

// readOnlyCodes are the answers of a server that takes no changes.
var readOnlyCodes = []string{"1290", "1792", "1836"}

// options for making an account equal to another. The admin's rights are read when they are needed first: an account that
// changes only itself has no right to look at them.
func (s *session) options(ctx context.Context, like string) (account.Options, error) {
	if s.rights == nil {
		rights, err := account.ReadRights(ctx, s.conn.Conn, s.server)
		if err != nil {
			return account.Options{}, s.note(err)
		}
		s.rights = rights
	}
	return account.Options{
		AllowMissing: s.target.options.AllowMissing,
		Rights:       s.rights,
		FirstHost:    s.target.hostOf(s.server.ID, like),
	}, nil
}

// Exists says whether the account exists, under any host.
func (s *session) Exists(ctx context.Context, name string) (bool, error) {
	if err := s.guard(ctx); err != nil {
		return false, err
	}
	exists, err := account.Exists(ctx, s.conn.Conn, s.server, name)
	return exists, s.note(err)
}

// Create creates the account on the hosts of the account like. The host under which this worker's own login as like was
// let in is the first, where a Probe of this process has seen it.
func (s *session) Create(ctx context.Context, name, like string, password rotation.Secret) (target.Change, error) {
	return s.Level(ctx, name, like, password)
}

// SetPassword replaces the password of the account on all its hosts: in one statement from MySQL 8.0 on, before that and on
// MariaDB one after the other, the one that this worker logs in to first.
func (s *session) SetPassword(ctx context.Context, name string, password rotation.Secret) error {
	return s.setPassword(ctx, name, password, first)
}

// SetOwnPassword replaces the password of the session's own account, on the host under which it was let in: under further
// hosts it keeps the old one. MySQL 8.0.13 and later compare the old one.
func (s *session) SetOwnPassword(ctx context.Context, old, new rotation.Secret) error {
	if err := s.guard(ctx); err != nil {
		return err
	}
	err := s.note(account.SetOwnPassword(ctx, s.conn.Conn, s.server, old, new))
	var e *rotation.Error
	if errors.As(err, &e) && e.Code == codeOldPasswordWrong {
		// Another attempt was faster, or a person: a login tells.
		e.Kind = rotation.Retryable
	}
	return err
}

// codeOldPasswordWrong is the number of a REPLACE with another password than the account has.
const codeOldPasswordWrong = "3891"

// codeWeakPassword is the answer to a password that the server's policy does not take.
const codeWeakPassword = "1819"

// Level makes the account equal to the account like, and reads both again to see that it is.
func (s *session) Level(ctx context.Context, name, like string, password rotation.Secret) (target.Change, error) {
	if err := s.guard(ctx); err != nil {
		return target.Change{}, err
	}
	options, err := s.options(ctx, like)
	if err != nil {
		return target.Change{}, err
	}
	changes, err := account.Level(ctx, s.conn.Conn, s.server, like, name, password, options)
	return target.Change{Given: changes.Given, Taken: changes.Taken, LeftOut: changes.LeftOut}, s.note(err)
}

// Renew replaces the password and makes the account equal. It reads both accounts once where they are equal already.
func (s *session) Renew(ctx context.Context, name, like string, password rotation.Secret) (target.Change, error) {
	if err := s.guard(ctx); err != nil {
		return target.Change{}, err
	}
	options, err := s.options(ctx, like)
	if err != nil {
		return target.Change{}, err
	}
	current, standby, err := account.ReadBoth(ctx, s.conn.Conn, s.server, like, name)
	if err != nil {
		return target.Change{}, s.note(err)
	}
	if err := s.give(ctx, standby, password, first); err != nil {
		return target.Change{}, err
	}
	changes, err := account.CompareSets(ctx, s.conn.Conn, s.server, current, standby, options)
	if err == nil && changes.Empty() {
		return target.Change{LeftOut: changes.LeftOut}, nil
	}
	return s.Level(ctx, name, like, password)
}

// Differences says what Level would do.
func (s *session) Differences(ctx context.Context, name, like string) ([]string, error) {
	if err := s.guard(ctx); err != nil {
		return nil, err
	}
	options, err := s.options(ctx, like)
	if err != nil {
		return nil, err
	}
	changes, err := account.Compare(ctx, s.conn.Conn, s.server, like, name, options)
	if err != nil {
		return nil, s.note(err)
	}
	return differences(changes), nil
}

func differences(changes account.Changes) []string {
	if changes.Empty() {
		return nil
	}
	var words []string
	for _, given := range changes.Given {
		words = append(words, "missing: "+given)
	}
	for _, taken := range changes.Taken {
		words = append(words, "too much: "+taken)
	}
	if len(words) == 0 {
		for _, statement := range changes.Statements() {
			words = append(words, "open: "+statement.String())
		}
	}
	return words
}

// Drop drops the account on all its hosts, the one that this worker logs in to last: until then a login can prove whose
// account it is.
func (s *session) Drop(ctx context.Context, name string) error {
	set, err := s.read(ctx, name)
	if err != nil {
		return err
	}
	s.sort(set, last)
	for _, a := range set.Accounts {
		one := account.Set{User: name, Accounts: []account.Account{a}}
		changes, err := account.Difference(s.server, account.Set{User: name}, one, account.Options{})
		if err == nil {
			_, err = account.Apply(ctx, s.conn.Conn, s.server, changes, rotation.Secret{})
		}
		if err != nil && rotation.CodeOf(err) != "1396" { // it is gone already
			return s.note(err)
		}
	}
	return nil
}

func (s *session) read(ctx context.Context, name string) (account.Set, error) {
	if err := s.guard(ctx); err != nil {
		return account.Set{}, err
	}
	set, err := account.Read(ctx, s.conn.Conn, s.server, name)
	return set, s.note(err)
}

// Where the account on the worker's own host goes among the others.
const (
	first = -1
	last  = 1
)

func (s *session) sort(set account.Set, own int) {
	host := s.target.hostOf(s.server.ID, set.User)
	if host == "" {
		host = s.target.hostOf(s.server.ID, s.pair.Standby(set.User))
	}
	slices.SortStableFunc(set.Accounts, func(a, b account.Account) int {
		switch host {
		case a.Host:
			return own
		case b.Host:
			return -own
		}
		return 0
	})
}

// closeTimeout bounds what Close says to a server that may not listen.
const closeTimeout = 3 * time.Second

// Close gives the lock back and ends the session. A statement that got no answer is ended in the server, too.
func (s *session) Close() {
	if s.closed {
		return
	}
	s.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if s.lock != "" && !s.unsure {
		// Closing gives it back, too, but a moment later: the next session would find it held. It matters to nobody if
		// this fails.
		_, _ = s.conn.ExecContext(ctx, "DO RELEASE_LOCK(?)", s.lock)
	}
	s.conn.close()
	if s.lock != "" && s.unsure {
		s.endAbandoned(ctx)
	}
}

// endAbandoned kills what is left of this session in the server, over another connection. If it can't be done, the next
// Lock does it.
func (s *session) endAbandoned(ctx context.Context) {
	conn, err := s.target.open(ctx, s.by)
	if err != nil {
		return
	}
	defer conn.close()
	// The lock proves that the session of that number is still ours: a server that restarted meanwhile counts anew.
	var ours bool
	if err := conn.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?) <=> ?", s.lock, s.server.Connection).Scan(&ours); err == nil && ours {
		_, _ = conn.ExecContext(ctx, fmt.Sprintf("KILL %d", s.server.Connection))
	}
}
