package endtoend

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
)

// relay is another address of the database server, as replicas and clusters have them. It remembers which accounts logged in there.
type relay struct {
	host string
	mu   sync.Mutex
	seen bytes.Buffer
	// queries are the texts of the statements that clients sent, in order.
	queries []string
	// accounts are those that logged in, in order.
	accounts []string
	// logins is how many connections there were.
	logins atomic.Int64
	// gone: nobody gets through.
	gone bool
	// clients are those that are connected, and lost those that were cut off.
	clients []net.Conn
	lost    map[net.Conn]bool
}

var relayNumber atomic.Int64

// newRelay listens on an address of this machine that no other test has, on the server's own port.
func newRelay(t *testing.T) *relay {
	t.Helper()
	return newRelayTo(t, stack.MySQL)
}

// newRelayTo is another address of any server.
func newRelayTo(t *testing.T, to *mysqld.Server) *relay {
	t.Helper()
	r := &relay{host: fmt.Sprintf("127.0.1.%d", relayNumber.Add(1))}
	port := strconv.Itoa(to.Port)
	listener, err := net.Listen("tcp", net.JoinHostPort(r.host, port))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go r.serve(client, net.JoinHostPort(to.Host, port))
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
	if !r.through(client) {
		return
	}
	r.logins.Add(1)
	go func() {
		_, _ = io.Copy(server, io.TeeReader(client, io.MultiWriter(r, &packets{relay: r}))) // one that is gone has said all
		if !r.isLost(client) {
			_ = server.Close()
		}
	}()
	_, _ = io.Copy(client, server)
}

// through remembers a client, if anybody gets through.
func (r *relay) through(client net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients = append(r.clients, client)
	return !r.gone
}

// cut ends all connections and lets nobody through, until heal. The server is not told, as when a machine loses its power: MariaDB looks every
// second whether the client of a statement that waits for a lock is still there, and gives the statement up.
func (r *relay) cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone, r.lost = true, map[net.Conn]bool{}
	for _, client := range r.clients {
		r.lost[client] = true
		_ = client.Close()
	}
	r.clients = nil
}

func (r *relay) isLost(client net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost[client]
}

func (r *relay) heal() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.gone = false
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

// packets finds the statements in what one client says: a packet has three bytes of length, a number, and, where it begins something
// new, number 0 and a command, of which 3 is a statement.
type packets struct {
	relay *relay
	rest  []byte
	// begun: the first packet, which is the login, has been seen.
	begun bool
}

// handshake is what stands before the account's name in a login: flags, a size, a character set, and 23 bytes of nothing.
const handshake = 4 + 4 + 1 + 23

func (p *packets) Write(data []byte) (int, error) {
	p.rest = append(p.rest, data...)
	for len(p.rest) >= 4 {
		length := int(p.rest[0]) | int(p.rest[1])<<8 | int(p.rest[2])<<16
		if len(p.rest) < 4+length {
			break
		}
		number, payload := p.rest[3], p.rest[4:4+length]
		if first := !p.begun; first && len(payload) > handshake {
			account, _, _ := bytes.Cut(payload[handshake:], []byte{0})
			p.relay.mu.Lock()
			p.relay.accounts = append(p.relay.accounts, string(account))
			p.relay.mu.Unlock()
		}
		p.begun = true
		if number == 0 && length > 1 && payload[0] == 3 {
			p.relay.mu.Lock()
			p.relay.queries = append(p.relay.queries, string(payload[1:]))
			p.relay.mu.Unlock()
		}
		p.rest = p.rest[4+length:]
	}
	return len(data), nil
}

// changes are the statements that change accounts, with *** for passwords.
func (r *relay) changes() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, query := range r.queries {
		if changing.MatchString(query) {
			list = append(list, quoted.ReplaceAllString(query, "$1'***'"))
		}
	}
	return list
}

var (
	changing = regexp.MustCompile(`^(CREATE|ALTER|DROP|GRANT|REVOKE|RENAME|SET PASSWORD)\b`)
	quoted   = regexp.MustCompile(`( BY |PASSWORD\(| REPLACE )'(?:[^'\\]|''|\\.)*'`)
)
