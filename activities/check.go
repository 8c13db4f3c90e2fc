package activities

import (
	"cmp"
	"context"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/target"
)

// CheckInput asks what a rotation would find and do.
type CheckInput struct{ Request rotation.Request }

// Check looks as Look does, by the same code, but does not stop at the first problem, and rehearses what the rotation would change. It
// changes nothing. What it finds wrong is its result; its error is only that others are at work at the same place.
func (r *Rotation) Check(ctx context.Context, in CheckInput) (rotation.Check, error) {
	req, invalid := in.Request.Validate()
	findings := &rotation.Findings{}
	found := rotation.Check{Store: req.Store, Region: req.RegionId, Secret: cmp.Or(req.Name(), req.SecretName), Target: req.Target(),
		Instance: req.InstanceId, At: r.Now()}
	if invalid != nil {
		err := findings.Problem(rotation.FindingRequest, invalid)
		found.Findings = findings.All
		return found, err
	}
	s, err := r.looking(req, rotation.VersionToCome)
	if err == nil {
		defer s.leave()
		s.findings = findings
		err = s.check(ctx, req, &found)
	}
	if err = findings.Problem(rotation.FindingUnknown, err); err != nil {
		return rotation.Check{}, err
	}
	found.Looked, found.Findings = findings.Looked, findings.All
	return found, ctx.Err()
}

func (s *scene) check(ctx context.Context, req rotation.Request, found *rotation.Check) error {
	if err := s.checkOpen(ctx, req); err != nil {
		return err
	}
	plan, err := s.look(ctx, req)
	p := s.plan
	found.Strategy, found.Address, found.Account, found.Current = p.Strategy, p.Address, p.Account, p.Base
	found.Server, found.Admin = p.Server, p.Admin
	if p.Account != "" {
		found.Next = p.Next()
	}
	if err != nil || !s.sound {
		return err
	}
	s.plan = plan
	changes, err := s.rehearse(ctx, req)
	if err != nil && s.findings.Problems() > 0 {
		return nil // what stands in its way has been said
	}
	found.Changes = s.shortened(changes)
	return err
}

// checkOpen tells whether a rotation of the secret is open: its version is what looks stale, or current, to a check.
func (s *scene) checkOpen(ctx context.Context, req rotation.Request) error {
	if s.OpenRun == nil {
		return nil
	}
	run, err := s.OpenRun(ctx, req.WorkflowID())
	if err != nil {
		return err
	}
	if run != "" {
		s.findings.Warning(rotation.WarningOpen, "a rotation of secret %s is open, run %s: what is seen here changes while it runs", req.Name(), run)
	}
	return nil
}

// rehearse has the strategy's own set tell what it would change, and the store what New and End would send. There is no pending version
// yet, and no password is made for it.
func (s *scene) rehearse(ctx context.Context, req rotation.Request) ([]rotation.PlannedChange, error) {
	base, err := s.document(ctx, s.plan.Base)
	if err != nil {
		return nil, err
	}
	masked := secretstore.Value{Version: s.plan.Version, Data: base.With(s.plan.Next(), rotation.NewSecret("***"))}
	if s.masked, err = s.parse(s.plan.Secret, masked); err != nil {
		return nil, err
	}
	calls, err := s.store.Calls(s.ref, s.plan.Base, s.plan.Version)
	if err != nil {
		return nil, err
	}
	s.script = &target.Script{}
	if _, err := s.method.set(ctx, base, s.masked); err != nil {
		return nil, err
	}
	var changes []rotation.PlannedChange
	add := func(step rotation.Step, where string, lines ...string) {
		for _, line := range lines {
			changes = append(changes, rotation.PlannedChange{Step: step, Where: where, Text: line})
		}
	}
	if !s.plan.Adopted {
		add(rotation.StepNew, s.plan.Store, calls.Put)
	}
	add(rotation.StepSet, s.plan.Address, s.script.Lines...)
	add(rotation.StepEnd, s.plan.Store, calls.Move)
	if s.store.Traits().ClearsPending {
		add(rotation.StepEnd, s.plan.Store, calls.RemovePending)
	}
	if _, wanted := req.Retirement(s.plan.Strategy); !wanted || s.plan.Strategy != rotation.DualAccount {
		return changes, nil
	}
	s.script = &target.Script{}
	if _, _, err := s.method.retire(ctx); err != nil {
		return nil, err
	}
	add(rotation.StepRetire, s.plan.Address, s.script.Lines...)
	return changes, nil
}

// mostText is how much text of changes a check has at most: a result of Temporal's may have 2 MB, and people read less.
const mostText = 256 << 10

func (s *scene) shortened(changes []rotation.PlannedChange) []rotation.PlannedChange {
	size := 0
	for i, c := range changes {
		if size += len(c.Text); size > mostText {
			s.findings.Warning(rotation.WarningMoreChanges, "there are %d changes, and the last %d are not shown", len(changes), len(changes)-i)
			return changes[:i]
		}
	}
	return changes
}
