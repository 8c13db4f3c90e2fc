package activities

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// singleUser replaces the password of the one account, which changes itself where there is no admin secret. From that change to the
// move of the stage the current version does not log in; once the change is made, the only way is forward.
type singleUser struct{ *scene }

func (m singleUser) look(ctx context.Context, _ rotation.Request, doc *rotation.Document, versions rotation.Versions) error {
	p := &m.plan
	by, version, err := m.whoLogsIn(ctx, p.Base)
	if err == nil && version == "" {
		if versions, err = m.allVersions(ctx, versions); err != nil {
			return rotation.Named(rotation.FindingSecret, err)
		}
		by, version, err = m.whoLogsIn(ctx, p.StalePending, versions.Holder(rotation.Previous))
	}
	if err != nil {
		return rotation.Named(loginWord(err), err)
	}
	switch version {
	case "":
		if err := m.findings.Problem(rotation.FindingCurrentLogin, m.currentRefused(doc).WithCode(errBadLogin)); err != nil || !m.hasAdmin() {
			return err
		}
	case p.Base:
		m.sawLogin("the current version", doc.Account, by.proof, nil)
	case p.StalePending:
		// It is the only password that works: the unfinished rotation is finished.
		p.Version, p.Adopted, p.StalePending = version, true, ""
		if _, _, err := m.documents(ctx); err != nil {
			return rotation.Named(rotation.FindingStale, err)
		}
		m.note(rotation.WarningPending, "version "+version+" of an unfinished rotation logs in already; that rotation is finished instead of beginning another")
	default:
		m.note(rotation.WarningCurrent, "the current version does not log in, the previous one, "+version+", does; the account gets the new password all the same")
	}
	survey, err := m.surveyAs(ctx, doc, by.login)
	if err != nil {
		return m.unlessReadOnly(err)
	}
	p.Server, p.TLS, p.Divided, m.sound = survey.Server, by.proof.TLS, survey.Divided, version != ""
	if m.sound && !m.sameServer(survey, by.proof) {
		if err := m.findings.Problem(rotation.FindingServers, m.differentServers()); err != nil {
			return err
		}
	}
	p.Notes, m.rule = append(p.Notes, survey.Notes...), survey.Passwords
	if version != p.Base {
		m.closeOpen() // Set has to find out again by whom the account is changed
	}
	return nil
}

// someone is a login that was let in.
type someone struct {
	login target.Login
	proof target.Proof
}

// whoLogsIn gives the first of the versions that logs in to the account, "" if none does.
func (m singleUser) whoLogsIn(ctx context.Context, versions ...string) (someone, string, error) {
	for _, id := range versions {
		if id == "" || id == rotation.VersionToCome {
			continue
		}
		doc, err := m.document(ctx, id)
		if err != nil && rotation.KindOf(err) == rotation.Permanent && id != m.plan.Base {
			continue
		}
		if err != nil {
			return someone{}, "", err
		}
		if doc.Account != m.plan.Account {
			continue
		}
		login, proof := m.login(doc), m.tryLogin(ctx, doc)
		if proof.Answer == rotation.RefusedLogin {
			continue
		}
		return someone{login, proof}, id, mustLogIn(proof, nil)
	}
	return someone{}, "", nil
}

// whichWorks gives the one of the base version and this rotation's that logs in, "" if neither does. It gives this rotation's, too, where the
// way forward is right whatever the account has now, for Set gives it that password (again): where nobody can log in, and Set may have changed
// the password, and where the unfinished rotation that this one takes over has still changed it.
func (m singleUser) whichWorks(ctx context.Context) (someone, string, error) {
	own, version, err := m.whoLogsIn(ctx, m.plan.Base, m.plan.Version, m.plan.StalePending)
	if err == nil && (own.proof.ByAPI && m.setUncertain || version != "" && version == m.plan.StalePending) {
		version = m.plan.Version
	}
	return own, version, err
}

func (m singleUser) set(ctx context.Context, _, pending *rotation.Document) (SetResult, error) {
	by, version, err := m.whoLogsIn(ctx, m.plan.Base, m.plan.Version, m.plan.StalePending, m.plan.Previous)
	if err != nil {
		return SetResult{}, err
	}
	switch version {
	case m.plan.Version:
		return SetResult{}, m.complete(ctx, pending) // an earlier attempt did it
	case "":
		return SetResult{}, rotation.Errorf(rotation.Conflict, "no version of secret %s logs in as %s: somebody else changed the account",
			m.plan.Secret, m.plan.Account).WithCode(errBadLogin)
	}
	session, err := m.lockOne(ctx, by.login)
	if err != nil {
		return SetResult{}, err
	}
	defer session.Close()
	if act, err := m.stillOurs(ctx); err != nil || !act {
		return SetResult{Done: err == nil}, err
	}
	changed := m.Now()
	if !m.hasAdmin() {
		err = session.SetOwnPassword(ctx, by.login.Password, pending.Password)
	} else {
		err = session.SetPassword(ctx, m.plan.Account, pending.Password)
	}
	return SetResult{Changed: changed}, err
}

// complete gives the new password to the hosts of the account that an attempt which died may have left out.
func (m singleUser) complete(ctx context.Context, pending *rotation.Document) error {
	if !m.plan.Divided {
		return nil
	}
	session, err := m.lockAsAdmin(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	if act, err := m.stillOurs(ctx); err != nil || !act {
		return err
	}
	return session.SetPassword(ctx, m.plan.Account, pending.Password)
}

// differences: there is one account, and its privileges are its own.
func (m singleUser) differences(context.Context, *rotation.Document, *rotation.Document) ([]string, error) {
	return nil, nil
}

func (m singleUser) undo(ctx context.Context) (notes []string, forward bool, err error) {
	own, version, err := m.whichWorks(ctx)
	if err != nil || version == m.plan.Version {
		return nil, err == nil, err
	}
	if version == "" {
		return nil, false, m.neither()
	}
	session, err := m.lockOne(ctx, own.login)
	if err != nil {
		return nil, false, err
	}
	defer session.Close()
	if err := m.mayUndo(ctx); err != nil {
		return nil, false, err
	}
	// An attempt of Set that held the lock is dead now; whether it was faster is seen under the lock only.
	_, version, err = m.whichWorks(ctx)
	if err == nil && version == "" {
		err = m.neither()
	}
	return nil, err == nil && version == m.plan.Version, err
}

func (m singleUser) undone(ctx context.Context) (forward bool, err error) {
	own, version, err := m.whichWorks(ctx)
	if err != nil {
		return false, err
	}
	if version == "" {
		return false, m.neither()
	}
	session, err := m.lockOne(ctx, own.login)
	if err != nil {
		return false, err
	}
	defer session.Close()
	_, version, err = m.whichWorks(ctx)
	if err == nil && version == "" {
		err = m.neither()
	}
	return err == nil && version == m.plan.Version, err
}

func (m singleUser) neither() *rotation.Error {
	return rotation.Errorf(rotation.Conflict, "account %s takes neither the current version's password nor this rotation's: somebody else changed it",
		m.plan.Account).WithCode(errBadLogin)
}

// retire: the former password went with the change.
func (m singleUser) retire(ctx context.Context) (use *rotation.Document, superseded bool, err error) {
	return m.mayRetire(ctx)
}
