// Package mysqldtest gives tests real servers: one per binary and TLS setting for the whole test program, started
// when first asked for. A server that is missing or does not start fails the test.
//
// The package under test needs
//
//	func TestMain(m *testing.M) { mysqldtest.Main(m) }
package mysqldtest

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"rotor/internal/devstack/mysqld"
)

var shared = struct {
	sync.Mutex
	running bool // Main is at work
	servers map[key]*started
}{servers: map[key]*started{}}

type key struct {
	binary string
	tls    bool
}

// started is the one attempt to start a server: tests after a failed one fail at once.
type started struct {
	once   sync.Once
	server *mysqld.Server
	err    error
}

// Main runs the tests and stops the servers afterwards, on an interrupt too.
func Main(m *testing.M) {
	shared.Lock()
	shared.running = true
	shared.Unlock()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		_ = stopAll()
		os.Exit(1)
	}()
	code := m.Run()
	if err := stopAll(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the shared MySQL servers:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

func stopAll() error {
	shared.Lock()
	defer shared.Unlock()
	var first error
	for _, s := range shared.servers {
		// The attempt is over or never happens after this.
		s.once.Do(func() { s.err = context.Canceled })
		if s.server == nil {
			continue
		}
		if err := s.server.Stop(); err != nil && first == nil {
			first = err
		}
	}
	clear(shared.servers)
	return first
}

// ForEach runs the test on every server of mysqld.Binaries, without TLS, as a subtest with the server's name. Other
// tests use the same server: make accounts and schemas of your own, and leave global settings as they are.
func ForEach(t *testing.T, test func(t *testing.T, s *mysqld.Server)) {
	t.Helper()
	forEach(t, false, test)
}

// ForEachWithTLS is ForEach on servers that offer TLS.
func ForEachWithTLS(t *testing.T, test func(t *testing.T, s *mysqld.Server)) {
	t.Helper()
	forEach(t, true, test)
}

func forEach(t *testing.T, tls bool, test func(t *testing.T, s *mysqld.Server)) {
	t.Helper()
	for _, binary := range binaries(t) {
		s := get(t, key{binary, tls})
		t.Run(s.Name(), func(t *testing.T) { test(t, s) })
	}
}

// First is the shared server of the first binary, without TLS.
func First(t *testing.T) *mysqld.Server {
	t.Helper()
	return get(t, key{binaries(t)[0], false})
}

// FirstWithTLS is the shared server of the first binary, with TLS.
func FirstWithTLS(t *testing.T) *mysqld.Server {
	t.Helper()
	return get(t, key{binaries(t)[0], true})
}

// TwoPasswords is the shared server of the first binary whose accounts can take two passwords (MySQL 8.0.14 and later), one that was fetched for
// make test-matrix among them. Where there is none it is the first of all, and false.
func TwoPasswords(t *testing.T) (*mysqld.Server, bool) {
	t.Helper()
	all := binaries(t)
	if fetched, err := mysqld.Fetched(); err == nil {
		all = append(all, fetched...)
	}
	for _, binary := range all {
		can, err := mysqld.TwoPasswords(t.Context(), binary)
		if err != nil {
			t.Fatal(err)
		}
		if can {
			return get(t, key{binary, false}), true
		}
	}
	return get(t, key{all[0], false}), false
}

// Start starts a server for this test alone, which may break it as it likes.
func Start(t *testing.T, options mysqld.Options) *mysqld.Server {
	t.Helper()
	s, err := mysqld.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func binaries(t *testing.T) []string {
	t.Helper()
	paths, err := mysqld.Binaries()
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func get(t *testing.T, k key) *mysqld.Server {
	t.Helper()
	shared.Lock()
	if !shared.running {
		shared.Unlock()
		t.Fatal("shared servers need func TestMain(m *testing.M) { mysqldtest.Main(m) } in this package")
	}
	s, ok := shared.servers[k]
	if !ok {
		s = &started{}
		shared.servers[k] = s
	}
	shared.Unlock()
	s.once.Do(func() {
		// Not the test's context: the server stays for the tests after it.
		s.server, s.err = mysqld.Start(context.Background(), mysqld.Options{Binary: k.binary, TLS: k.tls})
	})
	if s.err != nil {
		t.Fatal(s.err)
	}
	return s.server
}
