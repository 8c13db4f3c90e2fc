package model

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"rotor/internal/rotation"
)

// Budget is how much may go wrong in one course of events.
type Budget struct {
	Crashes, Late, LostAnswers, Denials, Terminations int
	// Strangers are what somebody else does to the secret or the accounts, between two attempts.
	Strangers int
	// Intruders move the current stage, at any time.
	Intruders int
	// Decisions are a person's about parked rotations.
	Decisions int
}

const mostRotations = 2

// Options of an exploration.
type Options struct {
	// Single: one account, strategy single-user.
	Single bool
	// DualPassword: one account that can take two passwords, strategy dual-password; with Single it changes itself, else it has an admin.
	DualPassword bool
	// Partner: the secret has been rotated before, and the former credential still works.
	Partner bool
	// MovedBack, with two passwords: somebody has moved the current stage back to the version before, whose password is the second one.
	MovedBack bool
	// Foreign: the account that would be the standby one is somebody else's; with two passwords, the second one is.
	Foreign bool
	// Grace: nobody says that the grace time may be cut short, and it does not pass.
	Grace bool
	// Older and Newer are how many versions without a stage the secret has that are older, or newer, than those that carry one.
	Older, Newer int
	// Rotations that follow each other, mostRotations at most.
	Rotations int
	Budget    Budget
	// Swaps: the store compares when it moves the current stage, as that of AWS does.
	Swaps bool
	// Retires: after each rotation its former credential is retired, at some time and once, beside whatever else goes on.
	Retires bool
	// NoSessions: the target is changed by calls of an API, which no lock keeps apart.
	NoSessions bool
	// Off is the rule that is done without.
	Off Rule
}

// state is everything: the world, the rotations, the attempts that run, and what may still go wrong.
type state struct {
	w        world
	courses  []course
	attempts []attempt
	budget   Budget
	number   int
	from     *state
	event    string
}

func (s *state) clone(event string) *state {
	n := &state{w: s.w.clone(), budget: s.budget, number: s.number, from: s, event: event}
	for _, c := range s.courses {
		n.courses = append(n.courses, c.clone())
	}
	for _, a := range s.attempts {
		n.attempts = append(n.attempts, a.clone())
	}
	return n
}

// waitOut is a wait that is longer than such attempts can live.
func (s *state) waitOut(which func(attempt) bool) {
	s.attempts = slices.DeleteFunc(s.attempts, which)
}

func (s *state) key() [32]byte {
	var b strings.Builder
	s.w.key(&b)
	for i := range s.courses {
		fmt.Fprintf(&b, "\n%s", s.courses[i].key())
	}
	for _, a := range s.attempts {
		fmt.Fprintf(&b, "\n%d %d %s %t", a.number, a.rotation, a.step, a.late)
		for _, r := range a.log {
			b.WriteString(r.text)
			b.WriteByte(';')
		}
	}
	fmt.Fprintf(&b, "\n%v", s.budget)
	return sha256.Sum256([]byte(b.String()))
}

// Report is what an exploration found.
type Report struct {
	States   int
	Outcomes map[rotation.Outcome]int
	// Violation is "" if everything held; Events lead to it.
	Violation string
	Events    []string
}

// Explore tries every order of events, breadth first, so that the first violation found is a shortest one.
func Explore(o Options) Report {
	report := Report{Outcomes: map[rotation.Outcome]int{}}
	first := &state{w: initial(o), budget: o.Budget}
	first.w.off, first.w.swaps = o.Off, o.Swaps
	first.w.noSessions = o.NoSessions
	seen := map[[32]byte]bool{first.key(): true}
	for queue := []*state{first}; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		queue[0] = nil
		report.States++
		next := s.successors(o)
		if len(next) == 0 {
			for _, c := range s.courses {
				report.Outcomes[c.outcome]++
			}
		}
		for _, n := range next {
			if broken := n.check(); broken != "" {
				report.Violation, report.Events = broken, n.events()
				return report
			}
			if k := n.key(); !seen[k] {
				seen[k] = true
				queue = append(queue, n)
			}
		}
	}
	return report
}

func (s *state) events() []string {
	var events []string
	for ; s.from != nil; s = s.from {
		events = append(events, s.event)
	}
	slices.Reverse(events)
	return events
}

// successors are the states that one event leads to.
func (s *state) successors(o Options) []*state {
	var next []*state
	open := s.open()
	if open < 0 && len(s.courses) < o.Rotations {
		n := s.clone(fmt.Sprintf("rotation %d begins", len(s.courses)+1))
		c := course{id: fmt.Sprintf("v%d", len(s.courses)+1), now: !o.Grace || o.Off == KeepsGrace, dual: o.DualPassword, before: n.w.clone(), off: o.Off}
		c.to(rotation.StepLook)
		n.courses = append(n.courses, c)
		next = append(next, n)
	}
	if open >= 0 && s.running(open) < 0 {
		n := s.clone(fmt.Sprintf("rotation %d: %s is attempted", open+1, s.courses[open].step))
		n.number++
		n.lookAgain(open)
		a := attempt{number: n.number, rotation: open, step: n.courses[open].step, input: n.courses[open].input()}
		if end := a.begin(&n.w); end != nil {
			n.courses[open].take(n, end)
		} else {
			n.attempts = append(n.attempts, a)
		}
		next = append(next, n)
	}
	for i := range s.attempts {
		next = append(next, s.advances(i)...)
	}
	if open >= 0 {
		next = append(next, s.troubles(open)...)
		next = append(next, s.meddled(o)...)
		next = append(next, s.intruded()...)
	}
	if o.Retires {
		next = append(next, s.retired()...)
	}
	return append(next, s.decided()...)
}

// advances are the ways in which the next call of an attempt can go.
func (s *state) advances(i int) []*state {
	var next []*state
	try := func(f fault, budget func(*Budget) *int) {
		n := s.clone("")
		if budget != nil {
			left := budget(&n.budget)
			if *left == 0 {
				return
			}
			*left--
		}
		a := &n.attempts[i]
		n.event = strings.TrimSpace(fmt.Sprintf("rotation %d: %s #%d: %s %s", a.rotation+1, a.step, a.number, a.next, f))
		if a.late {
			n.event += " (late)"
		}
		end := a.advance(&n.w, f)
		if end != nil {
			late, r := a.late, a.rotation
			n.attempts = slices.Delete(n.attempts, i, i+1)
			if !late {
				n.courses[r].take(n, end)
			}
		}
		next = append(next, n)
	}
	try(noFault, nil)
	if changes(s.attempts[i].next) {
		try(lostAnswer, func(b *Budget) *int { return &b.LostAnswers })
	}
	if !s.attempts[i].late {
		try(denied, func(b *Budget) *int { return &b.Denials })
	}
	return next
}

// troubles are crashes, attempts that are given up while they run, and terminations.
func (s *state) troubles(open int) []*state {
	var next []*state
	i := s.running(open)
	if i >= 0 && s.budget.Crashes > 0 {
		n := s.clone(fmt.Sprintf("rotation %d: the worker dies", open+1))
		n.budget.Crashes--
		n.attempts = slices.Delete(n.attempts, i, i+1)
		n.courses[open].gone()
		next = append(next, n)
	}
	if i >= 0 && s.budget.Late > 0 && s.attempts[i].step != rotation.StepLook {
		n := s.clone(fmt.Sprintf("rotation %d: %s #%d is given up, and still runs", open+1, s.attempts[i].step, s.attempts[i].number))
		n.budget.Late--
		n.attempts[i].late = true
		n.courses[open].gone()
		next = append(next, n)
	}
	// A termination with End in flight is the one case in which 15 minutes have to be waited; the documentation says so.
	if s.budget.Terminations > 0 && s.courses[open].step != rotation.StepEnd {
		n := s.clone(fmt.Sprintf("rotation %d is terminated", open+1))
		n.budget.Terminations--
		if i >= 0 {
			n.attempts[i].late = true
		}
		n.courses[open].outcome = terminated
		next = append(next, n)
	}
	return next
}

// open is the rotation without an outcome, -1 if there is none.
func (s *state) open() int {
	return slices.IndexFunc(s.courses, func(c course) bool { return c.outcome == "" })
}

// running is the attempt that the rotation waits for, -1 if there is none.
func (s *state) running(r int) int {
	return slices.IndexFunc(s.attempts, func(a attempt) bool { return a.rotation == r && !a.late })
}

// longest is more attempts than any course of events with so little going wrong takes.
const longest = 60

// check finds what does not hold.
func (s *state) check() string {
	if s.number > longest {
		return "a step is tried for ever, and nobody is asked"
	}
	if id := s.w.dropped(); id != "" {
		return "version " + id + ", which carries a stage, was pushed out"
	}
	if !s.w.logsIn(s.w.current) && !s.exposed() && !s.w.barred {
		return "readers: the current version does not log in"
	}
	if cached := s.cached(); (!s.w.single || s.w.dual) && !s.w.logsIn(cached) && s.w.accounts[base].password != theirs && !s.retiring() {
		return "readers: the version that was current within the grace time does not log in"
	}
	if s.w.foreign && !s.w.foreignLogsIn() {
		return "somebody else's password was taken"
	}
	if latest := len(s.courses) - 1; latest >= 0 {
		if undone := s.w.undone(s.courses[latest]); undone != "" && !s.w.decided {
			return undone
		}
	}
	for _, c := range s.courses {
		if s.w.writtenBy(c.id) > 1 {
			return "a rotation wrote two versions"
		}
	}
	for i, c := range s.courses {
		if c.outcome == "" || i < len(s.courses)-1 {
			continue // only the latest says something of the present state
		}
		if broken := s.checkOutcome(i); broken != "" {
			return fmt.Sprintf("rotation %d, %s: %s", i+1, c.outcome, broken)
		}
	}
	return ""
}

// cached is the version that clients may still go by: the first one while the grace time is kept; else, as each rotation is forced, the one that was
// current when the latest of them began.
func (s *state) cached() string {
	if latest := len(s.courses) - 1; latest >= 0 && !s.w.grace {
		return s.courses[latest].before.current
	}
	return "v0"
}

// exposed is the one exception: with one account the password is changed and the stage not yet moved. Somebody has to be on the way
// to move it: an open rotation, or the next one after a termination.
func (s *state) exposed() bool {
	if !s.w.single || s.w.dual {
		return false
	}
	latest := s.courses[len(s.courses)-1]
	return latest.outcome == "" || latest.outcome == terminated
}

func (s *state) checkOutcome(i int) string {
	c := s.courses[i]
	switch c.outcome {
	case rotation.Rotated:
		// The version is that of an unfinished rotation, where the plan has adopted one.
		v, _ := s.w.find(c.plan.Version)
		switch {
		case s.w.current != v.id:
			return "another version is current"
		case !s.w.logsIn(v.id):
			return "its version does not log in"
		case !s.w.accounts[v.account].equal:
			return "an account was promoted that is not the equal of the other"
		case s.w.pending == v.id && !s.w.swaps:
			return "the pending stage is still on it"
		}
	case rotation.RolledBack:
		switch {
		case !s.w.logsIn(c.plan.Base):
			return "the base version does not log in"
		case s.w.current != c.plan.Base:
			return "the base version is not current"
		case s.w.pending == c.id && !c.putUncertain:
			// A put that was late may land after the rollback; it harms nobody, and the next rotation takes it over.
			return "the pending stage is still on its version"
		case len(s.w.accounts) > len(c.before.accounts) && !s.w.othersSet():
			return "the account that it created is there"
		case s.w.dual && s.w.logsIn(c.plan.Version):
			return "the account takes the password of the version that was rolled back"
		case c.plan.Restore != "" && !s.w.logsIn(c.plan.Restore) && !s.w.othersSet() && !s.retiring():
			return "the standby account does not have its former password"
		}
	case rotation.Refused:
		if s.w.touched[i] > 0 {
			return "something was changed"
		}
	}
	return ""
}
