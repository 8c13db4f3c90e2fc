package activities

import (
	"context"
	"time"

	"rotor/internal/rotation"
)

// RollbackInput is Rollback's.
type RollbackInput struct {
	Plan rotation.Plan
	// SetStarted says whether Set was ever asked for; if not, the target is untouched.
	SetStarted bool
	// Put says that New has put the version, so that one that is not seen is not visible yet.
	Put bool `json:",omitempty"`
	// PutUncertain says that an attempt of New may still put the version.
	PutUncertain bool `json:",omitempty"`
	// SetUncertain says that an attempt of Set may have changed the target, or may still.
	SetUncertain bool `json:",omitempty"`
}

// RollbackResult says what was proven.
type RollbackResult struct {
	// Forward: there is no way back; the rotation must be finished instead.
	Forward bool `json:",omitempty"`
	// Nothing: there was nothing to undo.
	Nothing bool     `json:",omitempty"`
	Notes   []string `json:",omitempty"`
	TLS     string   `json:",omitempty"`
	Proof   string   `json:",omitempty"`
}

// Rollback brings store and target back to where Look found them, and proves it by logging in. An error means that there is no
// proof (yet).
func (r *Rotation) Rollback(ctx context.Context, in RollbackInput) (RollbackResult, error) {
	s, err := r.sceneAtTarget(in.Plan)
	if err != nil {
		return RollbackResult{}, err
	}
	defer s.leave()
	s.setUncertain = in.SetUncertain
	// An adopted version's password is set, whoever did it.
	in.SetStarted = in.SetStarted || in.Plan.Adopted
	if in.SetStarted && in.PutUncertain && !in.Put && !in.Plan.Adopted {
		if err := s.putForRollback(ctx); err != nil {
			return RollbackResult{}, err
		}
	}
	action, err := s.decideRollback(ctx, in.SetStarted)
	if err != nil {
		return RollbackResult{}, err
	}
	var result RollbackResult
	switch action {
	case rotation.RollbackForward:
		return RollbackResult{Forward: true}, nil
	case rotation.RollbackNothing:
		if in.Put {
			return RollbackResult{}, rotation.Errorf(rotation.Retryable, "version %s of secret %s was written, and is not visible yet", s.plan.Version, s.plan.Secret)
		}
		if !in.PutUncertain {
			return RollbackResult{Nothing: true}, nil
		}
		// That nothing was changed can't be said; that everything is as it was, can.
		seen, err := s.versions(ctx)
		if err == nil {
			err = s.plan.CheckBase(seen)
		}
		if err == nil {
			result.TLS, result.Proof, err = s.proveBase(ctx)
		}
		return result, err
	case rotation.RollbackTarget:
		if result.Notes, result.Forward, err = s.method.undo(ctx); err != nil || result.Forward {
			return result, err
		}
	}
	if action != rotation.RollbackProve {
		if err := s.store.RemovePending(ctx, s.ref, s.plan.Version); err != nil {
			return RollbackResult{}, s.orDeleted(err)
		}
	}
	return s.proveRollback(ctx, in.SetStarted, result)
}

// putForRollback puts the version where nobody knows whether steps that may have run have put it, and changed the target, or still will. Only a
// version that is there, and from which the pending stage is then taken, keeps them from it.
func (s *scene) putForRollback(ctx context.Context) error {
	seen, err := s.versions(ctx)
	if err != nil {
		return err
	}
	if _, exists := seen.Find(s.plan.Version); exists || s.plan.CheckBase(seen) != nil {
		return nil // what there is decides
	}
	_, err = s.put(ctx)
	return err
}

func (s *scene) decideRollback(ctx context.Context, setStarted bool) (rotation.RollbackAction, error) {
	seen, err := s.versions(ctx)
	if err != nil {
		return "", err
	}
	action, err := rotation.DecideRollback(s.plan, seen, setStarted)
	if _, exists := seen.Find(s.plan.Version); exists || rotation.KindOf(err) != rotation.Conflict {
		return action, err
	}
	// That the version is gone may be said by a list from before it was put, and nobody could undo a rollback that parks in its midst.
	if err := s.Pause(ctx, goneReread); err != nil {
		return "", err
	}
	if seen, err = s.versions(ctx); err != nil {
		return "", err
	}
	return rotation.DecideRollback(s.plan, seen, setStarted)
}

// goneReread is how much later the store is asked again for a version that it does not list.
const goneReread = 2500 * time.Millisecond

// mayUndo looks again under the lock: the target may be touched only while current is the base version and pending is on ours.
func (s *scene) mayUndo(ctx context.Context) error {
	action, err := s.decideRollback(ctx, true)
	if err == nil && action != rotation.RollbackTarget {
		err = rotation.Errorf(rotation.Retryable, "secret %s changed while its rollback waited for the lock; looking again", s.plan.Secret)
	}
	return err
}

// proveRollback takes the lock again, so that no attempt of Set that had passed its checks can act any more, and then looks
// at everything that makes a rollback: the target is as it was, current is the base version and logs in.
func (s *scene) proveRollback(ctx context.Context, setStarted bool, result RollbackResult) (RollbackResult, error) {
	if setStarted {
		forward, err := s.method.undone(ctx)
		if err != nil || forward {
			return RollbackResult{Forward: forward}, err
		}
	}
	action, err := s.decideRollback(ctx, setStarted)
	if err != nil {
		return RollbackResult{}, err
	}
	if action != rotation.RollbackProve {
		return RollbackResult{}, rotation.Errorf(rotation.Retryable, "the pending stage of secret %s is not seen to be off yet", s.plan.Secret)
	}
	result.TLS, result.Proof, err = s.proveBase(ctx)
	return result, err
}

// proveBase logs in with the base version.
func (s *scene) proveBase(ctx context.Context) (tls, by string, err error) {
	proof, err := s.probe(ctx, s.plan.Base)
	if err != nil {
		return "", "", err
	}
	return proof.TLS, s.proof(), mustLogIn(proof, rotation.Errorf(rotation.Conflict, "the current version of secret %s does not log in as %s", s.plan.Secret, s.plan.Account))
}
