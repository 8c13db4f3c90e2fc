package activities

import (
	"cmp"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"rotor/internal/rotation"
)

// AgesInput asks how old the current versions of secrets are.
type AgesInput struct{ Secrets []rotation.AgeOf }

// agesAtOnce is how many secrets are asked about side by side: few, because rotations share the store's quota.
const agesAtOnce = 4

// Ages asks the stores when the current versions of secrets were written. It lists versions, as every rotation does, and reads no value.
// What it can't see of one secret, or not in time, is in the answer for that one.
func (r *Rotation) Ages(ctx context.Context, in AgesInput) (rotation.Ages, error) {
	found := rotation.Ages{Ages: make([]rotation.Age, len(in.Secrets))}
	// A store that hangs must not take the answers of the others with it.
	asking, cancel := context.WithTimeout(ctx, r.LongestAttempt/2)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(agesAtOnce)
	for i, one := range in.Secrets {
		group.Go(func() error {
			found.Ages[i] = r.age(asking, one)
			return nil
		})
	}
	return found, errors.Join(group.Wait(), ctx.Err())
}

// age gives what is known of one secret, in words of this program.
func (r *Rotation) age(ctx context.Context, of rotation.AgeOf) (found rotation.Age) {
	defer func() {
		// The edge sees no panic of this goroutine, and its value may hold anything.
		if recover() != nil {
			found = rotation.Age{Problem: "the look at the secret panicked; this is a defect of the program"}
		}
	}()
	written, err := r.written(ctx, of)
	var ours *rotation.Error
	switch {
	case errors.As(err, &ours):
		return rotation.Age{Problem: ours.Error()}
	case err != nil:
		return rotation.Age{Problem: "store " + of.Store + " did not answer in time"}
	}
	return rotation.Age{Written: written}
}

func (r *Rotation) written(ctx context.Context, of rotation.AgeOf) (time.Time, error) {
	store, ref, err := r.store(of.Store, of.Region, cmp.Or(of.ARN, of.Secret))
	if err != nil {
		return time.Time{}, err
	}
	s := &scene{Rotation: r, plan: rotation.Plan{Store: of.Store, Region: of.Region, Secret: of.Secret}}
	if err := s.checkAllowed(); err != nil {
		return time.Time{}, err
	}
	leave, err := r.turn(ctx, of.Store+" in "+of.Region)
	if err != nil {
		return time.Time{}, err
	}
	defer leave()
	versions, err := store.Versions(ctx, ref)
	if err != nil {
		return time.Time{}, err
	}
	current, there := versions.Find(versions.Holder(rotation.Current))
	if !there {
		return time.Time{}, rotation.FieldError("secret "+of.Secret, "no version of it is current")
	}
	return current.Created, nil
}

// turn waits for a slot at the store. Unlike a step, it does so here: it has only a few secrets under way, and takes up one activity anyway.
func (r *Rotation) turn(ctx context.Context, place string) (leave func(), err error) {
	for {
		leave, err = r.StoreSlots.take(placeStore, place)
		if err == nil {
			return leave, nil
		}
		if paused := r.Pause(ctx, retryAfter()); paused != nil {
			return nil, paused
		}
	}
}
