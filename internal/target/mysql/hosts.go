package mysql

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

var _ target.Disabler = (*session)(nil)

// Disable implements target.Disabler.
func (s *session) Disable(ctx context.Context, name string, unknown rotation.Secret) error {
	return s.setPassword(ctx, name, unknown, last)
}

// setPassword changes all hosts, the one that this worker logs in to first or last.
func (s *session) setPassword(ctx context.Context, name string, password rotation.Secret, own int) error {
	set, err := s.read(ctx, name)
	if err != nil {
		return err
	}
	return s.give(ctx, set, password, own)
}

// give gives the accounts of a set the password.
func (s *session) give(ctx context.Context, set account.Set, password rotation.Secret, own int) error {
	if len(set.Accounts) == 0 {
		return rotation.Errorf(rotation.Conflict, "account %q does not exist on %s any more", set.User, s.address())
	}
	s.sort(set, own)
	return s.note(account.SetPassword(ctx, s.conn.Conn, s.server, set, password))
}

// divided says whether the accounts of a name change one after the other. From MySQL 8.0 on all hosts change together.
func (s *surveyor) divided(set account.Set) bool {
	return len(set.Accounts) > 1 && !s.server.ChangesTogether()
}
