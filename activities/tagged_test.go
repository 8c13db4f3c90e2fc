package activities

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// shelved is a store whose pages have a hundred names each, and fail from one of them on.
type shelved struct {
	secretstore.Store
	pages  int
	fails  int
	kind   rotation.Kind
	passes func()
}

func (s *shelved) Tagged(_ context.Context, _ string, _ map[string]string, after string) (page secretstore.Tagged, err error) {
	n, _ := strconv.Atoi(after) // "" is 0
	if s.fails > 0 && n >= s.fails {
		return page, rotation.Errorf(s.kind, "page %d is not to be had", n)
	}
	if s.passes != nil {
		s.passes()
	}
	for i := range 100 {
		page.Names = append(page.Names, fmt.Sprintf("s%d", n*100+i))
	}
	if n+1 < s.pages {
		page.Next = strconv.Itoa(n + 1)
	}
	return page, nil
}

func TestTaggedComesInParts(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	slow := func() { now = now.Add(4 * time.Second) }
	for name, tc := range map[string]struct {
		store  shelved
		region string
		names  int
		next   string
		kind   rotation.Kind
	}{
		"all of it":              {store: shelved{pages: 3}, names: 300},
		"as much as may be":      {store: shelved{pages: 30}, names: mostTagged, next: "5"},
		"as far as time allows":  {store: shelved{pages: 30, passes: slow}, names: 300, next: "3"},
		"until the store fails":  {store: shelved{pages: 30, fails: 2, kind: rotation.Retryable}, names: 200, next: "2"},
		"one that has changed":   {store: shelved{pages: 30, fails: 2, kind: rotation.Conflict}, kind: rotation.Conflict},
		"a region of no concern": {store: shelved{pages: 3}, region: "cn-beijing", kind: rotation.Permanent},
	} {
		t.Run(name, func(t *testing.T) {
			r := &Rotation{
				Stores: map[string]secretstore.Store{"mine": &tc.store}, Rules: map[string]Rules{"mine": {Region: "cn-hangzhou"}}, StoreSlots: &Slots{Limit: 1},
				Now: func() time.Time { return now }, LongestAttempt: 20 * time.Second,
			}
			in := rotation.TaggedRequest{Store: "mine", Region: "cn-hangzhou", Tags: rotation.Tags{"team": "orders"}}
			if tc.region != "" {
				in.Region = tc.region
			}
			found, err := r.Tagged(t.Context(), in)
			if tc.kind != "" {
				require.Equal(t, tc.kind, rotation.KindOf(err), err)
				return
			}
			require.NoError(t, err)
			require.Len(t, found.Secrets, tc.names)
			require.Equal(t, tc.next, found.Next)
		})
	}
	r := &Rotation{Stores: map[string]secretstore.Store{"mine": &shelved{pages: 3, fails: 1, kind: rotation.Retryable}}, StoreSlots: &Slots{Limit: 1}, Now: time.Now, LongestAttempt: time.Minute}
	_, err := r.Tagged(t.Context(), rotation.TaggedRequest{Store: "mine", Region: "cn-hangzhou", After: "1"})
	require.Equal(t, rotation.Retryable, rotation.KindOf(err), "there is nothing to answer with")
}
