package activities

import (
	"context"
	"slices"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// dualAccount lets two accounts take turns. Clients use the current one, which is never touched.
type dualAccount struct{ *scene }

func (m dualAccount) look(ctx context.Context, req rotation.Request, doc *rotation.Document, versions rotation.Versions) error {
	p := &m.plan
	p.Standby = doc.Pair().Standby(doc.Account)
	proof := m.tryLogin(ctx, doc)
	loggedIn := mustLogIn(proof, m.currentRefused(doc))
	m.sawLogin("the current version", doc.Account, proof, loggedIn)
	if err := m.findings.Problem(loginWord(loggedIn), loggedIn); err != nil {
		return err
	}
	p.Server, p.TLS = proof.Server, proof.TLS
	survey, err := m.survey(ctx, doc)
	if err != nil {
		return m.unlessReadOnly(err)
	}
	m.sound = loggedIn == nil
	if m.sound && !m.sameServer(survey, proof) {
		if err := m.findings.Problem(rotation.FindingServers, m.differentServers()); err != nil {
			return err
		}
	}
	p.Notes, m.rule = append(p.Notes, survey.Notes...), survey.Passwords
	p.Divided = survey.Divided
	if p.StandbyExists = survey.StandbyExists; p.StandbyExists {
		if err := m.findings.Problem(rotation.FindingStandby, m.findRestore(ctx, req, versions)); err != nil {
			return err
		}
	}
	if p.Restore != "" && p.Restore == p.StalePending {
		p.Notes = append(p.Notes, m.halfDone(versions))
	}
	if survey.KeepsPasswords && p.Restore != "" && !req.AcceptPasswordHistory {
		return m.findings.Problem(rotation.FindingHistory, rotation.FieldError("AcceptPasswordHistory", "the server's password history would forbid giving "+
			"account %s its former password back (error 3638), so a rollback could not restore it", p.Standby).
			Advise("accept that with AcceptPasswordHistory, or switch the policy off for this account"))
	}
	return nil
}

// halfDone tells of a rotation that ended without an outcome after it had begun to change the standby account.
func (m dualAccount) halfDone(versions rotation.Versions) string {
	p := m.plan
	note := "an unfinished rotation had set account " + p.Standby + " already: it takes the password of version " + p.StalePending
	if previous := versions.Holder(rotation.Previous); previous != "" {
		note += ", and that of version " + previous + ", which was current before, may be refused"
	}
	return note + "; its password is replaced, and its privileges are brought level"
}

// mostGuesses is how many versions are tried on the standby account. What is older than that was not its password for long.
const mostGuesses = 4

// findRestore finds the version whose password the standby account has: previous if it names the account, else the
// newest that logs in. Wrong passwords count on the server, so each is tried once, and the likeliest first.
func (m dualAccount) findRestore(ctx context.Context, req rotation.Request, versions rotation.Versions) error {
	p := &m.plan
	candidates := make([]string, 0, len(versions))
	if previous := versions.Holder(rotation.Previous); previous != "" {
		candidates = append(candidates, previous)
	}
	for _, v := range versions {
		if v.ID != p.Base && v.ID != p.Version && !slices.Contains(candidates, v.ID) {
			candidates = append(candidates, v.ID)
		}
	}
	var tried []rotation.Secret
	previousRefused := false
	for _, id := range candidates {
		doc, err := m.document(ctx, id)
		if err != nil && rotation.KindOf(err) == rotation.Permanent {
			continue // not a document of this kind, or dropped meanwhile
		}
		if err != nil {
			return err
		}
		if doc.Account != p.Standby || slices.ContainsFunc(tried, doc.Password.Equal) {
			continue
		}
		if len(tried) == mostGuesses {
			break
		}
		tried = append(tried, doc.Password)
		proof := m.tryLogin(ctx, doc)
		// Where nobody can log in, the previous version is the one to go by: it was current, so the account was the secret's, with that
		// password. What other versions name may never have been.
		switch known := passwordOf(proof); {
		case known == rotation.Accepted, proof.ByAPI && proof.Answer == rotation.Accepted && id == versions.Holder(rotation.Previous):
			p.Restore = id
			m.sawRestore(proof, previousRefused, versions)
			if !m.rule.Takes(doc.Password) && !req.AcceptPasswordHistory {
				return rotation.FieldError("AcceptPasswordHistory", "account %s has a password that the target's rules for new ones would forbid, so a rollback "+
					"could not restore it", p.Standby).Advise("accept that with AcceptPasswordHistory").Found(rotation.FindingHistory)
			}
			return nil
		case proof.Answer == rotation.Unknown:
			return mustLogIn(proof, nil)
		case id == versions.Holder(rotation.Previous):
			previousRefused = true
		}
	}
	if err := m.findRetired(ctx, versions); err != nil || p.Retired != "" {
		return err
	}
	if _, begun := versions.Find(p.Version); begun {
		// The workflow was reset to its beginning after Set: the account may have this rotation's password.
		proof, err := m.probe(ctx, p.Version)
		if err != nil {
			return err
		}
		if proof.Answer == rotation.Accepted && createdBy(proof) == rotation.Accepted {
			return nil
		}
	}
	if req.AdoptStandby {
		m.note(rotation.WarningAdopted, "account "+p.Standby+" existed and no version of the secret logs in to it; it is adopted as asked")
		return nil
	}
	if m.byAPI {
		return rotation.Errorf(rotation.Permanent, "account %s exists, the previous version of secret %s is not of it, and this worker can't reach the server "+
			"to see whether another one logs in to it, so it may be somebody else's", p.Standby, m.plan.Secret).
			Advise("drop it if it is not needed, give the worker a way to the server, or take it over with AdoptStandby").Found(rotation.FindingForeign)
	}
	return rotation.Errorf(rotation.Permanent, "account %s exists, and no version of secret %s logs in to it, so it may be somebody else's",
		p.Standby, m.plan.Secret).Advise("drop it if it is not needed, or take it over with AdoptStandby").Found(rotation.FindingForeign)
}

// findRetired finds out whether the account was retired by a rotation of this secret, which leaves it the password that is made from the version
// that was current then: mostly the base version.
func (m dualAccount) findRetired(ctx context.Context, versions rotation.Versions) error {
	for _, id := range []string{m.plan.Base, versions.Holder(rotation.Previous)} {
		retired, err := m.retiredDocument(ctx, id)
		if err != nil || retired == nil {
			return err
		}
		proof := m.tryLogin(ctx, retired)
		switch {
		case proof.ByAPI:
			return nil // an API says nothing about a password
		case proof.Answer == rotation.Accepted:
			m.plan.Retired = id
			m.note(rotation.WarningRetired, "account "+m.plan.Standby+" was retired after an earlier rotation of the secret")
			return nil
		case proof.Answer == rotation.Unknown:
			return mustLogIn(proof, nil)
		}
	}
	return nil
}

// isRetired says whether the account was retired after all, as a rotation before this one had planned it: by an attempt that had looked before this
// one's version was pending.
func (m dualAccount) isRetired(ctx context.Context) (bool, error) {
	retired, err := m.retiredDocument(ctx, m.plan.Base)
	if err != nil || retired == nil {
		return false, err
	}
	proof := m.tryLogin(ctx, retired)
	switch passwordOf(proof) {
	case rotation.Accepted:
		return true, nil
	case rotation.Unknown:
		return false, mustLogIn(proof, nil)
	}
	return false, nil
}

// retiredDocument is a login of the standby account as a retirement that was done while a version was current has left it; nil if there was none.
func (m dualAccount) retiredDocument(ctx context.Context, version string) (*rotation.Document, error) {
	if version == "" {
		return nil, nil
	}
	doc, err := m.document(ctx, version)
	if rotation.KindOf(err) == rotation.Permanent && err != nil || err == nil && doc.Account != m.plan.Account {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return retiredBy(doc, m.plan.Standby)
}

// retiredBy is a login of an account that is retired while a document is the current one.
func retiredBy(current *rotation.Document, account string) (*rotation.Document, error) {
	password, err := rotation.RetiredPassword(current.Password, account)
	if err != nil {
		return nil, err
	}
	return current.As(account, password), nil
}

func (m dualAccount) set(ctx context.Context, base, pending *rotation.Document) (SetResult, error) {
	// Look has seen it a moment ago, where this is fresh.
	if !m.fresh {
		if err := mustLogIn(m.tryLogin(ctx, base), rotation.Errorf(rotation.Permanent,
			"the current version of secret %s no longer logs in as %s", m.plan.Secret, base.Account)); err != nil {
			return SetResult{}, err
		}
	}
	session, err := m.lockAsAdmin(ctx)
	if err != nil {
		return SetResult{}, err
	}
	result, err := m.setUnder(ctx, session, pending)
	if err != nil || !m.fresh {
		session.Close()
		return result, err
	}
	m.Memory.leave(m.at(m.plan.Version), m.plan.Address, session)
	return result, nil
}

// setUnder sets under the lock.
func (m dualAccount) setUnder(ctx context.Context, session target.Session, pending *rotation.Document) (SetResult, error) {
	if act, err := m.stillOurs(ctx); err != nil || !act {
		return SetResult{Done: err == nil}, err
	}
	exists, err := session.Exists(ctx, m.plan.Standby)
	if err != nil {
		return SetResult{}, err
	}
	if !exists {
		if m.plan.StandbyExists {
			return SetResult{}, rotation.Errorf(rotation.Conflict, "account %s was dropped by somebody else while this rotation ran", m.plan.Standby)
		}
		change, err := session.Create(ctx, m.plan.Standby, m.plan.Account, pending.Password)
		return SetResult{Created: true, Given: change.Given, Taken: change.Taken, LeftOut: change.LeftOut}, err
	}
	has := false
	if !m.plan.StandbyExists {
		err = m.mustBeOwn(ctx, pending)
	} else {
		has, err = m.mustBeAsSeen(ctx)
	}
	if err != nil {
		return SetResult{}, err
	}
	// An earlier attempt may have given the password: a server that keeps a history of passwords would not take it a second time (3638). On several
	// hosts every account gets it, also where one has it already, as that attempt may have died between two.
	set := session.Renew
	if !m.plan.StandbyExists || has && !m.plan.Divided && !m.target.Traits().APIAdmin {
		set = session.Level
	}
	change, err := set(ctx, m.plan.Standby, m.plan.Account, pending.Password)
	return SetResult{Given: change.Given, Taken: change.Taken, LeftOut: change.LeftOut}, err
}

// mustBeOwn makes sure that an account that was not there when Look looked was created by this rotation: the pending password logs in to
// it, or it bears the mark.
func (m dualAccount) mustBeOwn(ctx context.Context, pending *rotation.Document) error {
	if m.script != nil {
		return rotation.Errorf(rotation.Conflict, "account %s appeared a moment ago", m.plan.Standby)
	}
	proof := m.tryLogin(ctx, pending)
	proof.Answer = createdBy(proof)
	// That the password is right will do: an account without its privileges yet is not let into its database (1044).
	return mustAccept(proof, rotation.Errorf(rotation.Conflict,
		"account %s appeared while this rotation ran, and this rotation's password does not log in to it: somebody else created it", m.plan.Standby))
}

// mustBeAsSeen makes sure that nobody has changed the password of the standby account since Look: it takes the restore version's, or, where
// an earlier attempt was here, this rotation's, which has says. One that was adopted without a known password can't be told.
func (m dualAccount) mustBeAsSeen(ctx context.Context) (has bool, err error) {
	if m.plan.Restore == "" && m.plan.Retired == "" || m.script != nil {
		return false, nil
	}
	if retired, err := m.retiredDocument(ctx, m.plan.Retired); err != nil {
		return false, err
	} else if retired != nil {
		if proof := m.tryLogin(ctx, retired); proof.Answer != rotation.RefusedLogin {
			return false, mustAccept(proof, nil)
		}
	}
	for _, version := range []string{m.plan.Restore, m.plan.Version} {
		if version == "" {
			continue
		}
		proof, err := m.probe(ctx, version)
		if err != nil {
			return false, err
		}
		if proof.Answer != rotation.RefusedLogin {
			return version == m.plan.Version, mustAccept(proof, nil)
		}
	}
	if retired, err := m.isRetired(ctx); retired || err != nil {
		return false, err
	}
	return false, rotation.Errorf(rotation.Conflict, "account %s takes neither the password that it had when this rotation began nor this rotation's: "+
		"somebody else changed it", m.plan.Standby).WithCode(errBadLogin)
}

func (m dualAccount) differences(ctx context.Context, base, pending *rotation.Document) ([]string, error) {
	if left := m.Memory.take(m.at(m.plan.Version)); left != nil && m.fresh {
		defer left.Close()
		return left.(target.Session).Differences(ctx, pending.Account, base.Account)
	} else if left != nil {
		left.Close()
	}
	session, err := m.lockAsAdmin(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	return session.Differences(ctx, pending.Account, base.Account)
}

func (m dualAccount) undo(ctx context.Context) (notes []string, forward bool, err error) {
	session, err := m.lockAsAdmin(ctx)
	if err != nil {
		return nil, false, err
	}
	defer session.Close()
	if err := m.mayUndo(ctx); err != nil {
		return nil, false, err
	}
	what, err := m.decideStandby(ctx, session)
	if err != nil {
		return nil, false, err
	}
	switch what {
	case rotation.StandbyDrop:
		return []string{"account " + m.plan.Standby + " was dropped again"}, false, session.Drop(ctx, m.plan.Standby)
	case rotation.StandbyRestore:
		restore, err := m.document(ctx, m.plan.Restore)
		if err != nil {
			return nil, false, err
		}
		return []string{"account " + m.plan.Standby + " has the password of version " + m.plan.Restore + " again; privileges that were taken from it are not given back"},
			false, session.SetPassword(ctx, m.plan.Standby, restore.Password)
	case rotation.StandbyDisable:
		base, err := m.document(ctx, m.plan.Base)
		if err != nil {
			return nil, false, err
		}
		retired, err := retiredBy(base, m.plan.Standby)
		if err != nil {
			return nil, false, err
		}
		return []string{"account " + m.plan.Standby + " is retired: it has a password that is kept nowhere, because no version holds its former one"},
			false, disable(ctx, session, m.plan.Standby, retired.Password)
	}
	return nil, false, nil
}

// untouched says that the standby account has its former password for certain. Behind an API there is one account of the name: it was
// logged in to, or Set never had it changed. Setting the password again would take a permission that may be what the rotation failed of.
func (m dualAccount) untouched(former target.Proof) bool {
	return m.target.Traits().APIAdmin && (!former.ByAPI || !m.setUncertain)
}

func (m dualAccount) decideStandby(ctx context.Context, session target.Session) (rotation.StandbyAction, error) {
	exists, err := session.Exists(ctx, m.plan.Standby)
	if err != nil {
		return "", err
	}
	restore, pending := rotation.RefusedLogin, rotation.RefusedLogin
	if exists && m.plan.Restore != "" {
		proof, err := m.probe(ctx, m.plan.Restore)
		if err != nil {
			return "", err
		}
		if restore = proof.Answer; restore == rotation.Accepted && m.untouched(proof) {
			return rotation.StandbyLeave, nil
		}
	}
	if exists && restore != rotation.Accepted {
		proof, err := m.probe(ctx, m.plan.Version)
		if err != nil {
			return "", err
		}
		switch {
		case !m.plan.StandbyExists:
			pending = createdBy(proof)
		case proof.ByAPI && proof.Answer == rotation.Accepted:
			return "", m.cantBeSeen()
		default:
			pending = proof.Answer
		}
	}
	if exists && m.plan.Restore != "" && restore == rotation.RefusedLogin && pending == rotation.RefusedLogin {
		if retired, err := m.isRetired(ctx); retired || err != nil {
			return rotation.StandbyLeave, err
		}
	}
	return rotation.DecideStandby(m.plan, exists, restore, pending)
}

// cantBeSeen is for an account that was adopted: no version holds its former password.
func (m dualAccount) cantBeSeen() error {
	return rotation.Errorf(rotation.Conflict, "whether account %s has the password of this rotation's version can't be seen without a login, and this worker "+
		"can't reach the server", m.plan.Standby)
}

func (m dualAccount) undone(ctx context.Context) (forward bool, err error) {
	session, err := m.lockAsAdmin(ctx)
	if err != nil {
		return false, err
	}
	defer session.Close()
	if m.plan.StandbyExists && m.plan.Restore == "" {
		proof, err := m.probe(ctx, m.plan.Version)
		if err != nil {
			return false, err
		}
		if proof.ByAPI {
			return false, m.cantBeSeen()
		}
		if proof.Answer != rotation.RefusedLogin {
			return false, rotation.Errorf(rotation.Conflict, "account %s still takes the password of the version that was rolled back", m.plan.Standby)
		}
		return false, nil
	}
	exists, err := session.Exists(ctx, m.plan.Standby)
	if err != nil {
		return false, err
	}
	if exists != m.plan.StandbyExists {
		return false, rotation.Errorf(rotation.Conflict, "account %s should exist: %t; it exists: %t", m.plan.Standby, m.plan.StandbyExists, exists)
	}
	if !exists {
		return false, nil
	}
	proof, err := m.probe(ctx, m.plan.Restore)
	if err != nil {
		return false, err
	}
	if proof.Answer == rotation.RefusedLogin {
		if retired, err := m.isRetired(ctx); retired || err != nil {
			return false, err
		}
	}
	return false, mustAccept(proof, rotation.Errorf(rotation.Conflict, "account %s does not take the password of version %s, which it had before",
		m.plan.Standby, m.plan.Restore))
}

// retire gives the former account a password that is kept nowhere.
func (m dualAccount) retire(ctx context.Context) (use *rotation.Document, superseded bool, err error) {
	session, err := m.lockAsAdmin(ctx)
	if err != nil {
		return nil, false, err
	}
	defer session.Close()
	current, superseded, err := m.mayRetire(ctx)
	if err != nil || superseded {
		return nil, superseded, err
	}
	if use, err = retiredBy(current, m.plan.Account); err != nil {
		return nil, false, err
	}
	exists, err := session.Exists(ctx, m.plan.Account)
	if err == nil && exists {
		err = session.SetPassword(ctx, m.plan.Account, use.Password)
	}
	return use, false, err
}
