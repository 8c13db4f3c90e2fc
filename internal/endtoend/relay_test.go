package endtoend

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// relay is another address of the database server, as replicas and clusters have them. It remembers which accounts logged in there.
type relay struct {
	host string
	mu   sync.Mutex
	seen bytes.Buffer
	// logins is how many connections there were.
	logins atomic.Int64
}

var relayNumber atomic.Int64

// newRelay listens on an address of this machine that no other test has, on the server's own port.
func newRelay(t *testing.T) *relay {
	t.Helper()
	r := &relay{host: fmt.Sprintf("127.0.1.%d", relayNumber.Add(1))}
	port := strconv.Itoa(stack.MySQL.Port)
	listener, err := net.Listen("tcp", net.JoinHostPort(r.host, port))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(client, net.JoinHostPort(stack.MySQL.Host, port))
		}
	}()
	return r
}

func (r *relay) serve(client net.Conn, address string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	r.logins.Add(1)
	go func() {
		_, _ = io.Copy(server, io.TeeReader(client, r)) // one that is gone has said all
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
}

// Write remembers what clients said.
func (r *relay) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen.Write(p)
}

// heard says whether an account logged in here: its name stands in the login, ended by a zero byte.
func (r *relay) heard(account string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.seen.Bytes(), append([]byte(account), 0))
}
