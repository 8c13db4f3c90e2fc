package apsarards

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

var _ target.SessionLister = (*Target)(nil)

// Sessions implements target.SessionLister, where the worker can reach the server: the API lists no sessions.
func (t *Target) Sessions(ctx context.Context, by target.Login, account string, end bool) (target.Sessions, error) {
	lister, ok := t.logins.(target.SessionLister)
	if !ok {
		return target.Sessions{}, rotation.Errorf(rotation.Permanent, "instance %s: its sessions can't be seen", by.Place.Instance)
	}
	at, err := t.clientPlace(ctx, by.Place)
	if err != nil {
		return target.Sessions{}, err
	}
	by.Place = at
	return lister.Sessions(ctx, by, account, end)
}
