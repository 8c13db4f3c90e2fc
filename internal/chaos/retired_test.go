package chaos

import (
	"context"
	"errors"

	"go.temporal.io/sdk/temporal"

	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// retired waits for the retirement of what rotations of a secret have replaced, and looks. The kind it gives retires if the former credential is to be
// unusable now.
func (r *run) retired(ctx context.Context, s *subject, ends []trial.Ended) (kind trial.Kind, after trial.Picture, err error) {
	done := map[string]bool{}
	if s.kind.Retires {
		for _, ended := range ends {
			if ended.Result.Outcome != rotation.Rotated {
				continue
			}
			if done[ended.Result.Version], err = r.retirement(ctx, ended.Result); err != nil {
				return kind, after, err
			}
			r.retirements.Add(1)
			if done[ended.Result.Version] {
				r.retirementsDone.Add(1)
			}
		}
	}
	if after, err = r.look(ctx, s.secret); err != nil {
		return kind, after, err
	}
	current := after.Holder(rotation.Current)
	if succeeded, rotated := done[idOf(current)]; rotated {
		// One that was given up may have changed the account before: it says that the credential may still log in.
		former := after.Holder(rotation.Previous)
		s.retired = succeeded || former != nil && !former.LogsIn
		if !succeeded {
			r.note(s.secret.Name, "the retirement of version "+idOf(former)+" was given up")
		}
	}
	kind = s.kind
	kind.Retires = s.retired
	return kind, after, nil
}

func idOf(v *trial.Version) string {
	if v == nil {
		return ""
	}
	return v.ID
}

// retirement waits until the former credential of a rotation is retired, by the rotation or by a workflow of its own, and says whether it is. One that
// the store denies is given up.
func (r *run) retirement(ctx context.Context, result rotation.Result) (done bool, err error) {
	former := result.FormerCredential
	switch {
	case former == nil:
		return false, errors.New("it rotated, and says nothing of the former credential")
	case former.Retired != nil:
		return !former.Retired.Superseded, nil
	case former.Workflow == "":
		return false, nil
	}
	var retired rotation.Retired
	err = insistFor(ctx, outcomePatience, func() error {
		err := r.Temporal.GetWorkflow(ctx, former.Workflow, "").Get(ctx, &retired)
		if _, ended := errors.AsType[*temporal.WorkflowExecutionError](err); ended {
			return nil
		}
		return err
	})
	return err == nil && retired.Version == result.Former && !retired.Superseded, err
}
