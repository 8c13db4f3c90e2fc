package activities

import (
	"context"
	"errors"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// EndInput is End's.
type EndInput struct {
	Plan rotation.Plan
	// Uncertain is how many attempts before this one may have sent a move of the stage and got no answer.
	Uncertain int `json:",omitempty"`
	// Fresh: see StepInput. Test has passed a moment ago, too.
	Fresh bool `json:",omitempty"`
}

// EndResult says what End did.
type EndResult struct {
	// Differences were found by the last test, and the stage was not moved; they send the rotation back to Set.
	Differences []string `json:",omitempty"`
	// Settle is how long the workflow has to stay open, and then to call End again: an earlier attempt's move may still be on
	// its way, and the store would carry it out even when the next rotation has ended.
	Settle time.Duration `json:",omitempty"`
	// Moved is when this attempt moved the stage.
	Moved time.Time `json:",omitzero"`
	TLS   string    `json:",omitempty"`
	Proof string    `json:",omitempty"`
}

// End moves the current stage from the base version to this rotation's, and proves it: read back, and logged in.
func (r *Rotation) End(ctx context.Context, in EndInput) (EndResult, error) {
	s, err := r.sceneAtTarget(in.Plan)
	if err != nil {
		return EndResult{}, err
	}
	defer s.leave()
	defer s.forget()
	s.fresh = s.isFresh(in.Fresh)
	action, err := s.decideEnd(ctx)
	if err != nil {
		return EndResult{}, err
	}
	// One lost answer whose move is seen to have happened is settled: the store takes a signed request once.
	uncertain := in.Uncertain
	if action == rotation.EndFinish {
		uncertain--
	}
	result := EndResult{}
	if uncertain > 0 {
		result.Settle = s.store.Traits().UncertainFor
	}
	if action == rotation.EndMove {
		if !s.fresh {
			tested, err := s.test(ctx)
			if err != nil {
				return EndResult{}, err
			}
			if len(tested.Differences) > 0 {
				return EndResult{Differences: tested.Differences}, nil
			}
		}
		if err := s.move(ctx); err != nil {
			return EndResult{}, s.orDeleted(err)
		}
		result.Moved = s.Now()
	}
	if s.fresh && action == rotation.EndMove {
		result.TLS, result.Proof, err = s.finishMoved(ctx)
	} else {
		result.TLS, result.Proof, err = s.finish(ctx)
	}
	if err != nil && action == rotation.EndMove {
		// This attempt has moved the stage. The next one must not take that move for the one whose answer was lost.
		err = unanswered(err)
	}
	return result, err
}

// decideEnd looks at the store, unless that is done by the move itself, and nothing else comes before it: a store that can't compare looks right
// before, and with one account nothing counts but the version that the stage leaves, which any other store compares.
func (s *scene) decideEnd(ctx context.Context) (rotation.EndAction, error) {
	if s.fresh && (s.store.Traits().UncertainFor > 0 || s.plan.Strategy == rotation.SingleUser) {
		return rotation.EndMove, nil
	}
	seen, err := s.versions(ctx)
	if err != nil {
		return "", err
	}
	return rotation.DecideEnd(s.plan, seen)
}

func (s *scene) move(ctx context.Context) error {
	if !s.fresh {
		return s.store.MoveCurrent(ctx, s.ref, s.plan.Base, s.plan.Version)
	}
	return s.store.MoveCurrentIf(ctx, s.ref, s.plan.Base, s.plan.Version, func(seen rotation.Versions) error {
		_, err := rotation.DecideEnd(s.plan, seen)
		return err
	})
}

// unanswered says of an error that the attempt may have moved the stage all the same.
func unanswered(err error) error {
	var e *rotation.Error
	if !errors.As(err, &e) {
		return err
	}
	moved := *e
	moved.Unanswered, moved.Untried = true, false
	return &moved
}

// finish takes pending off where the store wants that, reads back, and logs in with what is current now.
func (s *scene) finish(ctx context.Context) (tls, by string, err error) {
	seen, err := s.versions(ctx)
	if err != nil {
		return "", "", err
	}
	listed := seen.Holder(rotation.Current)
	// A list from before the put, or from before this rotation, shows no pending stage either: only one that knows of the move tells that
	// it is off.
	off := !s.store.Traits().ClearsPending || listed == s.plan.Version
	if s.store.Traits().ClearsPending && seen.Holder(rotation.Pending) == s.plan.Version {
		if err := s.store.RemovePending(ctx, s.ref, s.plan.Version); err != nil {
			return "", "", s.orDeleted(err)
		}
		off = true
	}
	current, err := s.store.ReadCurrent(ctx, s.ref)
	if err != nil {
		return "", "", s.orDeleted(err)
	}
	switch {
	case current.Version == s.plan.Version && off:
	case current.Version == s.plan.Version, current.Version == s.plan.Base, current.Version != listed:
		// One of the two answers is from the past.
		return "", "", rotation.Errorf(rotation.Retryable, "version %s of secret %s is not visible as current yet", s.plan.Version, s.plan.Secret)
	default:
		return "", "", rotation.Errorf(rotation.Conflict, "version %s of secret %s is current, and not this rotation's %s: somebody else moved the stage",
			current.Version, s.plan.Secret, s.plan.Version)
	}
	return s.proveCurrent(ctx, current)
}

// finishMoved finishes right after this attempt has moved the stage, having seen the pending stage on its version: that is taken off without
// another list.
func (s *scene) finishMoved(ctx context.Context) (tls, by string, err error) {
	if s.store.Traits().ClearsPending {
		if err := s.store.RemovePending(ctx, s.ref, s.plan.Version); err != nil {
			return "", "", s.orDeleted(err)
		}
	}
	current, err := s.store.ReadCurrent(ctx, s.ref)
	if err != nil {
		return "", "", s.orDeleted(err)
	}
	if current.Version != s.plan.Version {
		return "", "", rotation.Errorf(rotation.Retryable, "version %s of secret %s is not visible as current yet", s.plan.Version, s.plan.Secret)
	}
	return s.proveCurrent(ctx, current)
}

// proveCurrent logs in with what is current now.
func (s *scene) proveCurrent(ctx context.Context, current secretstore.Value) (tls, by string, err error) {
	doc, err := s.parse(s.plan.Secret, current)
	if err != nil {
		return "", "", err
	}
	proof := s.tryLogin(ctx, doc)
	return proof.TLS, s.proof(), mustLogIn(proof, rotation.Errorf(rotation.Conflict, "version %s of secret %s is current, and does not log in as %s: "+
		"somebody else changed the account", s.plan.Version, s.plan.Secret, doc.Account))
}
