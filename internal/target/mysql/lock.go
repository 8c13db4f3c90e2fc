package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// lockName is the name of the lock of an account pair on a server, which the pair's base names. It has 38 characters; the
// servers take 64.
func lockName(server string, pair rotation.Pair) string {
	sum := sha256.Sum256([]byte(server + "\x00" + pair.Base))
	return "rotor:" + hex.EncodeToString(sum[:16])
}

const killPoll = 10 * time.Millisecond

// Lock opens a session, of the admin or of the account itself, that holds GET_LOCK of the account pair. If another session holds it, that one is killed
// and seen to be gone first: a statement of it that waits in the server (behind FLUSH TABLES WITH READ LOCK) would else be
// carried out later, its client long dead.
//
// The lock is one server's: on Galera and behind a proxy that shares connections it does not keep everybody out. On MySQL 5.6
// a session has one lock at a time, so nothing else may take one on this session.
//
// A refused login is an error with code "1045".
func (t *Target) Lock(ctx context.Context, by target.Login, pair rotation.Pair) (target.Session, error) {
	s, err := t.login(ctx, by, pair, false)
	if err != nil {
		return nil, err
	}
	return surveyed{s}.Lock(ctx)
}

// openToServer logs in without a database: a session that changes accounts needs none, and the admin need not be let into the one that a document names.
func (t *Target) openToServer(ctx context.Context, by target.Login) (*connection, error) {
	by.Place.Database = ""
	return t.open(ctx, by)
}

// login begins a session on a new connection.
func (t *Target) login(ctx context.Context, by target.Login, pair rotation.Pair, readOnly bool) (*session, error) {
	conn, err := t.openToServer(ctx, by)
	if err != nil {
		return nil, err
	}
	return t.begin(ctx, conn, by, pair, readOnly)
}

// begin looks at the server, and sets up a session without the lock. It bounds what the session can wait for there: a statement is given up before
// its client does, so that none is left waiting, to be carried out later. On MySQL 5.6 only the KILL of the next Lock helps.
func (t *Target) begin(ctx context.Context, conn *connection, by target.Login, pair rotation.Pair, readOnly bool) (_ *session, err error) {
	s := &session{target: t, by: by, conn: conn, pair: pair, readOnly: readOnly}
	s.server, err = account.Open(ctx, conn.Conn, account.Opening{Idle: t.options.IdleTimeout, Statement: t.options.StatementTimeout * 3 / 4, ReadOnly: readOnly})
	if err != nil {
		s.Close()
		return nil, s.note(err)
	}
	return s, nil
}

// surveyed is a session that has no lock yet.
type surveyed struct{ *session }

// Lock implements target.Surveyed.
func (s surveyed) Lock(ctx context.Context) (target.Session, error) {
	if err := s.hold(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s.session, nil
}

// hold takes the lock, and may change things from then on.
func (s *session) hold(ctx context.Context) error {
	if s.readOnly {
		if err := account.AllowChanges(ctx, s.conn.Conn); err != nil {
			return s.note(err)
		}
		s.readOnly = false
	}
	s.lock = lockName(s.server.ID, s.pair)
	limited, cancel := context.WithTimeout(ctx, s.target.options.LockTimeout)
	defer cancel()
	return s.take(limited)
}

// take gets the lock, ending the sessions that hold it.
func (s *session) take(ctx context.Context) error {
	doing := fmt.Sprintf("take the lock of account pair %q at %s", s.pair.Base, s.address())
	busy := rotation.Errorf(rotation.Retryable, "%s: another session holds it and did not end in time", doing).WithCode(codeTimeout)
	for {
		var got sql.NullInt64
		var connection int64
		if err := s.conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 0), CONNECTION_ID()", s.lock).Scan(&got, &connection); err != nil {
			return orBusy(ctx, busy, failure(err, "%s", doing))
		}
		if s.server.Connection == 0 { // a server that did not tell it when the session was set up
			s.server.Connection = connection
		}
		if connection != s.server.Connection {
			return rotation.Errorf(rotation.Retryable, "%s: the session is another one than that which was set up; does a proxy between share connections?",
				doing).WithCode(codeSession)
		}
		if got.Int64 == 1 {
			return nil
		}
		var holder sql.NullInt64
		if err := s.conn.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", s.lock).Scan(&holder); err != nil {
			return orBusy(ctx, busy, failure(err, "%s", doing))
		}
		if !holder.Valid {
			continue // given back between the two
		}
		err := s.end(ctx, holder.Int64)
		if number(err) == erKillDenied {
			busy = rotation.Errorf(rotation.Retryable, "%s: session %d of another account holds it, and this one may not end that (CONNECTION_ADMIN, "+
				"on MariaDB CONNECTION ADMIN, before MySQL 8 SUPER)", doing, holder.Int64).WithCode(strconv.Itoa(erKillDenied))
		} else if err != nil {
			return orBusy(ctx, busy, failure(err, "%s: end session %d, which holds it", doing, holder.Int64))
		}
		if !pause(ctx, killPoll) {
			return busy
		}
	}
}

// orBusy: an error after the time is up is the time's.
func orBusy(ctx context.Context, busy *rotation.Error, err error) error {
	if ctx.Err() != nil {
		return busy
	}
	return err
}

// end kills a session and waits until the server has none of that number.
func (s *session) end(ctx context.Context, id int64) error {
	for {
		_, err := s.conn.ExecContext(ctx, "KILL "+strconv.FormatInt(id, 10))
		if number(err) == erNoSuchThread {
			return nil
		}
		if err != nil {
			return err
		}
		if !pause(ctx, killPoll) {
			return ctx.Err()
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
