package apsarards

import (
	"context"
	"errors"
	"time"

	"rotor/internal/rotation"
)

// Pauses between two looks at an account.
const (
	firstPause   = 100 * time.Millisecond
	longestPause = 2 * time.Second
)

// available waits until no change of the account is under way, for as long as one attempt may.
func (t *Target) available(ctx context.Context, place rotation.Place, name string) (account, error) {
	var found account
	err := t.until(ctx, func() (error, error) {
		a, exists, err := t.account(ctx, place, name)
		if err != nil {
			return nil, err
		}
		found = a
		return busy(place, name, a, exists), nil
	})
	return found, err
}

// gone waits until the account is not there any more.
func (t *Target) gone(ctx context.Context, place rotation.Place, name string) error {
	return t.until(ctx, func() (error, error) {
		_, exists, err := t.account(ctx, place, name)
		if err != nil || !exists {
			return nil, err
		}
		return rotation.Errorf(rotation.Retryable, "account %s of instance %s is still there: it is being deleted", name, place.Instance).WithCode(codeBusy), nil
	})
}

// until looks until there is nothing to wait for; what there is still to wait for when the time is over is the error.
func (t *Target) until(ctx context.Context, look func() (waitFor, err error)) error {
	deadline := time.Now().Add(t.wait)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		waitFor, err := look()
		if err != nil || waitFor == nil {
			return err
		}
		if time.Now().Add(pause).After(deadline) {
			return waitFor
		}
		if !sleep(ctx, pause) {
			return waitFor
		}
	}
}

// busy says why an account can't be changed now, nil if it can.
func busy(place rotation.Place, name string, a account, exists bool) error {
	switch {
	case !exists:
		return rotation.Errorf(rotation.Retryable, "account %s of instance %s is not visible yet", name, place.Instance).WithCode(codeBusy)
	case a.status != statusAvailable:
		return rotation.Errorf(rotation.Retryable, "account %s of instance %s is %s: a change of it is under way", name, place.Instance, word(a.status)).WithCode(codeBusy)
	}
	return nil
}

// underWay says of an error that a change was accepted before it, and is being made.
func underWay(err error) error {
	var e *rotation.Error
	if !errors.As(err, &e) {
		return err
	}
	f := *e
	f.Unanswered = true
	return &f
}
