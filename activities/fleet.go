package activities

import (
	"context"
	"errors"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"rotor/internal/fleet"
	"rotor/internal/fleet/kept"
	"rotor/internal/payload"
	"rotor/internal/rotation"
)

// Fleet does for a fleet what asks Temporal.
type Fleet struct {
	Client   client.Client
	Payloads converter.DataConverter
	// ID hides a workflow id that names a secret, where names are hidden.
	ID func(string) string
	// Attributes are the search attributes that rotations are to have.
	Attributes []string
}

// PartsInput names the parts of a fleet's selection.
type PartsInput struct {
	Fleet string
	Parts int
}

// ClaimParts tells each part that its fleet is there; one that nobody claims ends by itself. A part that is not there is a permanent error.
func (f *Fleet) ClaimParts(ctx context.Context, in PartsInput) error {
	for n := range in.Parts {
		id := fleet.PartID(in.Fleet, n)
		err := f.Client.SignalWorkflow(ctx, id, "", fleet.SignalClaim, nil)
		if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
			return rotation.Errorf(rotation.Permanent, "workflow %s, which keeps a part of the selection, is not open; start the fleet anew under another name", id)
		}
		if err != nil {
			return rotation.Errorf(rotation.Retryable, "could not signal workflow %s", id)
		}
	}
	return nil
}

// EndParts lets the parts end. What they keep stays as long as Temporal keeps workflows.
func (f *Fleet) EndParts(ctx context.Context, in PartsInput) error {
	for n := range in.Parts {
		id := fleet.PartID(in.Fleet, n)
		err := f.Client.SignalWorkflow(ctx, id, "", fleet.SignalEnd, nil)
		if _, gone := errors.AsType[*serviceerror.NotFound](err); err != nil && !gone {
			return rotation.Errorf(rotation.Retryable, "could not signal workflow %s", id)
		}
	}
	return nil
}

// ReadPartInput names secrets of a part.
type ReadPartInput struct {
	Fleet string
	Part  int
	// First is the place of the part's first secret in the selection.
	First int
	// Picks are places within the part; none: all.
	Picks []int `json:",omitempty"`
}

// Ready is a secret whose turn comes.
type Ready struct {
	fleet.Item
	// Index is its place in the selection, ID the id of its canonical rotation.
	Index int
	ID    string
}

// ReadPartResult has secrets, and which search attributes their rotations may have.
type ReadPartResult struct {
	Items      []Ready
	Attributes []string `json:",omitempty"`
}

// ReadPart reads secrets of a part of the selection.
func (f *Fleet) ReadPart(ctx context.Context, in ReadPartInput) (ReadPartResult, error) {
	part, err := kept.Part(ctx, f.Client, f.Payloads, in.Fleet, in.Part)
	switch {
	case errors.Is(err, kept.ErrNone):
		return ReadPartResult{}, rotation.Errorf(rotation.Permanent, "part %d of the selection is not kept any more", in.Part)
	case payload.IsUnreadable(err):
		return ReadPartResult{}, rotation.Errorf(rotation.Retryable, "part %d of the selection is encrypted with a key that this worker does not have", in.Part)
	case err != nil:
		return ReadPartResult{}, rotation.Errorf(rotation.Retryable, "could not read part %d of the selection", in.Part)
	}
	picks := in.Picks
	if len(picks) == 0 {
		for i := range part.Items {
			picks = append(picks, i)
		}
	}
	result := ReadPartResult{Attributes: f.Attributes}
	for _, i := range picks {
		item := part.Items[i]
		id := item.Request.WorkflowID()
		if f.ID != nil {
			id = f.ID(id)
		}
		result.Items = append(result.Items, Ready{item, in.First + i, id})
	}
	return result, nil
}

// SeeInput names rotations by their workflow ids.
type SeeInput struct{ IDs []string }

// SeeResult says how the latest of each stands.
type SeeResult struct{ Rotations []kept.Seen }

// SeeRotations looks how rotations stand.
func (f *Fleet) SeeRotations(ctx context.Context, in SeeInput) (SeeResult, error) {
	seen, err := kept.Rotations(ctx, f.Client, in.IDs)
	if err != nil {
		return SeeResult{}, rotation.Errorf(rotation.Retryable, "could not ask Temporal how %d rotations stand", len(in.IDs))
	}
	return SeeResult{seen}, nil
}
