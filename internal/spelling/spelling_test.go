package spelling_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/spelling"
)

func TestNearest(t *testing.T) {
	t.Parallel()
	for written, want := range map[string]string{
		"regoin": "region", "region": "region", "rgion": "region", "stor": "store", "stroe": "store", "frobnicate": "", "": "", "reg": "",
	} {
		require.Equal(t, want, spelling.Nearest(written, []string{"store", "region", "schedule"}), written)
	}
}
