package mysql

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/target/mysql/account"
)

// surroundings looks for what only a check tells: signs that a change on this server may not be all that it takes.
func (s *surveyor) surroundings(ctx context.Context) error {
	if s.Findings == nil {
		return nil
	}
	if err := s.server.ReadHints(ctx, s.conn.Conn); err != nil {
		return err
	}
	s.Findings.Saw("server: %s %s, takes changes", s.server.Flavour, s.server.Version)
	hints := s.server.Hints
	if hints.CopiesFrom != "" {
		s.Findings.Warning(rotation.WarningReplica, "%s replicates from %q and takes changes all the same: what is changed here is not changed there", s.address(), hints.CopiesFrom)
	}
	if hints.NotLogged {
		s.Findings.Warning(rotation.WarningBinlog, "sql_log_bin is off in the sessions of %q: replicas of %s don't get what it changes", s.By.Account, s.address())
	}
	if hints.Cluster {
		s.Findings.Warning(rotation.WarningCluster, "%s is a node of a Galera cluster, where a lock is one node's: it doesn't keep out a rotation at another node", s.address())
	}
	if s.server.Policy != nil && s.server.Policy.Dictionary {
		s.Findings.Warning(rotation.WarningDictionary, "%s looks new passwords up in a list of words (validate_password, cracklib)", s.address())
	}
	return nil
}

// lockHeld tells whether a rotation holds the lock of the pair, and could not be ended by this admin.
func (s *surveyor) lockHeld(ctx context.Context, rights *account.Rights) error {
	if s.Findings == nil || !rights.LacksKill() {
		return nil
	}
	var holder sql.NullInt64
	if err := s.conn.QueryRowContext(ctx, "SELECT IS_USED_LOCK(?)", lockName(s.server.ID, s.Pair)).Scan(&holder); err != nil {
		return failure(err, "look at the lock of account pair %q at %s", s.Pair.Base, s.address())
	}
	if holder.Valid {
		s.Findings.Warning(rotation.WarningKill, "session %d holds the lock of account pair %q, and the admin account %q can't end it if it is of another account",
			holder.Int64, s.Pair.Base, s.By.Account)
	}
	return nil
}

// compared tells in what state the standby account is, and how far it is from the current one.
func (s *surveyor) compared(standby account.Set, changes account.Changes, known bool) {
	if s.Findings == nil || len(standby.Accounts) == 0 {
		return
	}
	for _, a := range standby.Accounts {
		name := account.Name{User: standby.User, Host: a.Host}
		if a.Attributes.Locked {
			s.Findings.Warning(rotation.WarningLocked, "%s is locked", name)
		}
		if a.Expired {
			s.Findings.Warning(rotation.WarningExpired, "the password of %s has expired", name)
		}
	}
	switch {
	case !known:
	case changes.Empty():
		s.Findings.Saw("standby: account %s is the equal of %s", standby.User, s.Current)
	default:
		s.Findings.Warning(rotation.WarningDrift, "account %s is not the equal of %s: %s", standby.User, s.Current, strings.Join(differences(changes), "; "))
	}
}

// note is for the survey's notes, and a warning of a check.
func (s *surveyor) note(word, text string) string {
	s.Findings.Warning(word, "%s", text)
	return text
}

// reading names the refusals that an admin without SELECT on the mysql schema gets.
func reading(err error) error {
	if slices.Contains(deniedReading, rotation.CodeOf(err)) {
		return rotation.Named(rotation.FindingAdminRights, err)
	}
	return err
}

// atAddress says of an error where it is met.
func (s *surveyor) atAddress(err error) error {
	var e *rotation.Error
	if !errors.As(err, &e) {
		return err
	}
	here := *e
	here.Text = s.address() + ": " + e.Text
	return &here
}
