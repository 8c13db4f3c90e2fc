package rotation

import (
	"slices"
	"time"
)

// Stage is a label on a version, by the name that all stores share; each store has its own spelling.
type Stage string

const (
	Current  Stage = "current"
	Pending  Stage = "pending"
	Previous Stage = "previous"
)

// Version is one version of a secret, without its value.
type Version struct {
	ID     string
	Stages []Stage
	// Labels are further labels that somebody put on it, in the store's spelling.
	Labels  []string
	Created time.Time
}

// Labelled says whether anything holds on to the version.
func (v Version) Labelled() bool { return len(v.Stages)+len(v.Labels) > 0 }

// Versions is what a store has of one secret, the newest first.
type Versions []Version

// Holder gives the id of the version that carries the stage, "" if none does.
func (vs Versions) Holder(stage Stage) string {
	for _, v := range vs {
		if slices.Contains(v.Stages, stage) {
			return v.ID
		}
	}
	return ""
}

// Find gives the version of an id.
func (vs Versions) Find(id string) (Version, bool) {
	i := slices.IndexFunc(vs, func(v Version) bool { return v.ID == id })
	if i < 0 {
		return Version{}, false
	}
	return vs[i], true
}

// SortNewestFirst orders versions by their creation; among equals the given order stays.
func (vs Versions) SortNewestFirst() {
	slices.SortStableFunc(vs, func(a, b Version) int { return b.Created.Compare(a.Created) })
}

// CheckRoom finds out whether one more version fits without pushing out one that is needed: a store that keeps
// limit versions drops the oldest, and its documentation does not say that labels protect it. A limit of 0 means
// that the store never drops one that is needed.
func (vs Versions) CheckRoom(limit int, needed ...string) error {
	if limit == 0 || len(vs) < limit {
		return nil
	}
	sorted := slices.Clone(vs)
	sorted.SortNewestFirst()
	for _, v := range sorted[limit-1:] {
		if v.Labelled() || slices.Contains(needed, v.ID) {
			return Errorf(Permanent, "the secret has %d versions and the store keeps %d: a new one would push out version %s, "+
				"which is still needed (%s); take the label off it, or write its value again as a newer version", len(vs), limit, v.ID, v.use(needed))
		}
	}
	return nil
}

func (v Version) use(needed []string) string {
	switch {
	case len(v.Stages) > 0:
		return "stage " + string(v.Stages[0])
	case len(v.Labels) > 0:
		return "label " + v.Labels[0]
	case slices.Contains(needed, v.ID):
		return "a rollback restores its password"
	}
	return ""
}
