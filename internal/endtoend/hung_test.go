package endtoend

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// Where two steps of a worker hang, and no more than two may be at one place, a third is sent away at once, and one that has to do with
// another place does its work.
func TestStepsWhereTwoHang(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		slots func(*activities.Rotation, *activities.Slots)
		// hang makes the steps of a secret hang; what it gives is closed when one does.
		hang      func(*testing.T) func(devstack.Secret) (hangs <-chan struct{})
		elsewhere func(*testing.T) devstack.Secret
		says      string
	}{
		"a database": {
			func(r *activities.Rotation, s *activities.Slots) { r.TargetSlots = s },
			func(t *testing.T) func(devstack.Secret) <-chan struct{} {
				host, port := hungServer(t)
				return func(secret devstack.Secret) <-chan struct{} {
					for _, name := range []string{secret.Name, secret.AdminSecret} {
						edit(t, name, func(d map[string]any) { d["Endpoint"], d["Port"] = host, port })
					}
					// The list of versions is what a step asks the store for last before it goes to the database.
					return afterList(t, secret)
				}
			}, newSecret, "ROTOR_MAX_PER_TARGET"},
		"a store": {
			func(r *activities.Rotation, s *activities.Slots) { r.StoreSlots = s },
			func(t *testing.T) func(devstack.Secret) <-chan struct{} {
				return func(secret devstack.Secret) <-chan struct{} {
					held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Times: cloudsim.Always})
					t.Cleanup(held.Remove)
					return held.Reached()
				}
			}, newAWSPair, "ROTOR_MAX_PER_STORE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			steps := byHand{T: t}.attempt(func(r *activities.Rotation) {
				// The locks and everything else are real; only the worker may do less.
				r.TargetSlots, r.StoreSlots = nil, nil
				test.slots(r, &activities.Slots{Limit: 2})
			})
			ctx, cancel := context.WithCancel(t.Context())
			look := func(ctx context.Context, secret devstack.Secret) error {
				_, err := steps.Look(ctx, activities.LookInput{Request: byHand{t, secret, ""}.request(), Version: newVersion()})
				return err
			}
			hang, ended := test.hang(t), make(chan error, 2)
			for range 2 {
				secret := newSecret(t)
				hangs := hang(secret)
				go func() { ended <- look(ctx, secret) }()
				<-hangs
			}
			third := newSecret(t)
			hang(third)
			var sentAway *rotation.Error
			eventually(t, 2*time.Minute, "the third is sent away", func() bool {
				return errors.As(look(t.Context(), third), &sentAway)
			})
			require.True(t, sentAway.Untried, sentAway.Text)
			require.Contains(t, sentAway.Text, test.says)
			for range 3 {
				require.NoError(t, look(t.Context(), test.elsewhere(t)))
			}
			require.Empty(t, ended, "the two hang on")
			cancel()
			require.Error(t, <-ended)
			require.Error(t, <-ended)
		})
	}
}

// afterList gives a channel that is closed once the versions of a secret were listed.
func afterList(t *testing.T, secret devstack.Secret) <-chan struct{} {
	t.Helper()
	listed := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.SlowAnswer, Resource: secret.Name, Action: "ListSecretVersionIds", Hold: time.Millisecond})
	t.Cleanup(listed.Remove)
	return listed.Reached()
}
