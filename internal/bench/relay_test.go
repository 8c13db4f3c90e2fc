package main

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// echo is a server that says everything back.
func echo(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func ask(t *testing.T, c net.Conn) time.Duration {
	t.Helper()
	began := time.Now()
	_, err := c.Write([]byte("hello"))
	require.NoError(t, err)
	answer := make([]byte, 5)
	_, err = io.ReadFull(c, answer)
	require.NoError(t, err)
	require.Equal(t, "hello", string(answer))
	return time.Since(began)
}

func TestRelay(t *testing.T) {
	r, err := newRelay(echo(t))
	require.NoError(t, err)
	dial := func() net.Conn {
		c, err := net.Dial("tcp", r.listener.Addr().String())
		require.NoError(t, err)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	c := dial()
	ask(t, c)
	const delay = 50 * time.Millisecond
	r.setDelay(delay)
	require.GreaterOrEqual(t, ask(t, c), delay)
	r.setDelay(0)

	r.hang()
	_, err = c.Write([]byte("hello"))
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout(), "nobody hears anything")
	r.mend()
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err, "the connection is over")
	ask(t, dial())
	require.NoError(t, r.close())
}
