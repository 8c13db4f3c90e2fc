package mysql

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// Survey looks without the lock and changes nothing. A refused login is an error with code "1045".
func (t *Target) Survey(ctx context.Context, q target.Question) (target.Survey, error) {
	conn, err := t.openBounded(ctx, q.By)
	if err != nil {
		return target.Survey{}, err
	}
	defer conn.close()
	s := surveyor{Question: q, target: t, conn: conn}
	survey, err := s.look(ctx)
	return survey, sessionError(err)
}

type surveyor struct {
	target.Question
	target *Target
	conn   *connection
	server account.Server
}

func (s *surveyor) address() string { return s.By.Place.Address() }

func (s *surveyor) refuse(format string, args ...any) error {
	return rotation.Errorf(rotation.Permanent, "%s: %s", s.address(), fmt.Sprintf(format, args...))
}

func (s *surveyor) look(ctx context.Context) (target.Survey, error) {
	id, err := identity(ctx, s.conn.Conn)
	if err != nil {
		return target.Survey{}, failure(err, "ask %s who it is", s.address())
	}
	if s.server, err = account.Inspect(ctx, s.conn.Conn); err != nil {
		return target.Survey{}, err
	}
	if s.server.ReadOnly {
		return target.Survey{}, rotation.Errorf(rotation.Permanent, "%s is read-only: a replica, or a reader endpoint; "+
			"put the address of the server that takes changes into the documents", s.address()).WithCode("1290")
	}
	survey := target.Survey{Server: id, Passwords: passwordRule(s.server.Policy)}
	switch {
	case s.Strategy == rotation.DualAccount:
		err = s.pair(ctx, &survey)
	case s.By.Account == s.Current:
		err = s.itself(ctx, &survey)
	default:
		err = s.single(ctx, &survey)
	}
	return survey, err
}

// pair looks at the two accounts, and at what the admin may do with them.
func (s *surveyor) pair(ctx context.Context, survey *target.Survey) error {
	name := s.Pair.Standby(s.Current)
	if err := s.server.CheckUser(name); err != nil {
		return err
	}
	current, rights, err := s.asAdmin(ctx)
	if err != nil {
		return err
	}
	standby, err := account.Read(ctx, s.conn.Conn, s.server, name)
	if err != nil {
		return err
	}
	if err := cmp.Or(rights.Check(standby), s.server.CheckPlugins(standby)); err != nil {
		return err
	}
	changes, err := account.Compare(ctx, s.conn.Conn, s.server, s.Current, name,
		account.Options{AllowMissing: s.target.options.AllowMissing, Rights: rights})
	if err != nil {
		return err
	}
	survey.StandbyExists, survey.Divided = len(standby.Accounts) > 0, s.divided(standby)
	// Set gives the standby account the current one's policy, so that either may forbid going back.
	survey.KeepsPasswords = s.server.KeepsPasswords(current) || survey.StandbyExists && s.server.KeepsPasswords(standby)
	survey.Notes = s.notes(current)
	for _, left := range changes.LeftOut {
		survey.Notes = append(survey.Notes, "the admin account can't grant "+left+"; it is left out")
	}
	survey.Notes = append(survey.Notes, changes.Notes...)
	return nil
}

// single looks at one account that an admin changes.
func (s *surveyor) single(ctx context.Context, survey *target.Survey) error {
	current, rights, err := s.asAdmin(ctx)
	if err != nil {
		return err
	}
	if err := cmp.Or(rights.Check(current), s.server.CheckPlugins(current)); err != nil {
		return err
	}
	survey.KeepsPasswords, survey.Divided = s.server.KeepsPasswords(current), s.divided(current)
	survey.Notes = s.notes(current)
	return nil
}

// deniedReading are the answers to an account that may not read the accounts.
var deniedReading = []string{"1044", "1045", "1142", "1143", "1227"}

// itself looks at one account that changes itself. Few of those may read the grant tables, so that what is to be seen there
// counts only where it can be seen.
func (s *surveyor) itself(ctx context.Context, survey *target.Survey) error {
	set, err := account.Read(ctx, s.conn.Conn, s.server, s.Current)
	if slices.Contains(deniedReading, rotation.CodeOf(err)) {
		survey.KeepsPasswords = s.server.KeepsPasswords(account.Set{})
		survey.Notes = []string{fmt.Sprintf("account %q changes itself and can't see whether it exists under further hosts; there it would keep its former password",
			s.Current)}
		return nil
	}
	if err != nil {
		return err
	}
	if len(set.Accounts) > 1 {
		return s.refuse("account %q exists on several hosts (%s), and can change itself on one only; give the secret an admin secret, which can change them all",
			s.Current, strings.Join(set.Hosts(), ", "))
	}
	survey.KeepsPasswords = s.server.KeepsPasswords(set)
	survey.Notes = s.notes(set)
	return nil
}

// asAdmin reads the current account and the admin's rights, and sees that they are enough to change passwords.
func (s *surveyor) asAdmin(ctx context.Context) (account.Set, *account.Rights, error) {
	current, err := account.Read(ctx, s.conn.Conn, s.server, s.Current)
	if err != nil {
		return account.Set{}, nil, err
	}
	if len(current.Accounts) == 0 {
		return account.Set{}, nil, s.refuse("account %q does not exist; the login of the current version is let in as another one (an anonymous account, or a proxy user)", s.Current)
	}
	rights, err := account.ReadRights(ctx, s.conn.Conn, s.server)
	if err != nil {
		return account.Set{}, nil, err
	}
	if err := rights.CheckPasswords(s.server); err != nil {
		return account.Set{}, nil, s.refuse("%s", err)
	}
	return current, rights, nil
}

// passwordRule is what the server's policy takes, where it has one that can be read.
func passwordRule(p *account.Policy) rotation.PasswordRule {
	if p == nil {
		return rotation.PasswordRule{}
	}
	return rotation.PasswordRule{MinLength: p.Length, Lower: p.Lower, Upper: p.Upper, Digits: p.Digits, Special: p.Special}
}

func (s *surveyor) notes(current account.Set) []string {
	if len(current.Shadows) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("for some clients the server prefers the anonymous accounts on %s to %q, and refuses the login then (1045)",
		strings.Join(current.Shadows, ", "), current.User)}
}
