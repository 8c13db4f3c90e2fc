package mysql

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
	"strings"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

var _ target.SessionLister = (*Target)(nil)

// endingTimeout bounds how long sessions that were told to end are waited for.
const endingTimeout = 10 * time.Second

// Sessions looks at the list of sessions. Their numbers grow, so those below the number of the own one were opened before it: whoever made a
// credential unusable first, and then asks, sees all that were opened with it.
func (t *Target) Sessions(ctx context.Context, by target.Login, name string, end bool) (target.Sessions, error) {
	s, err := t.login(ctx, by, rotation.Pair{}, false)
	if err != nil {
		return target.Sessions{}, err
	}
	defer s.Close()
	l := lister{conn: s.conn, server: s.server, by: by, account: name}
	found, err := l.look(ctx, end)
	return found, sessionError(err)
}

type lister struct {
	conn    *connection
	server  account.Server
	by      target.Login
	account string
}

func (l *lister) look(ctx context.Context, end bool) (found target.Sessions, err error) {
	if l.by.Account != l.account {
		if err := l.checkRights(ctx, end); err != nil {
			return found, err
		}
	}
	ids, hosts, err := l.open(ctx)
	if err != nil {
		return found, err
	}
	found.Open, found.Hosts, found.Logins = len(ids), hosts, l.logins(ctx)
	if !end {
		return found, nil
	}
	limited, cancel := context.WithTimeout(ctx, endingTimeout)
	defer cancel()
	for left := ids; len(left) > 0; {
		for _, id := range left {
			if _, err := l.conn.ExecContext(ctx, "KILL "+strconv.FormatInt(id, 10)); err != nil && number(err) != erNoSuchThread {
				return found, failure(err, "end session %d of account %q at %s", id, l.account, l.by.Place.Address())
			}
		}
		if left, _, err = l.open(ctx); err != nil {
			return found, err
		}
		if len(left) > 0 && !pause(limited, killPoll) {
			return found, rotation.Errorf(rotation.Retryable, "end the sessions of account %q at %s: %d did not end in time", l.account, l.by.Place.Address(),
				len(left)).WithCode(codeTimeout)
		}
	}
	found.Ended = len(ids)
	return found, nil
}

// open lists the sessions that are older than this one.
func (l *lister) open(ctx context.Context) (ids []int64, hosts []string, err error) {
	doing := "list the sessions of account %q at %s"
	rows, err := l.conn.QueryContext(ctx, "SELECT ID, HOST FROM information_schema.PROCESSLIST WHERE USER = ? AND ID < CONNECTION_ID()", l.account)
	if err != nil {
		return nil, nil, failure(err, doing, l.account, l.by.Place.Address())
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		var host sql.NullString
		if err := rows.Scan(&id, &host); err != nil {
			return nil, nil, failure(err, doing, l.account, l.by.Place.Address())
		}
		ids = append(ids, id)
		if name, _, _ := strings.Cut(host.String, ":"); name != "" && !slices.Contains(hosts, name) {
			hosts = append(hosts, name)
		}
	}
	slices.Sort(hosts)
	return ids, hosts, failure(rows.Err(), doing, l.account, l.by.Place.Address())
}

// logins asks for the server's own count, which also tells of sessions that were opened and closed between two looks. Few may read it.
func (l *lister) logins(ctx context.Context) int64 {
	var counted sql.NullInt64
	err := l.conn.QueryRowContext(ctx, "SELECT SUM(TOTAL_CONNECTIONS) FROM performance_schema.accounts WHERE USER = ?", l.account).Scan(&counted)
	if err != nil || !counted.Valid {
		return 0
	}
	if l.by.Account == l.account {
		counted.Int64--
	}
	return counted.Int64
}

// checkRights: a list without the others' sessions would look like an empty one.
func (l *lister) checkRights(ctx context.Context, end bool) error {
	see, kill, err := account.SessionRights(ctx, l.conn.Conn, l.server)
	switch {
	case err != nil:
		return err
	case !see:
		return rotation.Errorf(rotation.Permanent, "account %q may not see the sessions of others at %s; GRANT PROCESS ON *.* to it", l.by.Account, l.by.Place.Address())
	case end && !kill:
		return rotation.Errorf(rotation.Permanent, "account %q may not end the sessions of others at %s; GRANT CONNECTION_ADMIN ON *.* to it (MariaDB: CONNECTION ADMIN, "+
			"before MySQL 8: SUPER)", l.by.Account, l.by.Place.Address())
	}
	return nil
}
