// Package port finds free TCP ports on loopback for servers that can't be told to choose one themselves.
package port

import (
	"fmt"
	"net"
	"runtime"
)

// Free returns a port of 127.0.0.1 that the system gives to nobody else for a while, but on which a server can
// listen (with SO_REUSEADDR, which MySQL and Go set).
func Free() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = listener.Close() }()
	port := listener.Addr().(*net.TCPAddr).Port
	if runtime.GOOS == "darwin" {
		return port, nil // it hands ports out in turn
	}
	// Elsewhere they are drawn by chance, so the next program that asks could get this one. A connection that the
	// server side closes first leaves the port in TIME_WAIT: not drawn for a minute, and free to be named.
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("reserve port %d: %w", port, err)
	}
	server, err := listener.Accept()
	if err != nil {
		_ = client.Close()
		return 0, fmt.Errorf("reserve port %d: %w", port, err)
	}
	_ = server.Close()
	// The client must see the end before it closes, or both sides close at once.
	_, _ = client.Read(make([]byte, 1))
	_ = client.Close()
	return port, nil
}
