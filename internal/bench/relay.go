package main

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// relay is another address of a server, as far away as one likes. What is said takes half of the delay each way, and a connection takes one
// delay to open, as over a network; nothing is held up behind it.
type relay struct {
	server   string
	listener net.Listener
	delay    atomic.Int64

	mu   sync.Mutex
	hung chan struct{} // closed when nothing hangs
	open map[net.Conn]bool
	done bool
	busy sync.WaitGroup
}

func newRelay(server string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{server: server, listener: listener, hung: make(chan struct{}), open: map[net.Conn]bool{}}
	close(r.hung)
	r.busy.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			r.busy.Go(func() { r.serve(client) })
		}
	})
	return r, nil
}

func (r *relay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// setDelay sets how long it takes to hear an answer.
func (r *relay) setDelay(d time.Duration) { r.delay.Store(int64(d)) }

// hang has nobody hear anything any more.
func (r *relay) hang() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hung = make(chan struct{})
}

// mend ends a hang, and all connections with it.
func (r *relay) mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.drop()
	close(r.hung)
}

func (r *relay) drop() {
	for c := range r.open {
		_ = c.Close() // it may be closed already
	}
}

func (r *relay) close() error {
	err := r.listener.Close()
	r.mu.Lock()
	r.done = true
	r.drop()
	select {
	case <-r.hung:
	default:
		close(r.hung)
	}
	r.mu.Unlock()
	r.busy.Wait()
	return err
}

func (r *relay) keep(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[c] = true
	return !r.done
}

func (r *relay) forget(c net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, c)
	_ = c.Close() // it may be closed already
}

// wait waits while everything hangs.
func (r *relay) wait() {
	r.mu.Lock()
	hung := r.hung
	r.mu.Unlock()
	<-hung
}

func (r *relay) serve(client net.Conn) {
	defer r.forget(client)
	if !r.keep(client) {
		return
	}
	r.wait()
	time.Sleep(time.Duration(r.delay.Load()))
	server, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer r.forget(server)
	if !r.keep(server) {
		return
	}
	var both sync.WaitGroup
	both.Go(func() { r.carry(server, client) })
	both.Go(func() { r.carry(client, server) })
	both.Wait()
}

// said is something that is due at a time.
type said struct {
	text []byte
	due  time.Time
}

// carry forwards what one side says to the other, and hangs up on it when that is over.
func (r *relay) carry(to, from net.Conn) {
	under := make(chan said, 1024)
	var arriving sync.WaitGroup
	arriving.Go(func() {
		for s := range under {
			time.Sleep(time.Until(s.due))
			r.wait()
			if _, err := to.Write(s.text); err != nil {
				_ = from.Close() // nobody listens any more
			}
		}
		_ = to.Close() // it may be closed already
	})
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			under <- said{append([]byte(nil), buffer[:n]...), time.Now().Add(time.Duration(r.delay.Load()) / 2)}
		}
		if err != nil {
			if err != io.EOF {
				_ = to.Close()
			}
			break
		}
	}
	close(under)
	arriving.Wait()
}
