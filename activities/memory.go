package activities

import (
	"sync"
	"time"

	"rotor/internal/secretstore"
	"rotor/internal/target"
)

// Memory is what a worker keeps of a rotation for the moments that its steps take where they go express: what versions hold, which never
// changes, and the session that a step leaves to the next. It is for steps that say Fresh only; everybody else asks store and target. Which
// version is current, and what stages are where, is never kept. A nil one keeps nothing.
type Memory struct {
	// For is how long something is kept. It is dropped then, whether it was asked for or not.
	For time.Duration
	// Limit is how many values are kept at once. What is more is not kept.
	Limit int
	// Sessions is how many sessions are left at one address at once, beside those of steps that are at work there. One more is closed; 0: no bound.
	Sessions int

	mu     sync.Mutex
	values map[place]secretstore.Value
	left   map[place]left
	open   map[string]int // by address
}

// left is a session that was left, and where it is to.
type left struct {
	session session
	address string
}

// session is a session at a target: target.Surveyed, which Look leaves to Set, or target.Session, which Set leaves to Test.
type session interface{ Close() }

// place is where something is kept: a version of a secret, or what the admin secret held when the Look of a rotation read it.
type place struct{ store, region, secret, version string }

func (m *Memory) keep(at place, v secretstore.Value) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, has := m.values[at]; has || len(m.values) >= m.Limit {
		return
	}
	if m.values == nil {
		m.values = map[place]secretstore.Value{}
	}
	m.values[at] = v
	time.AfterFunc(m.For, func() { m.drop(at) })
}

func (m *Memory) kept(at place) (v secretstore.Value, has bool) {
	if m == nil {
		return v, false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	v, has = m.values[at]
	return v, has
}

func (m *Memory) drop(at place) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.values, at)
}

// leave leaves a session, with its lock if it has one, to the next step. If that does not come, it is closed; one that needs the lock ends it, wherever
// it is.
func (m *Memory) leave(at place, address string, s session) {
	if m == nil {
		s.Close()
		return
	}
	if before := m.take(at); before != nil {
		before.Close()
	}
	m.mu.Lock()
	full := m.Sessions > 0 && m.open[address] >= m.Sessions
	if !full {
		if m.left == nil {
			m.left, m.open = map[place]left{}, map[string]int{}
		}
		m.left[at] = left{s, address}
		m.open[address]++
	}
	m.mu.Unlock()
	if full {
		s.Close()
		return
	}
	time.AfterFunc(m.For, func() {
		if forgotten := m.takeIf(at, s); forgotten != nil {
			forgotten.Close()
		}
	})
}

// take takes up the session that was left, nil if there is none.
func (m *Memory) take(at place) session { return m.takeIf(at, nil) }

// takeIf takes it up if it is the one that is asked for, or any is.
func (m *Memory) takeIf(at place, one session) session {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found, has := m.left[at]
	if !has || one != nil && found.session != one {
		return nil
	}
	delete(m.left, at)
	if m.open[found.address]--; m.open[found.address] == 0 {
		delete(m.open, found.address)
	}
	return found.session
}

func (s *scene) at(version string) place {
	return place{s.plan.Store, s.ref.Region, s.ref.Name, version}
}

// looked notes that Look has ended, and leaves its session to Set, unless the steps wait for something first.
func (s *scene) looked() {
	s.Memory.keep(s.at("look for "+s.plan.Version), secretstore.Value{})
	if s.open != nil && s.plan.StalePending == "" && !s.plan.Retiring {
		s.Memory.leave(s.atSurvey(), s.plan.Address, s.open)
		s.open = nil
	}
}

// closeOpen closes a session that is left to nobody.
func (s *scene) closeOpen() {
	if s.open != nil {
		s.open.Close()
		s.open = nil
	}
}

// atSurvey is where the session is left that has looked at the target.
func (s *scene) atSurvey() place { return s.at("survey for " + s.plan.Version) }

// dropSurvey closes the session that Look has left, where the step that it was left to will not come at once.
func (s *scene) dropSurvey() {
	if left := s.Memory.take(s.atSurvey()); left != nil {
		left.Close()
	}
}

// surveyed takes up the session that Look has left, nil if there is none.
func (s *scene) surveyed() target.Surveyed {
	left := s.Memory.take(s.atSurvey())
	if left == nil {
		return nil
	}
	if !s.fresh {
		left.Close()
		return nil
	}
	return left.(target.Surveyed)
}

// isFresh says whether that was a moment ago, and in this worker: a workflow task may have waited for another one for hours.
func (s *scene) isFresh(asked bool) bool {
	_, has := s.Memory.kept(s.at("look for " + s.plan.Version))
	return asked && has
}

// forget drops what was kept of this rotation's versions.
func (s *scene) forget() {
	for _, version := range []string{s.plan.Base, s.plan.Version, s.plan.Restore} {
		s.Memory.drop(s.at(version))
	}
	s.Memory.drop(s.atAdmin(s.plan.Admin))
	s.dropSurvey()
	if left := s.Memory.take(s.at(s.plan.Version)); left != nil {
		left.Close()
	}
}

// atAdmin is where the value of the admin secret is kept, for this rotation alone.
func (s *scene) atAdmin(name string) place {
	return place{s.plan.Store, s.ref.Region, name, "for " + s.plan.Version}
}
