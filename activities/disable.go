package activities

import (
	"context"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// disable gives an account a password that nobody has.
func disable(ctx context.Context, session target.Session, account string, unknown rotation.Secret) error {
	if d, ok := session.(target.Disabler); ok {
		return d.Disable(ctx, account, unknown)
	}
	return session.SetPassword(ctx, account, unknown)
}
