package awssecretsmanager

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// Lengths of a version's id: it is the ClientRequestToken, which makes a put idempotent.
const (
	minVersion = 32
	maxVersion = 64
)

// PutPending implements secretstore.Store. Secrets Manager takes a repeat with the same value and does nothing.
func (s *Store) PutPending(ctx context.Context, ref secretstore.Ref, version string, data rotation.Secret) error {
	a := attempt{doing: fmt.Sprintf("write version %s of", version), action: "PutSecretValue", ref: ref, version: version, value: data, writes: true}
	if len(version) < minVersion || len(version) > maxVersion || data.Empty() {
		return a.failed(rotation.Permanent, fmt.Sprintf("a version needs an id of %d to %d characters and a value", minVersion, maxVersion))
	}
	var out *secretsmanager.PutSecretValueOutput
	err := s.do(ctx, a, func(ctx context.Context, c *secretsmanager.Client, id *string) (err error) {
		out, err = c.PutSecretValue(ctx, putInput(id, version, data.Reveal()))
		return err
	})
	switch {
	case err != nil:
		return s.explain(ctx, a, err)
	case aws.ToString(out.VersionId) != version:
		return a.unreadable()
	}
	return nil
}

// MoveCurrent implements secretstore.Store. Secrets Manager compares: it refuses the move if the stage is not on from.
func (s *Store) MoveCurrent(ctx context.Context, ref secretstore.Ref, from, to string) error {
	a := attempt{doing: fmt.Sprintf("move stage %s from version %s to %s of", stageCurrent, from, to), action: "UpdateSecretVersionStage",
		ref: ref, version: to, writes: true}
	err := s.updateStage(ctx, a, moveInput(from, to))
	if rotation.CodeOf(err) != codeInvalidParameter {
		return err
	}
	// Its code is the same for a stage that is not on from and for one that an earlier attempt has moved.
	versions, lookErr := s.Versions(ctx, ref)
	if lookErr != nil {
		return lookErr
	}
	switch holder := versions.Holder(rotation.Current); holder {
	case to:
		return nil
	case from, "":
		return a.failed(rotation.Retryable, "it says that the stage is not on the version which its list has it on").WithCode(codeInvalidParameter)
	default:
		return a.failed(rotation.Conflict, fmt.Sprintf("it is on version %s: somebody else moved it or wrote a value", holder)).WithCode(codeInvalidParameter)
	}
}

// MoveCurrentIf implements secretstore.Store.
func (s *Store) MoveCurrentIf(ctx context.Context, ref secretstore.Ref, from, to string, _ func(rotation.Versions) error) error {
	return s.MoveCurrent(ctx, ref, from, to)
}

// RemovePending implements secretstore.Store.
func (s *Store) RemovePending(ctx context.Context, ref secretstore.Ref, version string) error {
	a := attempt{doing: fmt.Sprintf("take stage %s off version %s of", stagePending, version), action: "UpdateSecretVersionStage",
		ref: ref, version: version, writes: true}
	err := s.updateStage(ctx, a, removeInput(version))
	if code := rotation.CodeOf(err); code != codeInvalidParameter && code != codeNotFound {
		return err
	}
	versions, lookErr := s.Versions(ctx, ref)
	switch {
	case lookErr != nil:
		return lookErr
	case versions.Holder(rotation.Pending) != version:
		return nil
	}
	return a.failed(rotation.Retryable, "it says that the stage is not on the version which its list has it on").WithCode(rotation.CodeOf(err))
}

func (s *Store) updateStage(ctx context.Context, a attempt, in secretsmanager.UpdateSecretVersionStageInput) error {
	var out *secretsmanager.UpdateSecretVersionStageOutput
	err := s.do(ctx, a, func(ctx context.Context, c *secretsmanager.Client, id *string) (err error) {
		in.SecretId = id
		out, err = c.UpdateSecretVersionStage(ctx, &in)
		return err
	})
	switch {
	case err != nil:
		return s.explain(ctx, a, err)
	case out.ARN == nil:
		return a.unreadable()
	}
	return nil
}
