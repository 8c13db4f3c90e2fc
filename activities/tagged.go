package activities

import (
	"context"

	"rotor/internal/rotation"
)

// mostTagged is after how many names a list is cut: they cross Temporal, which warns of payloads from 256 KB on.
const mostTagged = 500

// Tagged lists secrets that bear tags, a part of the list at a time. It reads no value.
func (r *Rotation) Tagged(ctx context.Context, in rotation.TaggedRequest) (rotation.Tagged, error) {
	store, _, err := r.store(in.Store, in.Region, "")
	if err != nil {
		return rotation.Tagged{}, err
	}
	if err := r.checkRegion(in.Store, in.Region); err != nil {
		return rotation.Tagged{}, err
	}
	leave, err := r.turn(ctx, in.Store+" in "+in.Region)
	if err != nil {
		return rotation.Tagged{}, err
	}
	defer leave()
	found := rotation.Tagged{Next: in.After}
	// What has been listed by then is an answer, too.
	for until := r.Now().Add(r.LongestAttempt / 2); ; {
		page, err := store.Tagged(ctx, in.Region, in.Tags, found.Next)
		if err != nil {
			if rotation.KindOf(err) == rotation.Retryable && found.Next != in.After {
				return found, nil
			}
			return rotation.Tagged{}, err
		}
		found.Secrets, found.Next = append(found.Secrets, page.Names...), page.Next
		if found.Next == "" || len(found.Secrets) >= mostTagged || !r.Now().Before(until) {
			return found, nil
		}
	}
}
