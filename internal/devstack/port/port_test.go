package port_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/port"
)

func TestFreePortsAreNotGivenTwiceAndCanBeUsed(t *testing.T) {
	seen := map[int]bool{}
	for range 500 {
		free, err := port.Free()
		require.NoError(t, err)
		require.False(t, seen[free], "port %d again", free)
		seen[free] = true
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", free))
		require.NoError(t, err)
		require.NoError(t, listener.Close())
	}
}
