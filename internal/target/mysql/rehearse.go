package mysql

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// Rehearse opens a session that takes no lock and changes nothing: the account package tells each statement instead of carrying it out, and
// the server would refuse it.
func (t *Target) Rehearse(ctx context.Context, by target.Login, pair rotation.Pair, script *target.Script) (target.Session, error) {
	s, err := t.login(ctx, by, pair, true)
	if err != nil {
		return nil, err
	}
	s.rehearsal = true
	s.server.Rehearse = script.Add
	return s, nil
}
