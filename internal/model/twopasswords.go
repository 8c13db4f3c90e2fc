package model

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

var _ target.TwoPasswords = (*session)(nil)

// Passwords are seen by everybody here: that they can't be is no matter of order.
func (s *session) Passwords(_ context.Context, name string) (target.PasswordsSeen, error) {
	v, err := s.call("second password", func() (any, error) { return s.p.w.accounts[name].second != "" && s.p.w.off != SeesSecondPassword, nil })
	second, _ := v.(bool)
	return target.PasswordsSeen{Account: name, Second: second, Known: err == nil}, err
}

// SetBoth makes kept the first password on the way, unless it is said to be that already. It does not compare with what was seen, which a database
// can't do in the same moment either: the protocol holds without that.
func (s *session) SetBoth(_ context.Context, seen target.PasswordsSeen, kept, next rotation.Secret, keptIsFirst bool, _ ...rotation.Secret) error {
	return s.passwords(seen.Account, func(a *account) {
		if !keptIsFirst {
			a.password = kept.Reveal()
		}
		a.second, a.password = a.password, next.Reveal()
	})
}

func (s *session) SetOnly(_ context.Context, seen target.PasswordsSeen, only rotation.Secret, _ ...rotation.Secret) error {
	return s.passwords(seen.Account, func(a *account) { a.password, a.second = only.Reveal(), "" })
}

func (s *session) passwords(name string, change func(*account)) error {
	_, err := s.call("passwords "+name, func() (any, error) {
		a, exists := s.p.w.accounts[name]
		if !exists {
			return nil, rotation.Errorf(rotation.Conflict, "account %s does not exist", name)
		}
		before := a
		if change(&a); a != before {
			s.p.touched()
		}
		s.p.w.accounts[name] = a
		return nil, nil
	})
	return err
}
