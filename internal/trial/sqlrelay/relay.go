// Package sqlrelay stands between MySQL's clients and a server without TLS, and sees every statement: right before the server gets it,
// and right after the server has carried it out, before the client hears of it. What happens then is the caller's to say.
package sqlrelay

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
)

// Verdict says what becomes of a statement, or of its answer. Before the server has it, one from 1000 on is the number of the error that
// the client is answered instead.
type Verdict int

const (
	// Pass lets it through.
	Pass Verdict = iota
	// Drop breaks the connection instead.
	Drop
	// Hang keeps the connection and never says anything on it again.
	Hang
)

// Hook is asked about each statement before the server gets it, and again, with the same pointer, when the server has answered. It may
// block.
type Hook func(s *Statement, answered bool) Verdict

// Relay is another address of a server.
type Relay struct {
	server   string
	hook     Hook
	listener net.Listener

	lingers atomic.Bool
	mu      sync.Mutex
	closed  bool
	open    map[net.Conn]bool
	serving sync.WaitGroup
}

// Listen opens a relay on loopback.
func Listen(server string, hook Hook) (*Relay, error) {
	r := &Relay{server: server, hook: hook, open: map[net.Conn]bool{}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r.listener = listener
	r.serving.Go(func() { r.accept(listener) })
	return r, nil
}

// Port is where it listens, on 127.0.0.1.
func (r *Relay) Port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// Linger says whether the server is left without a word of it when a client goes: its session stays, with the lock that it holds, as when
// the client's machine loses its power.
func (r *Relay) Linger(on bool) { r.lingers.Store(on) }

// Refuse has nobody listen until Accept.
func (r *Relay) Refuse() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.listener.Close()
}

// Accept ends a Refuse.
func (r *Relay) Accept() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	listener, err := net.Listen("tcp", r.listener.Addr().String())
	if err != nil {
		return err
	}
	r.listener = listener
	r.serving.Go(func() { r.accept(listener) })
	return nil
}

// Close ends the relay and every connection.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	err := r.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // it refuses
	}
	for c := range r.open {
		_ = c.Close() // it may be closed already
	}
	r.mu.Unlock()
	r.serving.Wait()
	return err
}

func (r *Relay) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		r.serving.Go(func() { r.serve(client) })
	}
}

// keep remembers a connection, so that Close ends it; false when the relay is closed.
func (r *Relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		_ = c.Close()
		return false
	}
	r.open[c] = true
	return true
}

func (r *Relay) drop(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	_ = c.Close()
}

// session is one connection of a client.
type session struct {
	*Relay
	client, upstream net.Conn
	// asked is the statement that the server has not answered yet.
	asked atomic.Pointer[Statement]
	hung  chan struct{}
	once  sync.Once
}

func (r *Relay) serve(client net.Conn) {
	if !r.keep(client) {
		return
	}
	defer r.drop(client)
	upstream, err := net.Dial("tcp", r.server)
	if err != nil || !r.keep(upstream) {
		return
	}
	s := &session{Relay: r, client: client, upstream: upstream, hung: make(chan struct{})}
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		s.answer()
		// The client is told at once; hanging up on the server is the client's side to do.
		select {
		case <-s.hung:
		default:
			_ = client.Close()
		}
	}()
	s.ask()
	if !r.lingers.Load() {
		r.drop(upstream)
		<-answered
	}
}

// ask forwards what the client says.
func (s *session) ask() {
	loggedIn := false
	for {
		packet, err := read(s.client)
		if err != nil {
			return
		}
		var statement *Statement
		switch sequence := packet[3]; {
		case !loggedIn:
			// What follows in the login has other numbers.
			loggedIn = true
			statement = loginOf(packet[headerSize:])
		case sequence == 0 && len(packet) > headerSize && packet[headerSize] != comQuit:
			statement = statementOf(packet[headerSize:])
		}
		if statement != nil {
			verdict := s.hook(statement, false)
			if verdict >= firstError {
				if _, err := s.client.Write(errorAnswer(packet[3]+1, uint16(verdict))); err != nil || statement.Text == Login {
					_ = s.client.Close() // as a server does whose login failed
					return
				}
				continue
			}
			if !s.obey(verdict) {
				return
			}
			s.asked.Store(statement)
		}
		if _, err := s.upstream.Write(packet); err != nil {
			return
		}
	}
}

// firstError is the least number of an error of a MySQL server.
const firstError = 1000

// errorAnswer is a packet that answers with an error.
func errorAnswer(sequence byte, number uint16) []byte {
	body := binary.LittleEndian.AppendUint16([]byte{errorPacket}, number)
	body = append(body, "#HY000so it was decided"...)
	return append([]byte{byte(len(body)), 0, 0, sequence}, body...)
}

// answer forwards what the server says.
func (s *session) answer() {
	for {
		packet, err := read(s.upstream)
		if err != nil {
			return
		}
		if asked := s.asked.Load(); asked != nil && !s.midLogin(asked, packet) {
			s.asked.Store(nil)
			if !s.obey(s.hook(asked, true)) {
				return
			}
		}
		if _, err := s.client.Write(packet); err != nil {
			return
		}
	}
}

// First bytes of the server's answers to a login that end it.
const (
	okPacket    = 0x00
	errorPacket = 0xff
)

// midLogin says whether the login goes on after this packet.
func (s *session) midLogin(asked *Statement, packet []byte) bool {
	return asked.Text == Login && len(packet) > headerSize && packet[headerSize] != okPacket && packet[headerSize] != errorPacket
}

// obey carries out a verdict; false if nothing more is to be forwarded.
func (s *session) obey(v Verdict) bool {
	switch v {
	case Drop:
		_ = s.client.Close()
		return false
	case Hang:
		s.once.Do(func() { close(s.hung) })
		_, _ = io.Copy(io.Discard, s.client) // until the client has had enough
		return false
	}
	return true
}

const headerSize = 4

// read reads one packet with its header: three bytes of length, one of sequence.
func read(from io.Reader) ([]byte, error) {
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := int(binary.LittleEndian.Uint32([]byte{header[0], header[1], header[2], 0}))
	const longest = 1<<24 - 1
	if length == longest {
		return nil, errors.New("a packet of more than one part is more than this relay knows")
	}
	packet := append(header, make([]byte, length)...)
	_, err := io.ReadFull(from, packet[headerSize:])
	return packet, err
}
