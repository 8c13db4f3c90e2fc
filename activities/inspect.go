package activities

import (
	"context"
	"errors"
	"slices"

	"rotor/internal/rotation"
)

// InspectInput is Inspect's.
type InspectInput struct {
	Plan rotation.Plan
	// SetStarted says that Set was asked for, so that the account that it is about probably has the new password.
	SetStarted bool
}

// mostTries is how many passwords Inspect tries on one account: wrong ones count on the server.
const mostTries = 3

// Inspect looks at what a parked rotation has left, for the person who has to decide. It changes nothing, and what it can't see it says.
func (r *Rotation) Inspect(ctx context.Context, in InspectInput) (rotation.Situation, error) {
	s, err := r.sceneAtTarget(in.Plan)
	if err != nil {
		return rotation.Situation{}, err
	}
	defer s.leave()
	found := rotation.Situation{Seen: r.Now()}
	seen, err := s.versions(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return rotation.Situation{}, err
		}
		found.Unseen = inWords(err)
		return found, nil
	}
	found.Current, found.Pending = seen.Holder(rotation.Current), seen.Holder(rotation.Pending)
	_, found.Written = seen.Find(in.Plan.Version)
	found.Logins = s.logins(ctx, s.likeliest(found, seen, in.SetStarted))
	return found, ctx.Err()
}

// likeliest are the versions whose passwords the accounts may have, the likeliest of each account first.
func (s *scene) likeliest(found rotation.Situation, seen rotation.Versions, setStarted bool) []string {
	p := s.plan
	order := []string{p.Base, p.Restore, p.Version, p.StalePending, p.Previous}
	if setStarted {
		order = []string{p.Version, p.Base, p.Restore, p.StalePending, p.Previous}
	}
	var versions []string
	for _, id := range append([]string{found.Current}, order...) {
		if _, there := seen.Find(id); there && !slices.Contains(versions, id) {
			versions = append(versions, id)
		}
	}
	return versions
}

// logins finds out which of the versions each account takes.
func (s *scene) logins(ctx context.Context, versions []string) []rotation.LoginState {
	states := []rotation.LoginState{{Account: s.plan.Account}}
	if s.plan.Standby != "" {
		states = append(states, rotation.LoginState{Account: s.plan.Standby})
	}
	for _, id := range versions {
		doc, err := s.document(ctx, id)
		if err != nil {
			continue
		}
		at := slices.IndexFunc(states, func(l rotation.LoginState) bool { return l.Account == doc.Account })
		if at < 0 {
			at, states = len(states), append(states, rotation.LoginState{Account: doc.Account})
		}
		state := &states[at]
		if state.Version != "" || state.Unknown != "" || state.ByAPI || len(state.Refused) == mostTries {
			continue
		}
		switch proof := s.tryLogin(ctx, doc); {
		case proof.Answer == rotation.RefusedLogin:
			state.Refused = append(state.Refused, id)
		case proof.Answer == rotation.Accepted && proof.ByAPI:
			state.ByAPI = true
		case proof.Answer == rotation.Accepted:
			state.Version = id
		case proof.Err != nil:
			state.Unknown = inWords(proof.Err)
		default:
			state.Unknown = "the server gave no clear answer (" + proof.Code + ")"
		}
	}
	return states
}

// inWords gives an error's text if it is ours.
func inWords(err error) string {
	var e *rotation.Error
	if errors.As(err, &e) {
		return e.Error()
	}
	return "it did not answer"
}
