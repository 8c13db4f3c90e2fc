package mysql_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
	"rotor/internal/target"
)

// relay stands between a client and a server, counts the connections and keeps what the clients say.
type relay struct {
	host string
	port int

	mu    sync.Mutex
	said  []*bytes.Buffer // one for each connection
	conns []net.Conn
}

// newRelay listens on an address of this machine, 127.0.0.2 for example.
func newRelay(t *testing.T, s *mysqld.Server, host string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	require.NoError(t, err)
	r := &relay{host: host, port: listener.Addr().(*net.TCPAddr).Port}
	t.Cleanup(func() {
		_ = listener.Close()
		r.cut()
	})
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			r.serve(client, s.Address())
		}
	}()
	return r
}

func (r *relay) serve(client net.Conn, address string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		_ = client.Close()
		return
	}
	said := &bytes.Buffer{}
	r.mu.Lock()
	r.said, r.conns = append(r.said, said), append(r.conns, client, server)
	r.mu.Unlock()
	go func() {
		defer func() { _ = client.Close() }()
		_, _ = io.Copy(client, server)
	}()
	go func() {
		defer func() { _ = server.Close() }()
		buffer := make([]byte, 4096)
		for {
			n, err := client.Read(buffer)
			r.mu.Lock()
			said.Write(buffer[:n])
			r.mu.Unlock()
			if err != nil {
				return
			}
			if _, err := server.Write(buffer[:n]); err != nil {
				return
			}
		}
	}()
}

// cut breaks all connections.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		_ = c.Close()
	}
}

func (r *relay) connections() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.said)
}

// heard is what all clients said.
func (r *relay) heard() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all strings.Builder
	for _, said := range r.said {
		all.Write(said.Bytes())
	}
	return all.String()
}

// login leads through the relay.
func (r *relay) login(l target.Login, mode rotation.TLSMode) target.Login {
	l.Place = rotation.Place{Host: r.host, Port: r.port, TLS: mode, Database: l.Place.Database}
	return l
}
