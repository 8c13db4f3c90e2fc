package activities

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// SetResult says what Set did.
type SetResult struct {
	// Done: the version was current already, nothing was changed.
	Done bool `json:",omitempty"`
	// Created: the standby account was created.
	Created bool `json:",omitempty"`
	// Given and Taken are what it took to make the standby account equal to the current one; LeftOut is what the admin
	// could not give and what was allowed to be missing.
	Given, Taken, LeftOut []string `json:",omitempty"`
}

// Set makes the standby account accept the pending version's password, with what the current account may do: nothing
// missing and nothing more.
func (r *Rotation) Set(ctx context.Context, in StepInput) (SetResult, error) {
	s, err := r.scene(in.Plan)
	if err != nil {
		return SetResult{}, err
	}
	seen, err := s.versions(ctx)
	if err != nil {
		return SetResult{}, err
	}
	if act, err := rotation.DecideSet(s.plan, seen); err != nil || !act {
		return SetResult{Done: err == nil}, err
	}
	base, pending, err := s.documents(ctx)
	if err != nil {
		return SetResult{}, err
	}
	if err := mustLogIn(s.target.Probe(ctx, loginOf(base)), rotation.Errorf(rotation.Permanent,
		"the current version of secret %s no longer logs in as %s", s.ref.Name, base.Account)); err != nil {
		return SetResult{}, err
	}
	session, err := s.lock(ctx, base.Pair())
	if err != nil {
		return SetResult{}, err
	}
	defer session.Close()
	seen, err = s.versions(ctx)
	if err != nil {
		return SetResult{}, err
	}
	if act, err := rotation.DecideSet(s.plan, seen); err != nil || !act {
		return SetResult{Done: err == nil}, err
	}
	return s.set(ctx, session, pending)
}

// documents reads the documents of the base version and of this rotation's, and makes sure that they belong together.
func (s *scene) documents(ctx context.Context) (base, pending *rotation.Document, err error) {
	if base, err = s.document(ctx, s.plan.Base); err != nil {
		return nil, nil, err
	}
	if pending, err = s.document(ctx, s.plan.Version); err != nil {
		return nil, nil, err
	}
	switch {
	case pending.Account != base.Pair().Standby(base.Account):
		return nil, nil, rotation.Errorf(rotation.Conflict, "version %s of secret %s is for account %s, which is not the partner of %s",
			s.plan.Version, s.ref.Name, pending.Account, base.Account)
	case !pending.SameBut(base):
		return nil, nil, rotation.Errorf(rotation.Conflict, "version %s of secret %s differs from the current one in more than account and password",
			s.plan.Version, s.ref.Name)
	}
	return base, pending, nil
}

// set changes the target; the lock is held, and what must hold was seen under it.
func (s *scene) set(ctx context.Context, session target.Session, pending *rotation.Document) (SetResult, error) {
	exists, err := session.Exists(ctx, s.plan.Standby)
	if err != nil {
		return SetResult{}, err
	}
	if !exists {
		if s.plan.StandbyExists {
			return SetResult{}, rotation.Errorf(rotation.Conflict, "account %s was dropped by somebody else while this rotation ran", s.plan.Standby)
		}
		change, err := session.Create(ctx, s.plan.Standby, s.plan.Account, pending.Password)
		return SetResult{Created: true, Given: change.Given, Taken: change.Taken, LeftOut: change.LeftOut}, err
	}
	if err := s.setPassword(ctx, session, pending); err != nil {
		return SetResult{}, err
	}
	change, err := session.Level(ctx, s.plan.Standby, s.plan.Account, pending.Password)
	return SetResult{Given: change.Given, Taken: change.Taken, LeftOut: change.LeftOut}, err
}

// setPassword gives the standby account the pending password. An account that was not there when Look looked must be
// this rotation's own: the pending password logs in to it.
func (s *scene) setPassword(ctx context.Context, session target.Session, pending *rotation.Document) error {
	if s.plan.StandbyExists {
		// Every host's account gets it, also where one has it already: an earlier attempt may have died between two.
		return session.SetPassword(ctx, s.plan.Standby, pending.Password)
	}
	return mustLogIn(s.target.Probe(ctx, loginOf(pending)), rotation.Errorf(rotation.Conflict,
		"account %s appeared while this rotation ran, and this rotation's password does not log in to it: somebody else created it", s.plan.Standby))
}
