package model

import (
	"fmt"
	"slices"

	"rotor/activities"
	"rotor/internal/rotation"
)

// retired are the states that the beginning of a retirement leads to. Its grace time is over; it waits for nobody, and nobody waits for it, so that it
// is late from its start.
func (s *state) retired() (next []*state) {
	for i, c := range s.courses {
		if c.outcome != rotation.Rotated || c.retired {
			continue
		}
		n := s.clone(fmt.Sprintf("rotation %d: its former credential is to be retired", i+1))
		n.number++
		n.courses[i].retired = true
		a := attempt{number: n.number, rotation: i, step: rotation.StepRetire, input: activities.RetireInput{Plan: c.plan}, late: true}
		if a.begin(&n.w) == nil {
			n.attempts = append(n.attempts, a)
		}
		next = append(next, n)
	}
	return next
}

// retiring says whether the grace time of some credential is over.
func (s *state) retiring() bool {
	return slices.ContainsFunc(s.courses, func(c course) bool { return c.retired })
}
