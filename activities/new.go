package activities

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// StepInput is what every step after Look gets.
type StepInput struct {
	Plan rotation.Plan
	// Fresh: Look, and every step since, has ended a moment ago, in the same workflow task, and this is the step's first attempt. What they
	// saw need not be seen again, unless a change depends on it.
	Fresh bool `json:",omitempty"`
}

// NewResult says what New did.
type NewResult struct{ Action rotation.NewAction }

// New puts the pending version: the current document with a new password, for the standby account or the same one. It generates and
// stores in one step, so that the password is in no history.
func (r *Rotation) New(ctx context.Context, in StepInput) (NewResult, error) {
	s, err := r.scene(in.Plan)
	if err != nil {
		return NewResult{}, err
	}
	defer s.leave()
	s.fresh = s.isFresh(in.Fresh)
	result, err := s.put(ctx)
	if err != nil || !s.fresh {
		s.dropSurvey()
	}
	return result, err
}

func (s *scene) put(ctx context.Context) (NewResult, error) {
	seen, err := s.versions(ctx)
	if err != nil {
		return NewResult{}, err
	}
	action, err := rotation.DecideNew(s.plan, seen, s.store.Traits().KeepsVersions)
	if err != nil || action != rotation.NewPut {
		return NewResult{Action: action}, err
	}
	base, err := s.document(ctx, s.plan.Base)
	if err != nil {
		return NewResult{}, err
	}
	password, err := s.newPassword(ctx)
	if err != nil {
		return NewResult{}, err
	}
	data := base.With(s.plan.Next(), password)
	if err := s.store.PutPending(ctx, s.ref, s.plan.Version, data); err != nil {
		return NewResult{}, s.orKept(ctx, err)
	}
	s.Memory.keep(s.at(s.plan.Version), secretstore.Value{Version: s.plan.Version, Data: data})
	return NewResult{Action: action}, nil
}

// orKept turns the conflict of a put into success where an attempt of this step was faster: the version is there, with that
// attempt's password, and that is the one that counts.
func (s *scene) orKept(ctx context.Context, put error) error {
	if rotation.KindOf(put) != rotation.Conflict {
		return s.orDeleted(put)
	}
	if seen, err := s.versions(ctx); err == nil {
		if _, exists := seen.Find(s.plan.Version); exists {
			return nil
		}
	}
	return rotation.Errorf(rotation.Retryable, "version %s of secret %s was written by another attempt, and is not visible yet", s.plan.Version, s.plan.Secret)
}
