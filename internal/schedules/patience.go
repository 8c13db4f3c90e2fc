package schedules

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"go.temporal.io/api/serviceerror"
)

const (
	// patience is how long no call at all is answered before one is given up: of ten thousand, a busy server lets some run out of time.
	patience = time.Minute
	// firstPause and longestPause are between two tries of a call.
	firstPause, longestPause = 500 * time.Millisecond, 10 * time.Second
)

// heard knows when a server gave an answer last, to whichever call.
type heard struct{ at atomic.Int64 }

func (h *heard) now() { h.at.Store(time.Now().UnixNano()) }

func (h *heard) ago() time.Duration { return time.Since(time.Unix(0, h.at.Load())) }

// patiently calls until there is an answer, whatever it is, or none comes to anybody any more.
func (c *Client) patiently(ctx context.Context, call func() error) error {
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		err := call()
		if !Unanswered(err) {
			c.heard.now()
			return err
		}
		if ctx.Err() != nil || min(time.Since(began), c.heard.ago()) > patience {
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
