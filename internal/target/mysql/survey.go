package mysql

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

// Survey looks without the lock and changes nothing: the session may not even. A refused login is an error with code "1045".
func (t *Target) Survey(ctx context.Context, q target.Question) (target.Survey, error) {
	login := rotation.FindingAdminLogin
	if q.By.Account == q.Current {
		login = rotation.FindingCurrentLogin
	}
	conn, err := t.openToServer(ctx, q.By)
	if err != nil {
		return target.Survey{}, rotation.Named(login, err)
	}
	session, err := t.begin(ctx, conn, q.By, q.Pair, true)
	if rotation.CodeOf(err) == strconv.Itoa(erMustChange) {
		err = rotation.Named(login, err)
	}
	if err != nil {
		return target.Survey{}, err
	}
	left := false
	defer func() {
		if !left {
			session.Close()
		}
	}()
	survey, err := (&surveyor{Question: q, session: session}).look(ctx)
	if left = err == nil && q.Leave; left {
		survey.Open = surveyed{session}
	}
	return survey, sessionError(err)
}

type surveyor struct {
	target.Question
	*session
}

func (s *surveyor) refusal(format string, args ...any) *rotation.Error {
	return rotation.Errorf(rotation.Permanent, "%s: %s", s.address(), fmt.Sprintf(format, args...))
}

func (s *surveyor) look(ctx context.Context) (target.Survey, error) {
	if s.server.ReadOnly {
		return target.Survey{}, rotation.Errorf(rotation.Permanent, "%s is read-only: a replica, or a reader endpoint", s.address()).
			Advise("put the address of the server that takes changes into the documents").WithCode("1290").Found(rotation.FindingReadOnly)
	}
	err := s.surroundings(ctx)
	if err != nil {
		return target.Survey{}, err
	}
	survey := target.Survey{Server: s.server.ID, Passwords: passwordRule(s.server.Policy)}
	if s.Strategy == rotation.DualPassword && !s.server.TakesSecondPassword() {
		return target.Survey{}, s.refusal("%s %s has no second passwords, which strategy %s takes (MySQL 8.0.14 and later)", s.server.Flavour, s.server.Version,
			s.Strategy).Advise("rotate with %s or %s", rotation.DualAccount, rotation.SingleUser).Found(rotation.FindingStrategy)
	}
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
	nameFits := s.server.CheckUser(name)
	if err := s.Findings.Problem(rotation.FindingAccountName, nameFits); err != nil {
		return err
	}
	current, standby, err := s.read(ctx, name, nameFits == nil)
	if err != nil {
		return err
	}
	rights, err := s.asAdmin(ctx, current)
	if err != nil || len(current.Accounts) == 0 || nameFits != nil {
		return err
	}
	if err := s.Findings.Problem(rotation.FindingAdminRights, rights.Check(standby)); err != nil {
		return err
	}
	if err := s.Findings.Problem(rotation.FindingUnclonable, s.server.CheckPlugins(standby)); err != nil {
		return err
	}
	changes, err := account.CompareSets(ctx, s.conn.Conn, s.server, current, standby,
		account.Options{AllowMissing: s.target.options.AllowMissing, Rights: rights})
	equal := err == nil
	if err := s.Findings.Problem(rotation.FindingUnclonable, reading(err)); err != nil {
		return err
	}
	s.compared(standby, changes, equal)
	survey.StandbyExists, survey.Divided = len(standby.Accounts) > 0, s.divided(standby)
	// Set gives the standby account the current one's policy, so that either may forbid going back.
	survey.KeepsPasswords = s.server.KeepsPasswords(current) || survey.StandbyExists && s.server.KeepsPasswords(standby)
	survey.Notes = s.notes(current)
	for _, left := range changes.LeftOut {
		survey.Notes = append(survey.Notes, s.note(rotation.WarningLeftOut, "the admin account can't grant "+left+"; it is left out"))
	}
	for _, note := range changes.Notes {
		survey.Notes = append(survey.Notes, s.note(rotation.WarningLeveling, note))
	}
	return nil
}

// single looks at one account that an admin changes.
func (s *surveyor) single(ctx context.Context, survey *target.Survey) error {
	current, _, err := s.read(ctx, "", false)
	if err != nil {
		return err
	}
	rights, err := s.asAdmin(ctx, current)
	if err != nil || len(current.Accounts) == 0 {
		return err
	}
	if err := s.Findings.Problem(rotation.FindingAdminRights, rights.Check(current)); err != nil {
		return err
	}
	if err := s.Findings.Problem(rotation.FindingUnclonable, s.server.CheckPlugins(current)); err != nil {
		return err
	}
	survey.KeepsPasswords, survey.Divided = s.server.KeepsPasswords(current), s.divided(current)
	survey.Notes = s.notes(current)
	return s.second(current, survey)
}

// second looks at the second password, where the strategy is about it.
func (s *surveyor) second(current account.Set, survey *target.Survey) error {
	if s.Strategy != rotation.DualPassword {
		return nil
	}
	survey.SecondPassword = hasSecond(current)
	return s.Findings.Problem(rotation.FindingUnclonable, s.server.CheckPlugins(current))
}

// deniedReading are the answers to an account that may not read the accounts.
var deniedReading = []string{"1044", "1045", "1142", "1143", "1227"}

// itself looks at one account that changes itself. Few of those may read the grant tables, so that what is to be seen there
// counts only where it can be seen.
func (s *surveyor) itself(ctx context.Context, survey *target.Survey) error {
	if err := s.checkOwnSecond(ctx); err != nil {
		return err
	}
	set, err := account.Read(ctx, s.conn.Conn, s.server, s.Current)
	if slices.Contains(deniedReading, rotation.CodeOf(err)) {
		survey.KeepsPasswords = s.server.KeepsPasswords(account.Set{})
		survey.Notes = []string{s.note(rotation.WarningUnseen, fmt.Sprintf("account %q changes itself and can't see whether it exists under further hosts; "+
			"there it would keep its former password", s.Current))}
		if s.Strategy == rotation.DualPassword {
			survey.Notes = append(survey.Notes, s.note(rotation.WarningUnseen, fmt.Sprintf("account %q can't see whether it has a second password that no version "+
				"of the secret holds; the rotation would replace that", s.Current)))
		}
		return nil
	}
	if err != nil {
		return err
	}
	if len(set.Accounts) > 1 {
		if err := s.Findings.Problem(rotation.FindingHosts, s.refusal("account %q exists on several hosts (%s), and can change itself on one only",
			s.Current, strings.Join(set.Hosts(), ", ")).Advise("give the secret an admin secret, which can change them all")); err != nil {
			return err
		}
	}
	survey.KeepsPasswords = s.server.KeepsPasswords(set)
	survey.Notes = s.notes(set)
	return s.second(set, survey)
}

// checkOwnSecond: an account that keeps a second password beside one that it has set itself needs a right to.
func (s *surveyor) checkOwnSecond(ctx context.Context) error {
	if s.Strategy != rotation.DualPassword {
		return nil
	}
	may, err := account.CanKeepOwnPassword(ctx, s.conn.Conn, s.server)
	if err == nil && !may {
		err = s.Findings.Problem(rotation.FindingOwnRights, s.refusal("account %q may not keep a second password beside one that it sets itself", s.Current).
			Advise("GRANT APPLICATION_PASSWORD_ADMIN ON *.* to it, or give the secret an admin secret"))
	}
	return err
}

// read reads the current account, and with it the standby account where its name can be one.
func (s *surveyor) read(ctx context.Context, name string, both bool) (current, standby account.Set, err error) {
	s.Findings.Saw("admin: %q logs in, %s", s.By.Account, target.Proof{TLS: s.conn.tls, Cipher: s.conn.cipher}.Protection())
	if both {
		current, standby, err = account.ReadBoth(ctx, s.conn.Conn, s.server, s.Current, name)
	} else {
		current, err = account.Read(ctx, s.conn.Conn, s.server, s.Current)
	}
	return current, standby, reading(err)
}

// asAdmin reads the admin's rights, and sees that they are enough to change passwords.
func (s *surveyor) asAdmin(ctx context.Context, current account.Set) (rights *account.Rights, err error) {
	if len(current.Accounts) == 0 {
		err := s.refusal("account %q does not exist; a login of the current version would be let in as another one (an anonymous account, or a proxy user)", s.Current)
		if err := s.Findings.Problem(rotation.FindingMissing, err); err != nil {
			return nil, err
		}
	}
	if s.rights, err = account.ReadRights(ctx, s.conn.Conn, s.server); err != nil {
		return nil, reading(err)
	}
	if err := s.lockHeld(ctx, s.rights); err != nil {
		return nil, err
	}
	return s.rights, s.Findings.Problem(rotation.FindingAdminRights, s.atAddress(s.rights.CheckPasswords(s.server)))
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
	return []string{s.note(rotation.WarningAnonymous, fmt.Sprintf("for some clients the server prefers the anonymous accounts on %s to %q, and refuses the login then (1045)",
		strings.Join(current.Shadows, ", "), current.User))}
}
