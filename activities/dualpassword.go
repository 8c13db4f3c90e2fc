package activities

import (
	"context"
	"slices"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// dualPassword gives the one account a second password, so that the current version's and this rotation's are taken side by side until the
// former one is retired. Every change names both passwords that are to be taken afterwards, or the one, and is a single statement: there is
// no moment at which the current version does not log in, and none in which it matters which of the two was the first.
type dualPassword struct{ *scene }

func (m dualPassword) look(ctx context.Context, req rotation.Request, doc *rotation.Document, versions rotation.Versions) error {
	p := &m.plan
	found, err := m.taken(ctx, p.Base, p.StalePending)
	if err != nil {
		return rotation.Named(loginWord(err), err)
	}
	m.sound = len(found.versions) > 0
	if !found.takes(p.StalePending) && !found.takes(p.Base) {
		if err := m.findings.Problem(rotation.FindingCurrentLogin, m.currentRefused(doc).WithCode(errBadLogin)); err != nil || !m.hasAdmin() {
			return err
		}
	}
	if found.takes(p.Base) {
		m.sawLogin("the current version", doc.Account, found.proof, nil)
	}
	survey, err := m.surveyAs(ctx, doc, found.login)
	if err != nil {
		return m.unlessReadOnly(err)
	}
	p.Server, p.TLS = survey.Server, found.proof.TLS
	if m.sound && !m.sameServer(survey, found.proof) {
		if err := m.findings.Problem(rotation.FindingServers, m.differentServers()); err != nil {
			return err
		}
	}
	p.Notes, m.rule = append(p.Notes, survey.Notes...), survey.Passwords
	if survey.KeepsPasswords && !req.AcceptPasswordHistory {
		if err := m.findings.Problem(rotation.FindingHistory, rotation.FieldError("AcceptPasswordHistory", "the server's password history would forbid giving "+
			"account %s its present password again (error 3638), so that a rollback could not take the new one from it", p.Account).
			Advise("accept that with AcceptPasswordHistory, or switch the policy off for this account")); err != nil {
			return err
		}
	}
	if found.takes(p.StalePending) {
		// It is in use, or about to be: the unfinished rotation is finished.
		p.Version, p.Adopted, p.StalePending = p.StalePending, true, ""
		if _, _, err := m.documents(ctx); err != nil {
			return err
		}
		m.note(rotation.WarningPending, "version "+p.Version+" of an unfinished rotation logs in already; that rotation is finished instead of beginning another")
	}
	if !survey.SecondPassword || len(found.versions) > 1 {
		return nil
	}
	return m.findings.Problem(rotation.FindingSecond, m.findLeftover(ctx, found, versions))
}

// findLeftover finds the version whose password the account takes beside the current one: the previous version's, until it is retired. What no
// version explains is somebody else's.
func (m dualPassword) findLeftover(ctx context.Context, known someTaken, versions rotation.Versions) error {
	p := &m.plan
	candidates := []string{versions.Holder(rotation.Previous)}
	for _, v := range versions {
		if v.ID != p.Base && v.ID != p.Version && v.ID != candidates[0] && len(candidates) < mostGuesses {
			candidates = append(candidates, v.ID)
		}
	}
	found, err := m.takenBeside(ctx, known, candidates...)
	if err != nil {
		return err
	}
	if len(found.versions) > 0 {
		p.Leftover = found.versions[0]
		m.note(rotation.WarningLeftover, "account "+p.Account+" takes the password of version "+p.Leftover+", too; the new one replaces that")
		return nil
	}
	return m.unexplained(rotation.Permanent)
}

func (m dualPassword) unexplained(kind rotation.Kind) error {
	return rotation.Errorf(kind, "account %s has a second password that no version of secret %s holds, so somebody else may use it, and a rotation would "+
		"take it away", m.plan.Account, m.plan.Secret).Advise("if nobody does, end it with ALTER USER ... DISCARD OLD PASSWORD")
}

// someTaken are the versions whose passwords the account takes, of those that were tried, and what one of their logins is.
type someTaken struct {
	versions []string
	tried    []rotation.Secret
	login    target.Login
	proof    target.Proof
}

func (f someTaken) takes(version string) bool {
	return version != "" && slices.Contains(f.versions, version)
}

// taken tries versions on the account. One that is not of the account, or gone, or the same password as one before is left out.
func (m dualPassword) taken(ctx context.Context, versions ...string) (someTaken, error) {
	return m.takenBeside(ctx, someTaken{}, versions...)
}

// takenBeside is taken for versions whose passwords are others than those that are known: one of the same password explains no second one.
func (m dualPassword) takenBeside(ctx context.Context, known someTaken, versions ...string) (found someTaken, err error) {
	found.tried = slices.Clone(known.tried)
	for _, id := range versions {
		if id == "" || id == rotation.VersionToCome {
			continue
		}
		doc, err := m.document(ctx, id)
		if err != nil && rotation.KindOf(err) == rotation.Permanent && id != m.plan.Base {
			continue
		}
		if err != nil {
			return found, err
		}
		if doc.Account != m.plan.Account || slices.ContainsFunc(found.tried, doc.Password.Equal) {
			continue
		}
		found.tried = append(found.tried, doc.Password)
		proof := m.tryLogin(ctx, doc)
		if proof.Answer == rotation.RefusedLogin {
			continue
		}
		if err := mustLogIn(proof, nil); err != nil {
			return found, err
		}
		if len(found.versions) == 0 {
			found.login, found.proof = m.login(doc), proof
		}
		found.versions = append(found.versions, id)
	}
	return found, nil
}

// locked is what a change stands on: the locked session, and what was seen under the lock.
type locked struct {
	target.Session
	target.TwoPasswords
	someTaken
	// seen is from before the logins, and unseen why it could not be seen.
	seen   target.PasswordsSeen
	unseen error
}

// lock opens the locked session.
func (m dualPassword) lock(ctx context.Context) (*locked, error) {
	var own target.Login
	open := m.surveyed()
	if open == nil && !m.hasAdmin() {
		found, err := m.either(ctx)
		if err != nil {
			return nil, err
		}
		own = found.login
	}
	session, err := m.lockSurveyed(ctx, open, own)
	if err != nil {
		return nil, err
	}
	two, ok := session.(target.TwoPasswords)
	if !ok {
		session.Close()
		return nil, rotation.FieldError("Strategy", "target %s has no second passwords", m.plan.Target)
	}
	return &locked{Session: session, TwoPasswords: two}, nil
}

// see finds out which of the two passwords the account takes. Somebody who changes it meanwhile knows nothing of the lock: the account is looked
// at before the logins, so that a change stands on what they have found, or is not made.
func (m dualPassword) see(ctx context.Context, l *locked) (err error) {
	l.seen, l.unseen = l.Passwords(ctx, m.plan.Account)
	l.someTaken, err = m.either(ctx)
	return err
}

// either tries the two passwords, of which the account has to take one.
func (m dualPassword) either(ctx context.Context) (someTaken, error) {
	found, err := m.taken(ctx, m.plan.Base, m.plan.Version)
	if err == nil && len(found.versions) == 0 {
		err = m.neither()
	}
	return found, err
}

// explained is an error where it is not known of each password that the account takes whose it is. A second one may be the former one, or that of the
// unfinished rotation that this one takes over, which may still have changed the account after Look.
func (m dualPassword) explained(ctx context.Context, l *locked) error {
	if l.unseen != nil || !l.seen.Second || len(l.versions) > 1 {
		return l.unseen
	}
	leftover, err := m.takenBeside(ctx, l.someTaken, m.plan.Leftover, m.plan.StalePending)
	if err != nil || len(leftover.versions) > 0 {
		return err
	}
	// What was seen is older than the logins.
	if now, err := l.Passwords(ctx, m.plan.Account); err != nil {
		return err
	} else if now.Mark != l.seen.Mark {
		return rotation.Errorf(rotation.Retryable, "the passwords of account %s were changed while it was looked at; looking again", m.plan.Account)
	}
	return m.unexplained(rotation.Conflict)
}

// likely are the passwords of the versions that the account takes, one of which is its first.
func (m dualPassword) likely(ctx context.Context, versions ...string) (passwords []rotation.Secret, err error) {
	for _, id := range versions {
		if id == "" || id == rotation.VersionToCome {
			continue
		}
		doc, err := m.document(ctx, id)
		if rotation.KindOf(err) == rotation.Permanent && err != nil {
			continue
		}
		if err != nil {
			return nil, err
		}
		if doc.Account == m.plan.Account {
			passwords = append(passwords, doc.Password)
		}
	}
	return passwords, nil
}

func (m dualPassword) set(ctx context.Context, base, pending *rotation.Document) (SetResult, error) {
	l, err := m.lock(ctx)
	if err != nil {
		return SetResult{}, err
	}
	defer l.Close()
	if act, err := m.stillOurs(ctx); err != nil || !act {
		return SetResult{Done: err == nil}, err
	}
	if err := m.see(ctx, l); err != nil {
		return SetResult{}, err
	}
	if len(l.versions) > 1 {
		return SetResult{}, nil // an earlier attempt did it
	}
	if err := m.explained(ctx, l); err != nil {
		return SetResult{}, err
	}
	likely, err := m.likely(ctx, m.plan.Version, m.plan.Leftover, m.plan.StalePending, m.plan.Previous)
	if err != nil {
		return SetResult{}, err
	}
	// A second password may be the current version's, where somebody has moved the stage back. Then the first one has to give way.
	baseIsFirst := l.seen.Known && !l.seen.Second && l.takes(m.plan.Base)
	err = l.SetBoth(ctx, l.seen, base.Password, pending.Password, baseIsFirst, likely...)
	return SetResult{}, err
}

// differences: there is one account, and its privileges are its own; but clients use the current version until the stage is moved.
func (m dualPassword) differences(ctx context.Context, base, _ *rotation.Document) ([]string, error) {
	proof := m.tryLogin(ctx, base)
	if proof.Answer == rotation.RefusedLogin {
		return []string{"account " + base.Account + " no longer takes the password of version " + m.plan.Base + ", which clients use (" + proof.Code + ")"}, nil
	}
	return nil, mustLogIn(proof, nil)
}

func (m dualPassword) undo(ctx context.Context) (notes []string, forward bool, err error) {
	l, err := m.lock(ctx)
	if err != nil {
		return nil, false, err
	}
	defer l.Close()
	if err := m.mayUndo(ctx); err != nil {
		return nil, false, err
	}
	if err := m.see(ctx, l); err != nil {
		return nil, false, err
	}
	if !l.takes(m.plan.Version) {
		return nil, false, nil
	}
	if err := m.explained(ctx, l); err != nil {
		return nil, false, err
	}
	base, pending, err := m.documents(ctx)
	if err != nil {
		return nil, false, err
	}
	return []string{"account " + m.plan.Account + " takes the password of version " + m.plan.Base + " and no other"}, false,
		l.SetOnly(ctx, l.seen, base.Password, pending.Password)
}

func (m dualPassword) undone(ctx context.Context) (forward bool, err error) {
	l, err := m.lock(ctx)
	if err != nil {
		return false, err
	}
	defer l.Close()
	found, err := m.either(ctx)
	if err != nil {
		return false, err
	}
	if found.takes(m.plan.Version) {
		return false, rotation.Errorf(rotation.Conflict, "account %s still takes the password of the version that was rolled back", m.plan.Account)
	}
	return false, nil
}

// retire discards the second password: the current version's is made the only one, whichever of the two it was.
func (m dualPassword) retire(ctx context.Context) (use *rotation.Document, superseded bool, err error) {
	l, err := m.lock(ctx)
	if err != nil {
		return nil, false, err
	}
	defer l.Close()
	current, superseded, err := m.mayRetire(ctx)
	if err != nil || superseded {
		return nil, superseded, err
	}
	if err := m.see(ctx, l); err != nil {
		return nil, false, err
	}
	if !l.takes(m.plan.Version) {
		return nil, false, rotation.Errorf(rotation.Conflict, "account %s does not take the password of version %s, which is current: somebody else changed it",
			m.plan.Account, m.plan.Version).WithCode(errBadLogin)
	}
	if !l.takes(m.plan.Base) {
		return current, false, m.explained(ctx, l)
	}
	likely, err := m.likely(ctx, m.plan.Base)
	if err != nil {
		return nil, false, err
	}
	return current, false, l.SetOnly(ctx, l.seen, current.Password, likely...)
}

func (m dualPassword) neither() *rotation.Error {
	return rotation.Errorf(rotation.Conflict, "account %s takes neither the current version's password nor this rotation's: somebody else changed it",
		m.plan.Account).WithCode(errBadLogin)
}
