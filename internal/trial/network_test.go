package trial_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/trial"
)

// networkFault is what happens to the network between worker and database while a rotation is at work.
type networkFault struct {
	toxic trial.Toxic
	// after: it begins when the effect is over, so that the next statement meets it; else before the effect, whose answer does.
	after bool
	// lasts is how long it does; 0: all the time.
	lasts time.Duration
}

// whole faults are there from the beginning to the end, the others are met at a statement.
func (f networkFault) whole() bool { return f.lasts == 0 }

var networkFaults = map[string]networkFault{
	"an answer breaks off in its middle":   {trial.Toxic{Type: "limit_data", Downstream: true, Attributes: map[string]int{"bytes": 6}}, false, 300 * time.Millisecond},
	"a statement breaks off in its middle": {trial.Toxic{Type: "limit_data", Attributes: map[string]int{"bytes": 6}}, true, 300 * time.Millisecond},
	"connections are reset":                {trial.Toxic{Type: "reset_peer", Downstream: true, Attributes: map[string]int{"timeout": 0}}, false, 300 * time.Millisecond},
	"nothing arrives any more":             {trial.Toxic{Type: "timeout", Downstream: true, Attributes: map[string]int{"timeout": 0}}, false, 2 * time.Second},
	"every answer is 50 ms late":           {trial.Toxic{Type: "latency", Downstream: true, Attributes: map[string]int{"latency": 50, "jitter": 20}}, false, 0},
	"answers come in pieces":               {trial.Toxic{Type: "slicer", Downstream: true, Attributes: map[string]int{"average_size": 40, "size_variation": 30, "delay": 200}}, false, 0},
	"20 kB in a second":                    {trial.Toxic{Type: "bandwidth", Downstream: true, Attributes: map[string]int{"rate": 20}}, false, 0},
}

// Whatever the network to the database does, the rotation gets there.
func TestNetworkFaults(t *testing.T) {
	t.Parallel()
	type faulty struct {
		fault string
		at    trial.Effect
	}
	for i, kind := range kinds(t, 0) {
		kind.Network = true
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			var cases []faulty
			for n, effect := range toTry(kind, effectsOf(t, kind)) {
				for name, fault := range networkFaults {
					if effect.Source == trial.SQL && (effect.Changes() || isLogin(effect) || n%20 == 0) && !fault.whole() {
						cases = append(cases, faulty{name, effect})
					}
				}
			}
			for name, fault := range networkFaults {
				if fault.whole() {
					cases = append(cases, faulty{fault: name})
				}
			}
			name := func(c faulty) string {
				if networkFaults[c.fault].whole() {
					return c.fault
				}
				return c.fault + ", at " + c.at.String()
			}
			sortByName(cases, name)
			cases = halfExpress(kind, cases, uint64(i)+600)
			t.Logf("%d faults", len(cases))
			inRows(t, kind, sample(cases, 1, uint64(i)+600), name, func(t *testing.T, tr *trial.Trial, c faulty) (met bool) {
				return networkFaults[c.fault].try(t, tr, c.at)
			})
		})
	}
}

// try says whether the rotation came to the fault.
func (f networkFault) try(t *testing.T, tr *trial.Trial, at trial.Effect) (met bool) {
	if f.whole() {
		end, err := tr.Network.Poison(f.toxic)
		require.NoError(t, err)
		rotateThrough(t, tr)
		require.NoError(t, end())
		return true
	}
	moment := map[bool]trial.Moment{false: trial.Before, true: trial.After}[f.after]
	var once sync.Once
	ended := make(chan error, 1)
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		if e == at && m == moment {
			once.Do(func() {
				met = true
				end, err := tr.Network.Poison(f.toxic)
				if err != nil {
					ended <- err
					return
				}
				time.AfterFunc(f.lasts, func() { ended <- end() })
			})
		}
		return trial.Pass
	})
	rotateThrough(t, tr)
	tr.Hook(nil)
	if met {
		require.NoError(t, <-ended)
	}
	return met
}

// What is said to go wrong does, on a connection that is open already, and is over when it is ended.
func TestNetworkIsPoisoned(t *testing.T) {
	t.Parallel()
	const said = "hello, world"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(client, client) }()
		}
	}()
	for name, test := range map[string]struct {
		fault string
		// heard is the most that is.
		heard string
	}{
		"broken off":  {"an answer breaks off in its middle", said[:6]},
		"not said":    {"a statement breaks off in its middle", said[:6]},
		"reset":       {"connections are reset", ""},
		"nothing":     {"nothing arrives any more", ""},
		"in pieces":   {"answers come in pieces", said},
		"late":        {"every answer is 50 ms late", said},
		"not so much": {"20 kB in a second", said},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			network, err := trial.NewNetwork(listener.Addr().String())
			require.NoError(t, err)
			t.Cleanup(network.Close)
			port, err := network.Port()
			require.NoError(t, err)
			dial := func() net.Conn {
				c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
				require.NoError(t, err)
				t.Cleanup(func() { _ = c.Close() })
				return c
			}
			hear := func(c net.Conn, patience time.Duration) (string, error) {
				_, err := c.Write([]byte(said))
				require.NoError(t, err)
				require.NoError(t, c.SetReadDeadline(time.Now().Add(patience)))
				heard := make([]byte, len(said))
				n, err := io.ReadFull(c, heard)
				return string(heard[:n]), err
			}
			const long = 20 * time.Second
			open := dial()
			heard, err := hear(open, long)
			require.NoError(t, err)
			require.Equal(t, said, heard)
			end, err := network.Poison(networkFaults[test.fault].toxic)
			require.NoError(t, err)
			patience := long
			if test.fault == "nothing arrives any more" {
				patience = time.Second
			}
			heard, err = hear(open, patience)
			require.Equal(t, test.heard == said, err == nil, "%v", err)
			require.True(t, strings.HasPrefix(test.heard, heard), "%q was heard", heard)
			require.NoError(t, end())
			heard, err = hear(dial(), long)
			require.NoError(t, err)
			require.Equal(t, said, heard)
		})
	}
}
