package activities

import (
	"context"
	"time"

	"rotor/internal/rotation"
)

// SetResult says what Set did.
type SetResult struct {
	// Done: the version was current already, nothing was changed.
	Done bool `json:",omitempty"`
	// Created: the standby account was created.
	Created bool `json:",omitempty"`
	// Changed is when the password of the one account was changed, by this attempt.
	Changed time.Time `json:",omitzero"`
	// Given and Taken are what it took to make the standby account equal to the current one; LeftOut is what the admin
	// could not give and what was allowed to be missing.
	Given, Taken, LeftOut []string `json:",omitempty"`
}

// Set makes the target accept the pending version's password.
func (r *Rotation) Set(ctx context.Context, in StepInput) (SetResult, error) {
	s, err := r.sceneAtTarget(in.Plan)
	if s != nil {
		defer s.dropSurvey()
	}
	if err != nil {
		return SetResult{}, err
	}
	defer s.leave()
	if s.fresh = s.isFresh(in.Fresh); !s.fresh {
		seen, err := s.versions(ctx)
		if err != nil {
			return SetResult{}, err
		}
		action, err := rotation.DecideEnd(s.plan, seen)
		if err != nil || action == rotation.EndFinish {
			return SetResult{Done: err == nil}, err
		}
	}
	base, pending, err := s.documents(ctx)
	if err != nil {
		return SetResult{}, err
	}
	return s.method.set(ctx, base, pending)
}

// stillOurs looks at the store again, under the lock: only then can nobody act between the answer and the change.
func (s *scene) stillOurs(ctx context.Context) (act bool, err error) {
	if s.script != nil {
		return true, nil
	}
	seen, err := s.versions(ctx)
	if err != nil {
		return false, err
	}
	return rotation.DecideSet(s.plan, seen)
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
	case base.Account != s.plan.Account || pending.Account != s.plan.Next():
		return nil, nil, rotation.Errorf(rotation.Conflict, "versions %s and %s of secret %s are for accounts %s and %s, and not for %s and %s",
			s.plan.Base, s.plan.Version, s.plan.Secret, base.Account, pending.Account, s.plan.Account, s.plan.Next())
	case !pending.SameBut(base):
		return nil, nil, rotation.Errorf(rotation.Conflict, "version %s of secret %s differs from the current one in more than account and password",
			s.plan.Version, s.plan.Secret)
	}
	return base, pending, nil
}
