package model

import (
	"slices"
	"strings"

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
	// LogsInBeforeRetiring: the current version logs in before the former credential is retired.
	LogsInBeforeRetiring Rule = "logs in before it retires"
	// SeesSuperseded: once another version is current, nothing is retired.
	SeesSuperseded Rule = "retires nothing once another version is current"
	// UnknownIsNoRefusal: a login that had no answer says nothing about its password.
	UnknownIsNoRefusal Rule = "takes no missing answer for a refusal"
	// ProvesBeforeDrop: an account is dropped only if this rotation's password logs in to it.
	ProvesBeforeDrop Rule = "drops only what takes its password"
	// SeesItsMove: a version that is current already is not moved to, but finished.
	SeesItsMove Rule = "sees that its version is current"
	// SeesPending: accounts are changed and the stage is moved only while the pending stage is on this rotation's version.
	SeesPending Rule = "sees where the pending stage is"
	// SeesBase: nothing is rolled back, and called so, unless the base version is current.
	SeesBase Rule = "rolls back only to what is current"
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
	switch plan := p.a.plan(); p.w.off {
	case KeepsWhatItPut:
		if p.a.step == rotation.StepNew {
			list = slices.DeleteFunc(list, func(v rotation.Version) bool { return v.ID == plan.Version })
		}
	case Adopts:
		if p.a.step == rotation.StepLook {
			show(list, rotation.Pending, "")
		}
	case SparesPending:
		if p.a.step == rotation.StepRetire {
			show(list, rotation.Pending, "")
		}
	case SeesSuperseded:
		if p.a.step == rotation.StepRetire {
			show(list, rotation.Current, plan.Version)
		}
	case SeesItsMove:
		if p.a.step == rotation.StepEnd && !p.asked("move") && p.w.current == plan.Version {
			show(list, rotation.Current, plan.Base)
			show(list, rotation.Pending, plan.Version)
		}
	case SeesPending:
		if p.a.step == rotation.StepSet || p.a.step == rotation.StepEnd && !p.asked("move") {
			show(list, rotation.Pending, plan.Version)
		}
	case SeesBase:
		if p.a.step == rotation.StepRollback {
			show(list, rotation.Current, plan.Base)
		}
	}
	return list
}

// show lets a list say that a stage is on that version, or, with "", on none.
func show(list rotation.Versions, stage rotation.Stage, on string) {
	for i := range list {
		list[i].Stages = slices.DeleteFunc(list[i].Stages, func(s rotation.Stage) bool { return s == stage })
		if list[i].ID == on {
			list[i].Stages = append(list[i].Stages, stage)
		}
	}
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
	case ProvesBeforeDrop:
		return p.a.step == rotation.StepRollback && !p.asked("remove")
	case LogsInBeforeRetiring:
		return p.a.step == rotation.StepRetire && !p.asked("password")
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
