package alibabakms

import (
	"context"
	"fmt"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// PutPending implements secretstore.Store. KMS takes a repeat with the same value and does nothing.
func (s *Store) PutPending(ctx context.Context, ref secretstore.Ref, version string, data rotation.Secret) error {
	a := attempt{doing: fmt.Sprintf("write version %s of", version), action: "PutSecretValue", ref: ref, version: version, writes: true}
	if version == "" || data.Empty() {
		return a.failed(rotation.Permanent, "a version needs an id and a value")
	}
	request := putRequest(ref, version)
	response := kms.CreatePutSecretValueResponse()
	_, err := s.do(ctx, call{attempt: a, request: request, response: response, puts: data})
	switch {
	case err != nil:
		return s.explainPut(ctx, a, data, err)
	case response.VersionId != version:
		return a.unreadable()
	}
	return nil
}

// explainPut looks at the version that a put was refused for. Which code KMS has for a version that exists with another
// value is not documented, so any refusal is looked into.
func (s *Store) explainPut(ctx context.Context, a attempt, data rotation.Secret, refusal error) error {
	if rotation.KindOf(refusal) == rotation.Retryable {
		return refusal
	}
	there, err := s.Read(ctx, a.ref, a.version)
	switch {
	case err == nil && there.Data.Equal(data):
		return nil
	case err == nil:
		return a.failed(rotation.Conflict, meanings[codeExists].Text).WithCode(rotation.CodeOf(refusal))
	case rotation.CodeOf(refusal) == codeExists && rotation.KindOf(err) == rotation.Retryable:
		// It is there, and what is in it decides.
		return err
	}
	return refusal
}

// MoveCurrent implements secretstore.Store. KMS can't compare before it moves, so the current stage is looked at right
// before; what happens in between is not seen.
func (s *Store) MoveCurrent(ctx context.Context, ref secretstore.Ref, from, to string) error {
	return s.MoveCurrentIf(ctx, ref, from, to, func(rotation.Versions) error { return nil })
}

// MoveCurrentIf implements secretstore.Store.
func (s *Store) MoveCurrentIf(ctx context.Context, ref secretstore.Ref, from, to string, may func(rotation.Versions) error) error {
	a := attempt{doing: fmt.Sprintf("move stage %s to version %s of", stageCurrent, to), action: "UpdateSecretVersionStage",
		ref: ref, version: to, writes: true}
	versions, err := s.Versions(ctx, ref)
	if err != nil {
		return err
	}
	if err := may(versions); err != nil {
		return err
	}
	switch holder := versions.Holder(rotation.Current); holder {
	case to:
		return nil
	case from:
	case "":
		return a.failed(rotation.Retryable, "no version is current in KMS's answer")
	default:
		return a.failed(rotation.Conflict, fmt.Sprintf("it is on version %s, not on %s: somebody else moved it or wrote a value", holder, from))
	}
	return s.updateStage(ctx, a, moveRequest(ref, to))
}

// RemovePending implements secretstore.Store.
func (s *Store) RemovePending(ctx context.Context, ref secretstore.Ref, version string) error {
	a := attempt{doing: fmt.Sprintf("take stage %s off version %s of", stagePending, version), action: "UpdateSecretVersionStage",
		ref: ref, version: version, writes: true}
	err := s.updateStage(ctx, a, removeRequest(ref, version))
	if err == nil || rotation.KindOf(err) == rotation.Retryable && rotation.CodeOf(err) != codeNotFound {
		return err
	}
	// KMS's code for a label that is not there is not documented, so any refusal is looked into.
	versions, lookErr := s.Versions(ctx, ref)
	switch {
	case lookErr != nil && (rotation.CodeOf(err) == codeNotFound || rotation.KindOf(lookErr) == rotation.Retryable):
		return lookErr
	case lookErr == nil && versions.Holder(rotation.Pending) != version:
		return nil
	}
	return err
}

func (s *Store) updateStage(ctx context.Context, a attempt, request *kms.UpdateSecretVersionStageRequest) error {
	_, err := s.do(ctx, call{attempt: a, request: request, response: kms.CreateUpdateSecretVersionStageResponse()})
	return err
}
