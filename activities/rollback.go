package activities

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// RollbackInput is Rollback's.
type RollbackInput struct {
	Plan rotation.Plan
	// SetStarted says whether Set was ever asked for; if not, the target is untouched.
	SetStarted bool
	// PutUncertain says that an attempt of New may still put the version.
	PutUncertain bool `json:",omitempty"`
}

// RollbackResult says what was proven.
type RollbackResult struct {
	// Forward: the version is current; the rotation must be finished instead.
	Forward bool `json:",omitempty"`
	// Nothing: there was nothing to undo.
	Nothing bool     `json:",omitempty"`
	Notes   []string `json:",omitempty"`
	TLS     string   `json:",omitempty"`
}

// Rollback brings store and target back to where Look found them, and proves it by logging in. An error means that there is no
// proof (yet).
func (r *Rotation) Rollback(ctx context.Context, in RollbackInput) (RollbackResult, error) {
	s, err := r.scene(in.Plan)
	if err != nil {
		return RollbackResult{}, err
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
		if !in.PutUncertain {
			return RollbackResult{Nothing: true}, nil
		}
		result.TLS, err = s.proveBase(ctx)
		return result, err
	case rotation.RollbackStage:
		if err := s.store.RemovePending(ctx, s.ref, s.plan.Version); err != nil {
			return RollbackResult{}, err
		}
	case rotation.RollbackTarget:
		if result.Notes, err = s.restoreTarget(ctx); err != nil {
			return RollbackResult{}, err
		}
		if err := s.store.RemovePending(ctx, s.ref, s.plan.Version); err != nil {
			return RollbackResult{}, err
		}
	}
	result.TLS, err = s.proveRollback(ctx, in.SetStarted)
	return result, err
}

func (s *scene) decideRollback(ctx context.Context, setStarted bool) (rotation.RollbackAction, error) {
	seen, err := s.versions(ctx)
	if err != nil {
		return "", err
	}
	return rotation.DecideRollback(s.plan, seen, setStarted)
}

// restoreTarget undoes what Set did, under the lock, and only if what must hold is seen under it.
func (s *scene) restoreTarget(ctx context.Context) (notes []string, err error) {
	session, err := s.lock(ctx, s.pair())
	if err != nil {
		return nil, err
	}
	defer session.Close()
	action, err := s.decideRollback(ctx, true)
	if err != nil {
		return nil, err
	}
	if action != rotation.RollbackTarget {
		return nil, rotation.Errorf(rotation.Retryable, "secret %s changed while its rollback waited for the lock; looking again", s.ref.Name)
	}
	what, err := s.decideStandby(ctx, session)
	if err != nil {
		return nil, err
	}
	switch what {
	case rotation.StandbyDrop:
		return []string{"account " + s.plan.Standby + " was dropped again"}, session.Drop(ctx, s.plan.Standby)
	case rotation.StandbyRestore:
		restore, err := s.document(ctx, s.plan.Restore)
		if err != nil {
			return nil, err
		}
		return []string{"account " + s.plan.Standby + " has the password of version " + s.plan.Restore + " again; privileges that were taken from it are not given back"},
			session.SetPassword(ctx, s.plan.Standby, restore.Password)
	case rotation.StandbyDisable:
		random, err := rotation.GeneratePassword(s.Random, s.plan.PasswordLength)
		if err != nil {
			return nil, err
		}
		return []string{"account " + s.plan.Standby + " has a random password that is kept nowhere, because no version holds its former one"},
			session.SetPassword(ctx, s.plan.Standby, random)
	}
	return nil, nil
}

func (s *scene) decideStandby(ctx context.Context, session target.Session) (rotation.StandbyAction, error) {
	exists, err := session.Exists(ctx, s.plan.Standby)
	if err != nil {
		return "", err
	}
	restore, pending := rotation.RefusedLogin, rotation.RefusedLogin
	if exists && s.plan.Restore != "" {
		proof, err := s.probe(ctx, s.plan.Restore)
		if err != nil {
			return "", err
		}
		restore = proof.Answer
	}
	if exists && restore != rotation.Accepted {
		proof, err := s.probe(ctx, s.plan.Version)
		if err != nil {
			return "", err
		}
		pending = proof.Answer
	}
	return rotation.DecideStandby(s.plan, exists, restore, pending)
}

// proveRollback takes the lock again, so that no attempt of Set that had passed its checks can act any more, and then looks
// at everything that makes a rollback: current is the base version and logs in, the standby account is as it was.
func (s *scene) proveRollback(ctx context.Context, setStarted bool) (tls string, err error) {
	if setStarted {
		session, err := s.lock(ctx, s.pair())
		if err != nil {
			return "", err
		}
		defer session.Close()
		if err := s.proveStandby(ctx, session); err != nil {
			return "", err
		}
	}
	action, err := s.decideRollback(ctx, setStarted)
	if err != nil {
		return "", err
	}
	if action != rotation.RollbackProve {
		return "", rotation.Errorf(rotation.Retryable, "the pending stage of secret %s is not seen to be off yet", s.ref.Name)
	}
	return s.proveBase(ctx)
}

// proveBase logs in with the base version.
func (s *scene) proveBase(ctx context.Context) (tls string, err error) {
	proof, err := s.probe(ctx, s.plan.Base)
	if err != nil {
		return "", err
	}
	return proof.TLS, mustLogIn(proof, rotation.Errorf(rotation.Conflict, "the current version of secret %s does not log in as %s", s.ref.Name, s.plan.Account))
}

// proveStandby proves the standby account's state. Nothing may be changed here any more: pending is off, so the next
// rotation may have begun.
func (s *scene) proveStandby(ctx context.Context, session target.Session) error {
	if s.plan.StandbyExists && s.plan.Restore == "" {
		proof, err := s.probe(ctx, s.plan.Version)
		if err != nil {
			return err
		}
		if proof.Answer != rotation.RefusedLogin {
			return rotation.Errorf(rotation.Conflict, "account %s still takes the password of the version that was rolled back", s.plan.Standby)
		}
		return nil
	}
	exists, err := session.Exists(ctx, s.plan.Standby)
	if err != nil {
		return err
	}
	if exists != s.plan.StandbyExists {
		return rotation.Errorf(rotation.Conflict, "account %s should exist: %t; it exists: %t", s.plan.Standby, s.plan.StandbyExists, exists)
	}
	if !exists {
		return nil
	}
	proof, err := s.probe(ctx, s.plan.Restore)
	if err != nil {
		return err
	}
	return mustAccept(proof, rotation.Errorf(rotation.Conflict, "account %s does not take the password of version %s, which it had before",
		s.plan.Standby, s.plan.Restore))
}

func (s *scene) pair() rotation.Pair {
	return rotation.PairOf(s.plan.Account, s.store.Traits().Dialect.Suffix)
}
