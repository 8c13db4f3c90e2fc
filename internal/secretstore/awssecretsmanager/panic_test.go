package awssecretsmanager

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// TestPanicsEndInAnError has the SDK panic with a value in its hands.
func TestPanicsEndInAnError(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	err = s.do(t.Context(), attempt{doing: "read", ref: secretstore.Ref{Region: "eu-central-1", Name: "a"}},
		func(context.Context, *secretsmanager.Client, *string) error { panic("hush") })
	require.Equal(t, rotation.Retryable, rotation.KindOf(err))
	require.Equal(t, "cannot read secret a in eu-central-1: the SDK panicked on the answer (panic)", err.Error())
}
