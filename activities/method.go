package activities

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// method is what differs between the strategies.
type method interface {
	// look completes the plan with what it finds at the target, and refuses what can't be rotated.
	look(ctx context.Context, req rotation.Request, doc *rotation.Document, versions rotation.Versions) error
	// set changes the target, under the lock, if current is the base version and pending is on ours. It is rehearsed, too: then the session
	// that lockAs gives changes nothing, there is no pending version, and no login is to be tried whose answer is not known.
	set(ctx context.Context, base, pending *rotation.Document) (SetResult, error)
	// differences are what keeps the pending login, which works, from being as good as the current one.
	differences(ctx context.Context, base, pending *rotation.Document) ([]string, error)
	// undo undoes what set did, under the lock. forward says that there is no way back.
	undo(ctx context.Context) (notes []string, forward bool, err error)
	// undone proves that it is undone, under the lock, and changes nothing: pending is off, so the next rotation may have begun.
	// forward is as in undo.
	undone(ctx context.Context) (forward bool, err error)
	// retire makes the former credential unusable, under the lock, if this rotation's version is current and logs in. What it gives logs in to the
	// former credential's account.
	retire(ctx context.Context) (use *rotation.Document, superseded bool, err error)
}

func (s *scene) methodOf(strategy rotation.Strategy) method {
	switch strategy {
	case rotation.SingleUser:
		return singleUser{s}
	case rotation.DualPassword:
		return dualPassword{s}
	}
	return dualAccount{s}
}

// lockAs opens the locked session of the account pair.
func (s *scene) lockAs(ctx context.Context, by target.Login) (target.Session, error) {
	if s.script != nil {
		return s.target.Rehearse(ctx, by, s.pair(), s.script)
	}
	return s.target.Lock(ctx, by, s.pair())
}

// lockOne opens the locked session of who changes a single account: the admin if there is one, else the account itself.
func (s *scene) lockOne(ctx context.Context, own target.Login) (target.Session, error) {
	return s.lockSurveyed(ctx, s.surveyed(), own)
}

// lockSurveyed locks the session that Look has left, if there is one.
func (s *scene) lockSurveyed(ctx context.Context, open target.Surveyed, own target.Login) (target.Session, error) {
	if open != nil {
		return open.Lock(ctx)
	}
	if s.hasAdmin() {
		return s.lockAsAdmin(ctx)
	}
	session, err := s.lockAs(ctx, own)
	if rotation.CodeOf(err) == errBadLogin {
		// It was let in a moment ago, so another attempt has changed the password.
		return nil, rotation.Errorf(rotation.Retryable, "account %s was changed between two logins; looking again", s.plan.Account).WithCode(errBadLogin)
	}
	return session, err
}

// surveyAs looks with the admin secret if there is one, else with a login of the account itself.
func (s *scene) surveyAs(ctx context.Context, doc *rotation.Document, own target.Login) (target.Survey, error) {
	if s.hasAdmin() {
		return s.survey(ctx, doc)
	}
	return s.surveyBy(ctx, own, doc)
}

// pair is the pair of the accounts, or would be if there were two: a single account is locked under the same name.
func (s *scene) pair() rotation.Pair {
	return rotation.PairOf(s.plan.Account, s.store.Traits().Dialect.Suffix)
}
