package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// Network is what lies between a trial's workers and its database, and what can go wrong there below MySQL's protocol: bytes that come late, in
// pieces, or not at all.
type Network struct {
	proxy  *toxiproxy.Proxy
	toxics atomic.Int64
}

// Toxic is one thing that goes wrong, by toxiproxy's names (https://github.com/Shopify/toxiproxy#toxics).
type Toxic struct {
	Type string
	// Downstream: it happens to what the database says; else to what the worker says.
	Downstream bool
	Attributes map[string]int
}

// NewNetwork makes one that leads to an address. Close ends it.
func NewNetwork(to string) (*Network, error) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // some of its toxics ask no logger of ours
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := &Network{proxy: toxiproxy.NewProxy(server, "database", "127.0.0.1:0", to)}
	if err := n.proxy.Start(); err != nil {
		return nil, fmt.Errorf("make a network to %s: %w", to, err)
	}
	return n, nil
}

// Port is where it begins, on 127.0.0.1.
func (n *Network) Port() (int, error) {
	_, port, err := net.SplitHostPort(n.proxy.Listen)
	if err != nil {
		return 0, fmt.Errorf("where the network begins: %w", err)
	}
	return strconv.Atoi(port)
}

// Close ends every connection.
func (n *Network) Close() { n.proxy.Stop() }

// Poison lets a toxic act on all connections, those that are open, too, and says how to end it.
func (n *Network) Poison(t Toxic) (end func() error, err error) {
	name, stream := fmt.Sprint("toxic-", n.toxics.Add(1)), "upstream"
	if t.Downstream {
		stream = "downstream"
	}
	text, err := json.Marshal(map[string]any{"name": name, "type": t.Type, "stream": stream, "attributes": t.Attributes})
	if err != nil {
		return nil, err
	}
	if _, err := n.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		return nil, fmt.Errorf("add the toxic %s: %w", t.Type, err)
	}
	return func() error {
		ctx, cancel := context.WithTimeout(context.Background(), endPoison)
		defer cancel()
		return n.proxy.Toxics.RemoveToxic(ctx, name)
	}, nil
}

const endPoison = 10 * time.Second
