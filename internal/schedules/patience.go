package schedules

import (
	"context"
	"errors"
	"time"

	"go.temporal.io/api/serviceerror"
)

const (
	// patience is how long a call is tried again that a server does not answer: of ten thousand, a busy server lets some run out of time.
	patience = time.Minute
	// firstPause and longestPause are between two tries.
	firstPause, longestPause = 500 * time.Millisecond, 5 * time.Second
)

// patiently calls until there is an answer, whatever it is, or patience is over.
func patiently(ctx context.Context, call func() error) error {
	until := time.Now().Add(patience)
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := call()
		if !Unanswered(err) || ctx.Err() != nil || time.Now().Add(pause).After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// Unanswered says whether a server gave no answer, or was too busy for one. What was asked for may have been done all the same.
func Unanswered(err error) bool {
	var gone *serviceerror.Unavailable
	var late *serviceerror.DeadlineExceeded
	var busy *serviceerror.ResourceExhausted
	return errors.As(err, &gone) || errors.As(err, &late) || errors.As(err, &busy) || errors.Is(err, context.DeadlineExceeded)
}
