package activities

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

// Else the workflow would not know that the stage may have been moved, and let a person roll back.
func TestWhatFollowsAMoveWasTried(t *testing.T) {
	busy := &rotation.Error{Kind: rotation.Retryable, Untried: true, Text: "waits for its turn"}
	e, ok := errors.AsType[*rotation.Error](unanswered(busy))
	require.True(t, ok)
	require.True(t, e.Unanswered)
	require.False(t, e.Untried)
	require.True(t, busy.Untried, "the error itself stays")
}
