package model

import (
	"slices"
	"strings"

	"rotor/activities"
	"rotor/internal/rotation"
)

// Rule is a rule of the protocol that an exploration can do without, to show what it is for. The steps are the product's own and know
// nothing of this: what they are told, and what becomes of what they ask for, is altered.
type Rule string

const (
	// TakesLock: accounts are changed only on a session that holds the lock.
	TakesLock Rule = "takes the lock"
	// KillsHolder: who wants the lock ends the session that holds it.
	KillsHolder Rule = "kills the holder of the lock"
	// LooksUnderLock: under the lock, stages are looked at again.
	LooksUnderLock Rule = "looks again under the lock"
	// LocksTwice: Rollback takes the lock again after it has taken the pending stage off.
	LocksTwice Rule = "takes the lock a second time in a rollback"
	// LooksOnce: what Look saw, before anything was changed, is what all steps go by.
	LooksOnce Rule = "looks before the first change"
	// KnowsSetStarted: Rollback knows whether Set was ever asked for; without the rule it takes for granted that it was not.
	KnowsSetStarted Rule = "knows that set was started"
	// KnowsSetNotStarted is the same rule; without it Rollback takes for granted that Set was started.
	KnowsSetNotStarted Rule = "knows that set was never started"
	// GoesForward: once the one account is changed, there is no way back.
	GoesForward Rule = "goes forward with one account"
	// NamesBase: End names the version that the current stage is to leave.
	NamesBase Rule = "names the base version"
	// WaitsOutAttempts: where a rotation was left unfinished, its attempts are waited out.
	WaitsOutAttempts Rule = "waits out the longest attempt"
	// WaitsOutMove: a move of the stage without an answer is waited out.
	WaitsOutMove Rule = "waits out an unanswered move"
	// Adopts: the unfinished rotation of the one account, whose password is set, is finished.
	Adopts Rule = "adopts an unfinished rotation"
	// OneID: the version's id is known before anything happens.
	OneID Rule = "has one id"
	// ProvesByLogin: an outcome is what a login has shown.
	ProvesByLogin Rule = "proves an outcome by a login"
	// SeesWhoseAccount: before Set changes an account it sees whose it is, by its password.
	SeesWhoseAccount Rule = "sees whose the account is"
	// OnlyForwardAfterEnd: once End was attempted, nothing is rolled back.
	OnlyForwardAfterEnd Rule = "only goes forward after end"
	// ComparesPrivileges: Test compares what the two accounts may do.
	ComparesPrivileges Rule = "compares privileges"
	// KeepsGrace: what became current less than its grace time ago is not replaced, unless the request says so.
	KeepsGrace Rule = "keeps the grace time"
	// SeesWhoseStandby: a standby account to which no version logs in is somebody else's.
	SeesWhoseStandby Rule = "sees whose the standby account is"
	// SeesSecondPassword: a second password that is no version's is somebody else's.
	SeesSecondPassword Rule = "sees whose the second password is"
	// KeepsWhatItPut: a version that was put is read and kept, and not made anew.
	KeepsWhatItPut Rule = "keeps what it has put"
	// LevelsAgain: privileges are brought level although the account takes the new password already.
	LevelsAgain Rule = "levels privileges again"
	// TestsAgain: End logs in before it moves the stage.
	TestsAgain Rule = "tests again before the move"
	// SparesPending: while a version is pending, nothing is retired.
	SparesPending Rule = "retires nothing while a version is pending"
	// LeavesRoom: nothing is put where that could push out a version that carries a stage.
	LeavesRoom Rule = "leaves room for what carries a stage"
)

// asked says whether the attempt has made a call of that name before the one that it makes now.
func (p *port) asked(name string) bool {
	return slices.ContainsFunc(p.a.log[:p.next], func(r response) bool { return strings.HasPrefix(r.text, name) })
}

// seen gives the versions as an attempt sees them.
func (p *port) seen() rotation.Versions {
	if p.w.off == LooksUnderLock && p.asked("lock") && !p.asked("remove") {
		for _, r := range p.a.log {
			if first, ok := r.value.(rotation.Versions); ok {
				return first
			}
		}
	}
	list := p.w.list()
	if p.w.off == KeepsWhatItPut && p.a.step == rotation.StepNew {
		list = slices.DeleteFunc(list, func(v rotation.Version) bool { return v.ID == p.a.input.(activities.StepInput).Plan.Version })
	}
	if p.w.off == Adopts && p.a.step == rotation.StepLook || p.w.off == SparesPending && p.a.step == rotation.StepRetire {
		for i := range list {
			list[i].Stages = slices.DeleteFunc(slices.Clone(list[i].Stages), func(s rotation.Stage) bool { return s == rotation.Pending })
		}
	}
	return list
}

// believes says whether a probe is taken to have been let in without a login.
func (p *port) believes() bool {
	switch p.w.off {
	case ProvesByLogin:
		return p.a.step == rotation.StepEnd || p.a.step == rotation.StepRollback && p.asked("remove")
	case SeesWhoseAccount:
		return p.a.step == rotation.StepSet
	case SeesWhoseStandby:
		return p.a.step == rotation.StepLook
	case TestsAgain:
		return p.a.step == rotation.StepEnd && !p.asked("move")
	}
	return false
}

// lookAgain replaces the plan by what Look would find now, where LooksOnce is off.
func (s *state) lookAgain(r int) {
	c := &s.courses[r]
	if s.w.off != LooksOnce || c.step == rotation.StepLook {
		return
	}
	look := *c
	look.step = rotation.StepLook
	a := attempt{number: s.number, rotation: r, step: rotation.StepLook, input: look.input()}
	end := a.begin(&s.w)
	for end == nil {
		end = a.advance(&s.w, noFault)
	}
	if plan, ok := end.result.(rotation.Plan); ok && end.err == nil {
		c.plan = plan
	}
}
