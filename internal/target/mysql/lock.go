package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
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
	conn, err := t.openBounded(ctx, by)
	if err != nil {
		return nil, err
	}
	s := &session{target: t, by: by, conn: conn, pair: pair}
	if err := s.begin(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// openBounded logs in and bounds what the session can wait for in the server.
func (t *Target) openBounded(ctx context.Context, by target.Login) (*connection, error) {
	// A session that changes accounts needs no database, and the admin need not be let into the one that a document names.
	by.Place.Database = ""
	conn, err := t.open(ctx, by)
	if err != nil {
		return nil, err
	}
	if err := t.bound(ctx, conn.Conn); err != nil {
		conn.close()
		return nil, failure(err, "set up the session of %q at %s", by.Account, by.Place.Address())
	}
	return conn, nil
}

// bound makes the server give up a statement before its client does, so that none is left waiting there to be carried out
// later. Behind FLUSH TABLES WITH READ LOCK an ALTER USER heeds lock_wait_timeout on MySQL 9.7, max_statement_time on MariaDB
// 10.11, and nothing on MySQL 5.6, where only the KILL of the next Lock helps (seen on all three).
func (t *Target) bound(ctx context.Context, conn *sql.Conn) error {
	var version string
	if err := conn.QueryRowContext(ctx, "SELECT VERSION()").Scan(&version); err != nil {
		return err
	}
	seconds := max(1, int(t.options.StatementTimeout.Seconds()*3/4))
	idle := max(1, int(t.options.IdleTimeout.Seconds()))
	settings := fmt.Sprintf("SET SESSION wait_timeout = %d, lock_wait_timeout = %d", idle, seconds)
	if strings.Contains(strings.ToLower(version), "mariadb") {
		settings += fmt.Sprintf(", max_statement_time = %d", seconds)
	}
	_, err := conn.ExecContext(ctx, settings)
	return err
}

// begin takes the lock and looks at the server.
func (s *session) begin(ctx context.Context) error {
	id, err := identity(ctx, s.conn.Conn)
	if err != nil {
		return failure(err, "ask %s who it is", s.address())
	}
	if err := s.conn.QueryRowContext(ctx, "SELECT CONNECTION_ID()").Scan(&s.id); err != nil {
		return failure(err, "ask %s for the session's number", s.address())
	}
	s.serverID, s.lock = id, lockName(id, s.pair)
	limited, cancel := context.WithTimeout(ctx, s.target.options.LockTimeout)
	defer cancel()
	if err := s.take(limited); err != nil {
		return err
	}
	s.server, err = account.Inspect(ctx, s.conn.Conn)
	return s.note(err)
}

// take gets the lock, ending the sessions that hold it.
func (s *session) take(ctx context.Context) error {
	doing := fmt.Sprintf("take the lock of account pair %q at %s", s.pair.Base, s.address())
	busy := rotation.Errorf(rotation.Retryable, "%s: another session holds it and did not end in time", doing).WithCode(codeTimeout)
	for {
		var got sql.NullInt64
		if err := s.conn.QueryRowContext(ctx, "SELECT GET_LOCK(?, 0)", s.lock).Scan(&got); err != nil {
			return orBusy(ctx, busy, failure(err, "%s", doing))
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
