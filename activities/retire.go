package activities

import (
	"context"
	"slices"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// RetireInput is Retire's.
type RetireInput struct {
	Plan        rotation.Plan
	EndSessions bool `json:",omitempty"`
}

// Retire makes the credential that a rotation has replaced unusable, and proves it by a login that fails. It acts under the lock, and only while the
// rotation's version is current and logs in, and no other is pending; if another version is current, nothing is done.
func (r *Rotation) Retire(ctx context.Context, in RetireInput) (rotation.Retired, error) {
	s, err := r.sceneAtTarget(in.Plan)
	if err != nil {
		return rotation.Retired{}, err
	}
	defer s.leave()
	result := rotation.Retired{Account: s.plan.Account, Version: s.plan.Base, At: r.Now()}
	if _, result.Superseded, err = s.mayRetire(ctx); err != nil || result.Superseded {
		return result, err
	}
	use, superseded, err := s.method.retire(ctx)
	if result.Superseded = superseded; err != nil || superseded {
		return result, err
	}
	proof, err := s.probe(ctx, s.plan.Base)
	if err != nil {
		return result, err
	}
	if proof.Answer != rotation.RefusedLogin && passwordOf(proof) != rotation.Unknown {
		return result, rotation.Errorf(rotation.Retryable, "account %s still takes the password of version %s, which was to be retired", s.plan.Account, s.plan.Base)
	}
	if passwordOf(proof) == rotation.Unknown && !proof.ByAPI {
		return result, mustLogIn(proof, nil)
	}
	result.Proof = s.proof()
	return result, s.sessions(ctx, &result, in.EndSessions, use)
}

// mayRetire looks at the store, and logs in with what is current. It is asked under the lock again.
func (s *scene) mayRetire(ctx context.Context) (current *rotation.Document, superseded bool, err error) {
	if s.script != nil {
		return s.masked, false, nil
	}
	seen, err := s.versions(ctx)
	if err != nil {
		return nil, false, err
	}
	if superseded, err = rotation.DecideRetire(s.plan, seen); err != nil || superseded {
		return nil, superseded, err
	}
	value, err := s.store.ReadCurrent(ctx, s.ref)
	if err != nil {
		return nil, false, s.orDeleted(err)
	}
	if value.Version != s.plan.Version {
		return nil, false, rotation.Errorf(rotation.Retryable, "secret %s: the store's answers about its current version differ", s.plan.Secret)
	}
	if current, err = s.parse(s.plan.Secret, value); err != nil {
		return nil, false, err
	}
	if current.Account != s.plan.Next() {
		return nil, false, rotation.Errorf(rotation.Conflict, "version %s of secret %s is for account %s, and not for %s", current.Version, s.plan.Secret,
			current.Account, s.plan.Next())
	}
	return current, false, mustLogIn(s.tryLogin(ctx, current), rotation.Errorf(rotation.Conflict, "version %s of secret %s is current, and does not log in as %s; "+
		"the credential before it is left alone", current.Version, s.plan.Secret, current.Account))
}

// sessions looks who is still logged in, with a login of the account itself; where that has no connection left, with the admin's. Sessions that are to
// be ended have to be.
func (s *scene) sessions(ctx context.Context, result *rotation.Retired, end bool, use *rotation.Document) error {
	found, err := s.listSessions(ctx, end, use)
	if err == nil {
		result.Sessions = &found.Sessions
		return nil
	}
	if end {
		return err
	}
	result.Unseen = inWords(err)
	return nil
}

func (s *scene) listSessions(ctx context.Context, end bool, use *rotation.Document) (target.Sessions, error) {
	lister, ok := s.target.(target.SessionLister)
	if !ok {
		return target.Sessions{}, rotation.Errorf(rotation.Permanent, "target %s can't tell who is logged in", s.plan.Target)
	}
	found, err := lister.Sessions(ctx, s.login(use), s.plan.Account, end)
	if !slices.Contains(noConnectionLeft, rotation.CodeOf(err)) || s.plan.Admin == "" {
		return found, err
	}
	admin, err := s.admin(ctx)
	if err != nil {
		return found, err
	}
	return lister.Sessions(ctx, admin, s.plan.Account, end)
}

// noConnectionLeft are the answers to a login of an account whose sessions are all that it may have.
var noConnectionLeft = []string{"1203", "1226"}

// SampleInput is Sample's.
type SampleInput struct {
	Plan rotation.Plan
	Seen rotation.Usage
}

// SampleResult says whether the former credential is in use.
type SampleResult struct {
	// Superseded: another version is current.
	Superseded bool `json:",omitempty"`
	// InUse: sessions are open, or the server has counted logins since the sample before.
	InUse bool
	Usage rotation.Usage
}

// Sample looks whether the account of the former credential is in use. It changes nothing.
func (r *Rotation) Sample(ctx context.Context, in SampleInput) (SampleResult, error) {
	s, err := r.sceneAtTarget(in.Plan)
	if err != nil {
		return SampleResult{}, err
	}
	defer s.leave()
	seen, err := s.versions(ctx)
	if err != nil {
		return SampleResult{}, err
	}
	superseded, err := rotation.DecideRetire(s.plan, seen)
	if err != nil || superseded {
		return SampleResult{Superseded: superseded, Usage: in.Seen}, err
	}
	found, err := s.lookForSessions(ctx)
	if err != nil {
		return SampleResult{}, err
	}
	result := SampleResult{Usage: in.Seen, InUse: found.Open > 0 || in.Seen.Logins > 0 && found.Logins > in.Seen.Logins}
	result.Usage.Samples++
	result.Usage.Logins = found.Logins
	if result.InUse {
		result.Usage.LastSeen = r.Now()
	}
	return result, nil
}

// lookForSessions looks with the admin, whose logins don't count as the account's; where that may not see others' sessions, with the former
// credential itself, whose own logins are not told apart from others', so that the server's count says nothing then.
func (s *scene) lookForSessions(ctx context.Context) (target.Sessions, error) {
	lister, ok := s.target.(target.SessionLister)
	if !ok {
		return target.Sessions{}, rotation.Errorf(rotation.Permanent, "target %s can't tell who is logged in", s.plan.Target)
	}
	if s.plan.Admin != "" {
		admin, err := s.admin(ctx)
		if err != nil {
			return target.Sessions{}, err
		}
		found, err := lister.Sessions(ctx, admin, s.plan.Account, false)
		if err == nil || rotation.KindOf(err) == rotation.Retryable {
			return found, err
		}
	}
	former, err := s.document(ctx, s.plan.Base)
	if err != nil {
		return target.Sessions{}, err
	}
	found, err := lister.Sessions(ctx, s.login(former), s.plan.Account, false)
	found.Logins = 0
	return found, err
}
