package rotation_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

func TestGeneratedPasswords(t *testing.T) {
	seen := map[string]bool{}
	for range 2000 {
		secret, err := rotation.GeneratePassword(rand.Reader, rotation.MinPasswordLength)
		require.NoError(t, err)
		p := secret.Reveal()
		require.Len(t, p, rotation.MinPasswordLength)
		require.NotContains(t, "-_0123456789", p[:1], "it begins with a letter")
		for _, class := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "-_"} {
			require.True(t, strings.ContainsAny(p, class), "every class is in it")
		}
		require.False(t, seen[p])
		seen[p] = true
	}
}

func TestPasswordsThatCantBeMade(t *testing.T) {
	_, err := rotation.GeneratePassword(rand.Reader, rotation.MinPasswordLength-1)
	require.ErrorContains(t, err, "PasswordLength")
	_, err = rotation.GeneratePassword(iotest.ErrReader(errors.New("no entropy")), rotation.DefaultPasswordLength)
	require.ErrorContains(t, err, "no entropy")
}
