package model

import (
	"fmt"
	"slices"

	"rotor/internal/rotation"
)

// What somebody else may do while a rotation is open. No comparison covers the moment between a step's last look and its write, so they
// act between attempts; what they did must then stand until a person decides.
const (
	movesCurrent    = "writes a version that becomes current"
	movesPending    = "puts the pending stage on a version of theirs"
	takesPendingOff = "takes the pending stage off"
	changesStandby  = "changes the standby account's password"
	createsStandby  = "creates the standby account"
	dropsStandby    = "drops the standby account"
	changesCurrent  = "changes the current account's password"
	deletesSecret   = "deletes the secret"
	revokes         = "takes a privilege from the standby account"
	// What a second rotator does, that of a recipe or a template: it puts its version pending and sets its password, and then makes it current.
	halfRotates = "puts a pending version and sets its password"
	rotates     = "rotates the secret by a program of their own"
)

var strangers = []string{movesCurrent, movesPending, takesPendingOff, changesStandby, createsStandby, dropsStandby, changesCurrent, deletesSecret,
	revokes, halfRotates, rotates}

// theirs is the id of the version that a stranger writes, and the password that they give an account.
const theirs = "theirs"

// meddle lets a stranger act; false where there is nothing for them to act on.
func (w *world) meddle(how string) bool {
	standby, exists := w.accounts[suffixed]
	switch how {
	case movesCurrent:
		w.versions = append(w.versions, version{theirs, base, w.accounts[base].password})
		w.previous, w.current = w.current, theirs
	case movesPending:
		w.versions = append(w.versions, version{theirs, base, theirs})
		w.pending = theirs
	case takesPendingOff:
		if w.pending == "" {
			return false
		}
		w.pending = ""
	case changesStandby:
		if !exists {
			return false
		}
		standby.password = theirs
		w.accounts[suffixed] = standby
	case createsStandby:
		if exists || w.single || w.dual {
			return false
		}
		w.accounts[suffixed] = account{password: theirs}
	case dropsStandby:
		if !exists {
			return false
		}
		delete(w.accounts, suffixed)
	case changesCurrent:
		current := w.accounts[base]
		current.password = theirs
		w.accounts[base] = current
	case deletesSecret:
		w.deleted = true
	case revokes:
		if found, _ := w.find(w.current); !exists || found.account == suffixed {
			return false // what is taken from an account after its promotion is not the rotation's to notice
		}
		standby.equal = false
		w.accounts[suffixed] = standby
	case halfRotates, rotates:
		w.rotatedByOthers(how == rotates)
	}
	w.stranger, w.barred = how, !w.logsIn(w.current)
	return true
}

// rotatedByOthers is a second rotator's work, up to the stage or with it.
func (w *world) rotatedByOthers(whole bool) {
	name := base
	if found, _ := w.find(w.current); !w.single && !w.dual && found.account == base {
		name = suffixed
	}
	w.versions = append(w.versions, version{theirs, name, theirs})
	w.accounts[name] = account{password: theirs, equal: true}
	w.pending = theirs
	if whole {
		w.previous, w.current, w.pending = w.current, theirs, ""
	}
}

// undone says what of a stranger's doing is there no longer.
func (w *world) undone(c course) string {
	standby, exists := w.accounts[suffixed]
	lost := false
	switch w.stranger {
	case movesCurrent:
		lost = w.current != theirs
	case movesPending:
		lost = w.pending != theirs
	case takesPendingOff:
		lost = w.pending != ""
	case changesStandby, createsStandby:
		lost = !exists || standby.password != theirs
	case dropsStandby:
		// An account that this rotation has made, and that is gone, is as if it had not been made yet.
		lost = exists && c.plan.StandbyExists
	case changesCurrent:
		lost = w.accounts[base].password != theirs
	case halfRotates:
		lost = w.pending != theirs || !w.logsIn(theirs)
	case rotates:
		lost = w.current != theirs || !w.logsIn(theirs)
	}
	if lost {
		return fmt.Sprintf("somebody else %s, and it was undone", w.stranger)
	}
	return ""
}

// othersSet says whether somebody else has made the standby account or given it another password.
func (w *world) othersSet() bool {
	return slices.Contains([]string{createsStandby, halfRotates, rotates}, w.stranger)
}

var errDeleted = &rotation.Error{Kind: rotation.Permanent, Text: "deleted", Gone: true}

// intruded are the states that follow when somebody else moves the current stage, at any time.
func (s *state) intruded() []*state {
	// After the last look of a rotation that has moved the stage nothing can notice it any more.
	if c := s.courses[s.open()]; s.budget.Intruders == 0 || c.step != rotation.StepEnd || s.w.current == c.plan.Version {
		return nil
	}
	n := s.clone("somebody else " + movesCurrent)
	n.budget.Intruders--
	n.w.meddle(movesCurrent)
	return []*state{n}
}

// decided are the states that a person's decisions about the latest rotation lead to.
func (s *state) decided() []*state {
	latest := len(s.courses) - 1
	if s.budget.Decisions == 0 || latest < 0 || s.courses[latest].outcome != Parked {
		return nil
	}
	var next []*state
	for _, choice := range []string{rotation.UpdateRetry, rotation.UpdateRollback, rotation.UpdateAbandon} {
		n := s.clone(fmt.Sprintf("rotation %d: a person decides: %s", latest+1, choice))
		n.budget.Decisions--
		n.w.decided = true
		c := &n.courses[latest]
		c.outcome, c.rounds = "", 0
		switch {
		case choice == rotation.UpdateRetry:
			c.to(rotation.StepNew)
		case choice == rotation.UpdateAbandon:
			c.outcome = rotation.Abandoned
		case c.endFailed:
			continue // it is turned away
		default:
			c.to(rotation.StepRollback)
		}
		next = append(next, n)
	}
	return next
}

// meddled are the states that strangers lead to.
func (s *state) meddled(o Options) []*state {
	// What was there when Look looked is no stranger's: a pending version, for one, is taken for an unfinished rotation's. So it is with what was done
	// before the last rotation began.
	if s.budget.Strangers == 0 || len(s.attempts) > 0 || s.courses[s.open()].step == rotation.StepLook || len(s.courses) < o.Rotations {
		return nil
	}
	var next []*state
	for _, how := range strangers {
		n := s.clone("somebody else " + how)
		n.budget.Strangers--
		if n.w.meddle(how) {
			next = append(next, n)
		}
	}
	return next
}
