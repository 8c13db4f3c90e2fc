package model

import (
	"fmt"

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
)

var strangers = []string{movesCurrent, movesPending, takesPendingOff, changesStandby, createsStandby, dropsStandby, changesCurrent, deletesSecret}

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
		if exists || w.single {
			return false
		}
		w.accounts[suffixed] = account{password: theirs}
	case dropsStandby:
		if !exists {
			return false
		}
		delete(w.accounts, suffixed)
	case changesCurrent:
		w.accounts[base] = account{theirs, true}
	case deletesSecret:
		w.deleted = true
	}
	w.stranger = how
	return true
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
	}
	if lost {
		return fmt.Sprintf("somebody else %s, and it was undone", w.stranger)
	}
	return ""
}

var errDeleted = &rotation.Error{Kind: rotation.Permanent, Text: "deleted", Gone: true}

// meddled are the states that strangers lead to.
func (s *state) meddled() []*state {
	// What was there when Look looked is no stranger's: a pending version, for one, is taken for an unfinished rotation's.
	if s.budget.Strangers == 0 || len(s.attempts) > 0 || s.courses[s.open()].step == rotation.StepLook {
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
