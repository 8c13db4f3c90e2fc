package main

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"rotor/activities"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// walk is a rotation without Temporal: the same steps, hence the same calls of the store and the same SQL, one after the other in this
// process. Nothing of it would survive the process.
func (s *stage) walk(ctx context.Context, k trial.Kind, secret devstack.Secret) error {
	plan, err := s.steps.Look(ctx, activities.LookInput{Request: trial.Request(k, secret), Version: uuid.NewString()})
	if err != nil {
		return fmt.Errorf("walk a secret of kind %s: look: %w", k.Name, err)
	}
	// As on the express path, on which what a step saw is not seen again.
	fresh := plan.Target != rotation.TargetApsaraRDS
	step := activities.StepInput{Plan: plan, Fresh: fresh}
	if _, err := s.steps.New(ctx, step); err != nil {
		return fmt.Errorf("walk a secret of kind %s: new: %w", k.Name, err)
	}
	if _, err := s.steps.Set(ctx, step); err != nil {
		return fmt.Errorf("walk a secret of kind %s: set: %w", k.Name, err)
	}
	tested, err := s.steps.Test(ctx, step)
	if err == nil && len(tested.Differences) > 0 {
		err = fmt.Errorf("differences: %v", tested.Differences)
	}
	if err != nil {
		return fmt.Errorf("walk a secret of kind %s: test: %w", k.Name, err)
	}
	ended, err := s.steps.End(ctx, activities.EndInput{Plan: plan, Fresh: fresh})
	if err == nil && len(ended.Differences) > 0 {
		err = fmt.Errorf("differences: %v", ended.Differences)
	}
	if err != nil {
		return fmt.Errorf("walk a secret of kind %s: end: %w", k.Name, err)
	}
	return nil
}
