package mysql

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// Rehearse opens a session that takes no lock and changes nothing: the account package tells each statement instead of carrying it out, and
// the server would refuse it.
func (t *Target) Rehearse(ctx context.Context, by target.Login, pair rotation.Pair, script *target.Script) (target.Session, error) {
	conn, err := t.openToRead(ctx, by)
	if err != nil {
		return nil, err
	}
	s := &session{target: t, by: by, conn: conn, pair: pair, rehearsal: true}
	if s.serverID, err = identity(ctx, conn.Conn); err != nil {
		s.Close()
		return nil, failure(err, "ask %s who it is", s.address())
	}
	if s.server, err = account.Inspect(ctx, conn.Conn); err != nil {
		s.Close()
		return nil, err
	}
	s.server.Rehearse = script.Add
	return s, nil
}

// openToRead logs in for a session in which the server refuses changes, of accounts too (1792).
func (t *Target) openToRead(ctx context.Context, by target.Login) (*connection, error) {
	conn, err := t.openBounded(ctx, by)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "SET SESSION TRANSACTION READ ONLY"); err != nil {
		conn.close()
		return nil, failure(err, "set up the session of %q at %s", by.Account, by.Place.Address())
	}
	return conn, nil
}
