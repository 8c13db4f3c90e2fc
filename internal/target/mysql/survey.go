package mysql

import (
	"context"
	"fmt"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// Survey looks with the admin account, without the lock and changing nothing. A refused admin login is an error with code
// "1045".
func (t *Target) Survey(ctx context.Context, admin target.Login, pair rotation.Pair, current string) (target.Survey, error) {
	conn, err := t.openAdmin(ctx, admin)
	if err != nil {
		return target.Survey{}, err
	}
	defer conn.close()
	s := surveyor{target: t, admin: admin, conn: conn, current: current, standby: pair.Standby(current)}
	survey, err := s.look(ctx)
	return survey, sessionError(err)
}

type surveyor struct {
	target           *Target
	admin            target.Login
	conn             *connection
	current, standby string
}

func (s *surveyor) refuse(format string, args ...any) error {
	return rotation.Errorf(rotation.Permanent, "%s: %s", s.admin.Place.Address(), fmt.Sprintf(format, args...))
}

func (s *surveyor) look(ctx context.Context) (target.Survey, error) {
	id, err := identity(ctx, s.conn.Conn)
	if err != nil {
		return target.Survey{}, failure(err, "ask %s who it is", s.admin.Place.Address())
	}
	server, err := account.Inspect(ctx, s.conn.Conn)
	if err != nil {
		return target.Survey{}, err
	}
	if server.ReadOnly {
		return target.Survey{}, rotation.Errorf(rotation.Permanent, "%s is read-only: a replica, or a reader endpoint; "+
			"put the address of the server that takes changes into the documents", s.admin.Place.Address()).WithCode("1290")
	}
	if err := server.CheckUser(s.standby); err != nil {
		return target.Survey{}, err
	}
	if err := s.checkPolicy(server.Policy); err != nil {
		return target.Survey{}, err
	}
	survey := target.Survey{Server: id, MaxAccountLength: server.UserLength}
	return survey, s.accounts(ctx, server, &survey)
}

// accounts looks at the two accounts, and at what the admin may do with them.
func (s *surveyor) accounts(ctx context.Context, server account.Server, survey *target.Survey) error {
	current, err := account.Read(ctx, s.conn.Conn, server, s.current)
	if err != nil {
		return err
	}
	if len(current.Accounts) == 0 {
		return s.refuse("account %q does not exist; the login of the current version is let in as another one (anonymous, or through a proxy)", s.current)
	}
	standby, err := account.Read(ctx, s.conn.Conn, server, s.standby)
	if err != nil {
		return err
	}
	rights, err := account.ReadRights(ctx, s.conn.Conn, server)
	if err != nil {
		return err
	}
	if err := s.checkCreateUser(server, rights); err != nil {
		return err
	}
	if err := rights.Check(standby); err != nil {
		return err
	}
	changes, err := account.Compare(ctx, s.conn.Conn, server, s.current, s.standby,
		account.Options{AllowMissing: s.target.options.AllowMissing, Rights: rights})
	if err != nil {
		return err
	}
	survey.StandbyExists = len(standby.Accounts) > 0
	// Set gives the standby account the current one's policy, so that either may forbid going back.
	survey.KeepsPasswords = server.KeepsPasswords(current) || survey.StandbyExists && server.KeepsPasswords(standby)
	survey.Notes = notes(s.current, current, changes)
	return nil
}

// checkCreateUser: every rotation changes a password, also where the accounts are equal already and nothing else is done.
func (s *surveyor) checkCreateUser(server account.Server, rights *account.Rights) error {
	some := account.Set{User: s.standby, Accounts: []account.Account{{Host: "%"}}}
	_, err := account.Difference(server, account.Set{User: s.current}, some, account.Options{Rights: rights})
	if err != nil {
		return s.refuse("the admin account %q lacks CREATE USER, which it takes to create accounts and to change passwords; "+
			"GRANT CREATE USER ON *.* to it", s.admin.Account)
	}
	return nil
}

// checkPolicy: of each kind of character, generated passwords have one for certain.
func (s *surveyor) checkPolicy(p *account.Policy) error {
	if p == nil {
		return nil
	}
	if p.Length > rotation.MaxPasswordLength {
		return s.refuse("the server's password policy wants %d characters; generated passwords have %d at most", p.Length, rotation.MaxPasswordLength)
	}
	for _, wanted := range []struct {
		count int
		kind  string
	}{{p.Lower, "lower-case letters"}, {p.Upper, "upper-case letters"}, {p.Digits, "digits"}, {p.Special, "special characters"}} {
		if wanted.count > 1 {
			return s.refuse("the server's password policy wants %d %s; generated passwords have one for certain", wanted.count, wanted.kind)
		}
	}
	return nil
}

func notes(name string, current account.Set, changes account.Changes) []string {
	var notes []string
	if len(current.Shadows) > 0 {
		notes = append(notes, fmt.Sprintf("anonymous accounts on %s are preferred by the server to %q for some clients, which are refused then (1045)",
			strings.Join(current.Shadows, ", "), name))
	}
	for _, left := range changes.LeftOut {
		notes = append(notes, "the admin account can't grant "+left+"; it is left out")
	}
	return append(notes, changes.Notes...)
}
