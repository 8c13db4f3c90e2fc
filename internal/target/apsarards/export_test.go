package apsarards

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// SessionOf is a session without the look that Lock begins with.
func SessionOf(t *Target, place rotation.Place, version string) target.Session {
	return &session{target: t, place: place, version: version}
}

// CreateBlindly makes the call that creates an account without looking at the one that it is to be like.
func CreateBlindly(ctx context.Context, s target.Session, name string, password rotation.Secret) error {
	return s.(*session).create(ctx, name, password)
}

// GrantBlindly and RevokeBlindly make their calls without a comparison.
func GrantBlindly(ctx context.Context, s target.Session, name string) error {
	return s.(*session).grant(ctx, name, map[string]string{"shop": "ReadOnly"})
}

func RevokeBlindly(ctx context.Context, s target.Session, name string) error {
	return s.(*session).revoke(ctx, name, []string{"shop"})
}
