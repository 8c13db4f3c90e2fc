package mysql

import (
	"context"
	"crypto/rand"
	"slices"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

var _ target.TwoPasswords = (*session)(nil)

// Passwords looks at the grant tables, which an account that changes itself may seldom read.
func (s *session) Passwords(ctx context.Context, name string) (target.PasswordsSeen, error) {
	set, err := s.read(ctx, name)
	var mark string
	if err == nil {
		mark, err = s.mark(ctx, set)
	}
	if s.isOwn(name) && slices.Contains(deniedReading, rotation.CodeOf(err)) {
		return target.PasswordsSeen{Account: name}, nil
	}
	return target.PasswordsSeen{Account: name, Second: hasSecond(set), Known: err == nil, Mark: mark}, err
}

// mark is salted by the session, so that nobody who sees it learns anything of a password.
func (s *session) mark(ctx context.Context, set account.Set) (string, error) {
	if s.salt == "" {
		s.salt = rand.Text()
	}
	mark, err := account.Mark(ctx, s.conn.Conn, s.server, set, s.salt)
	return mark, s.note(err)
}

// asSeen reads the account again, whose passwords have to be as they were seen. That is looked at last.
func (s *session) asSeen(ctx context.Context, seen target.PasswordsSeen) (account.Set, error) {
	set, err := s.read(ctx, seen.Account)
	if err != nil {
		return set, err
	}
	mark, err := s.mark(ctx, set)
	if err == nil && mark != seen.Mark {
		err = rotation.Errorf(rotation.Retryable, "change the passwords of account %q at %s: somebody else has just changed them; looking again", seen.Account, s.address())
	}
	return set, err
}

func hasSecond(set account.Set) bool {
	return slices.ContainsFunc(set.Accounts, func(a account.Account) bool { return a.SecondPassword })
}

func (s *session) isOwn(name string) bool { return s.by.Account == name }

// SetBoth makes the account take two passwords; see account.SetBoth. An account that changes itself names its first password, which the server compares.
func (s *session) SetBoth(ctx context.Context, seen target.PasswordsSeen, kept, next rotation.Secret, keptIsFirst bool, likely ...rotation.Secret) error {
	if !s.isOwn(seen.Account) {
		set, err := s.asSeen(ctx, seen)
		if err != nil {
			return err
		}
		err = s.note(account.SetBoth(ctx, s.conn.Conn, s.server, set, kept, next, keptIsFirst && s.server.KeepsPasswords(set)))
		if keptIsFirst && rotation.CodeOf(err) == codeWeakPassword { // kept is from before the policy, and may stay as it is
			err = s.note(account.SetBoth(ctx, s.conn.Conn, s.server, set, kept, next, true))
		}
		return err
	}
	if err := s.guard(ctx); err != nil {
		return err
	}
	err := s.note(account.SetOwnBoth(ctx, s.conn.Conn, s.server, kept, kept, next))
	if rotation.CodeOf(err) != codeOldPasswordWrong {
		return err
	}
	first, err := s.first(ctx, likely)
	if err != nil {
		return err
	}
	return s.note(account.SetOwnBoth(ctx, s.conn.Conn, s.server, first, kept, next))
}

// SetOnly makes the account take one password; see account.SetOnly.
func (s *session) SetOnly(ctx context.Context, seen target.PasswordsSeen, only rotation.Secret, likely ...rotation.Secret) error {
	if !s.isOwn(seen.Account) {
		set, err := s.asSeen(ctx, seen)
		if err != nil {
			return err
		}
		return s.note(account.SetOnly(ctx, s.conn.Conn, s.server, set, only))
	}
	first, err := s.first(ctx, append([]rotation.Secret{only}, likely...))
	if err != nil {
		return err
	}
	return s.note(account.SetOwnOnly(ctx, s.conn.Conn, s.server, first, only))
}

// first finds the one of the passwords that is the first one of the session's own account. Where none is, another attempt was faster, or
// somebody else changed the account: a login tells.
func (s *session) first(ctx context.Context, likely []rotation.Secret) (rotation.Secret, error) {
	for _, password := range likely {
		if err := s.guard(ctx); err != nil {
			return rotation.Secret{}, err
		}
		if is, err := account.IsOwnFirst(ctx, s.conn.Conn, s.server, password); is || err != nil {
			return password, s.note(err)
		}
	}
	return rotation.Secret{}, rotation.Errorf(rotation.Retryable, "change the passwords of account %q at %s: none of those that are known is its first one",
		s.by.Account, s.address()).WithCode(codeOldPasswordWrong)
}
