package activities

import (
	"context"
	"slices"

	"rotor/internal/rotation"
)

// Whose the standby account is, and which password it has.

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
	var unread error
	for _, id := range candidates {
		v, err := m.value(ctx, id)
		if rotation.KindOf(err) == rotation.Permanent && err != nil {
			// Dropped meanwhile; or not visible yet, right after the rotation that has written it.
			if unread == nil {
				unread = m.unlessGone(ctx, id, m.orDeleted(err))
			}
			continue
		}
		if err != nil {
			return err
		}
		doc, err := m.parse(p.Secret, v)
		if err != nil {
			continue // not a document of this kind
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
	if unread != nil {
		return unread
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
	doc, err := m.documentOf(ctx, version, m.plan.Account)
	if err != nil || doc == nil {
		return nil, err
	}
	return retiredBy(doc, m.plan.Standby)
}

// documentOf is the document of a version; nil if that is gone, can't be read as one, or is of another account.
func (m dualAccount) documentOf(ctx context.Context, version, account string) (*rotation.Document, error) {
	doc, err := m.document(ctx, version)
	if rotation.KindOf(err) == rotation.Permanent && err != nil || err == nil && doc.Account != account {
		return nil, nil
	}
	return doc, err
}

// retiredBy is a login of an account that is retired while a document is the current one.
func retiredBy(current *rotation.Document, account string) (*rotation.Document, error) {
	password, err := rotation.RetiredPassword(current.Password, account)
	if err != nil {
		return nil, err
	}
	return current.As(account, password), nil
}

// mustBeOwn makes sure that an account that was not there when Look looked was created by this rotation, or by the unfinished one that it takes
// over: a password of theirs logs in to it, or it bears their mark. has says that it is this rotation's.
func (m dualAccount) mustBeOwn(ctx context.Context, pending *rotation.Document) (has bool, err error) {
	if m.script != nil {
		return false, rotation.Errorf(rotation.Conflict, "account %s appeared a moment ago", m.plan.Standby)
	}
	proof := m.tryLogin(ctx, pending)
	if proof.Answer = createdBy(proof); proof.Answer == rotation.RefusedLogin {
		if late, err := m.lateAnswer(ctx); err != nil || late == rotation.Accepted {
			return false, err
		}
	}
	// That the password is right will do: an account without its privileges yet is not let into its database (1044).
	return true, mustAccept(proof, rotation.Errorf(rotation.Conflict,
		"account %s appeared while this rotation ran, and this rotation's password does not log in to it: somebody else created it", m.plan.Standby))
}

// lateAnswer is what the standby account says to the version of the unfinished rotation that this one takes over. One that was terminated under
// the lock may still have changed the account after Look, and before this rotation's version was pending.
func (m dualAccount) lateAnswer(ctx context.Context) (rotation.Answer, error) {
	if m.plan.StalePending == "" {
		return rotation.RefusedLogin, nil
	}
	doc, err := m.documentOf(ctx, m.plan.StalePending, m.plan.Standby)
	if err != nil || doc == nil {
		return rotation.RefusedLogin, err
	}
	proof := m.tryLogin(ctx, doc)
	if m.plan.StandbyExists {
		return passwordOf(proof), nil
	}
	return createdBy(proof), nil
}

// mustBeAsSeen makes sure that nobody has changed the password of the standby account since Look: it takes the restore version's, or, where
// an earlier attempt was here, this rotation's, which has says, or that of the unfinished one. One that was adopted without a known password can't be told.
func (m dualAccount) mustBeAsSeen(ctx context.Context, _ *rotation.Document) (has bool, err error) {
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
	if late, err := m.lateAnswer(ctx); late == rotation.Accepted || err != nil {
		return false, err
	}
	if retired, err := m.isRetired(ctx); retired || err != nil {
		return false, err
	}
	return false, rotation.Errorf(rotation.Conflict, "account %s takes neither the password that it had when this rotation began nor this rotation's: "+
		"somebody else changed it", m.plan.Standby).WithCode(errBadLogin)
}
