package nonstop

import (
	"database/sql"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
)

// credential is what a client reads from the secret.
type credential struct{ account, password string }

// client logs in without pause: it reads the secret, and logs in with what it read, again and again, for as long as clients that keep a
// credential do.
type client struct {
	logins, rounds atomic.Int64
	mu             sync.Mutex
	failure        error
}

// keeps is how many logins a client makes with what it has read.
const keeps = 3

// begin lets a client log in until the test ends.
func begin(t *testing.T, server *mysqld.Server, current func() credential) *client {
	t.Helper()
	c := &client{}
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			read := current()
			for range keeps {
				if err := login(server, read); err != nil {
					c.mu.Lock()
					c.failure = err
					c.mu.Unlock()
					return
				}
				c.logins.Add(1)
			}
			c.rounds.Add(1)
		}
	})
	t.Cleanup(func() {
		close(stop)
		running.Wait()
	})
	return c
}

func login(server *mysqld.Server, c credential) error {
	config := server.Config(c.account, c.password, "")
	config.Timeout = time.Minute
	connector, err := mysql.NewConnector(config)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }() // all that counts is whether it logs in
	return db.Ping()
}

func (c *client) failed() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failure
}

// grace waits until the client has forgotten what it has read before.
func (c *client) grace(t *testing.T) {
	t.Helper()
	begun := c.rounds.Load()
	deadline := time.Now().Add(time.Minute)
	for c.rounds.Load() < begun+2 {
		require.NoError(t, c.failed(), "a client could not log in")
		require.True(t, time.Now().Before(deadline), "the client does not get on")
		time.Sleep(time.Millisecond)
	}
}
