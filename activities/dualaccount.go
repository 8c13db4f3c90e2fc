package activities

import (
	"context"

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
	check := m.mustBeAsSeen
	if !m.plan.StandbyExists {
		check = m.mustBeOwn
	}
	has, err := check(ctx, pending)
	if err != nil {
		return SetResult{}, err
	}
	// An earlier attempt may have given the password: a server that keeps a history of passwords would not take it a second time (3638). On several
	// hosts every account gets it, also where one has it already, as that attempt may have died between two.
	set := session.Renew
	if has && (!m.plan.StandbyExists || !m.plan.Divided && !m.target.Traits().APIAdmin) {
		set = session.Level
	}
	change, err := set(ctx, m.plan.Standby, m.plan.Account, pending.Password)
	return SetResult{Given: change.Given, Taken: change.Taken, LeftOut: change.LeftOut}, err
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
	if exists && restore == rotation.RefusedLogin && pending == rotation.RefusedLogin {
		// What the unfinished rotation still did before this one's Set counts as this one's.
		if pending, err = m.lateAnswer(ctx); err != nil {
			return "", err
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
