package activities

import (
	"context"

	"rotor/internal/rotation"
)

// TestResult says what Test found.
type TestResult struct {
	// Done: the version is current already.
	Done bool `json:",omitempty"`
	// Differences from what the login should be; any sends the rotation back to Set.
	Differences []string `json:",omitempty"`
	// TLS says how the login was protected.
	TLS   string `json:",omitempty"`
	Proof string `json:",omitempty"`
}

// Test logs in with the pending version as a client would, and compares what the two accounts may do.
func (r *Rotation) Test(ctx context.Context, in StepInput) (TestResult, error) {
	s, err := r.sceneAtTarget(in.Plan)
	if err != nil {
		return TestResult{}, err
	}
	defer s.leave()
	if s.fresh = s.isFresh(in.Fresh); !s.fresh {
		seen, err := s.versions(ctx)
		if err != nil {
			return TestResult{}, err
		}
		action, err := rotation.DecideEnd(s.plan, seen)
		if err != nil || action == rotation.EndFinish {
			return TestResult{Done: err == nil}, err
		}
	}
	return s.test(ctx)
}

func (s *scene) test(ctx context.Context) (TestResult, error) {
	base, pending, err := s.documents(ctx)
	if err != nil {
		return TestResult{}, err
	}
	proof := s.tryLogin(ctx, pending)
	if proof.Answer == rotation.RefusedLogin {
		return TestResult{Differences: []string{"account " + pending.Account + " does not take its new password (" + proof.Code + ")"}}, nil
	}
	if err := mustLogIn(proof, nil); err != nil {
		return TestResult{}, err
	}
	if err := s.tryAsClient(ctx, pending, rotation.Errorf(rotation.Retryable, "%s does not take the new password of account %s yet; "+
		"it may lag behind %s, where it was changed", pending.Place.Address(), pending.Account, s.plan.Address)); err != nil {
		return TestResult{}, err
	}
	differences, err := s.method.differences(ctx, base, pending)
	return TestResult{Differences: differences, TLS: proof.TLS, Proof: s.proof()}, err
}
