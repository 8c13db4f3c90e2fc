package chaos

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"rotor/internal/cloudsim"
	"rotor/internal/trial"
	"rotor/internal/trial/sqlrelay"
)

// workers is how many there are.
const workers = 3

// trouble is what is done to the rotations: a share of their requests and statements meets something, and as rotations end, workers are
// killed and servers restarted.
type trouble struct {
	run  *run
	over chan struct{}
	// ended has one entry for each rotation that has ended.
	ended chan struct{}
	on    atomic.Bool

	mu sync.Mutex
	// random draws for each kind of trouble by itself, so that how many requests one meets changes nothing of another.
	random map[string]*rand.Rand

	// schedules are at work while it is held for reading: one whose server goes before it has noted that it acted acts once more.
	schedules sync.RWMutex

	workers []*trial.Worker
	faults  map[cloudsim.Kind]*cloudsim.Injected
	counts  map[string]int
	broken  atomic.Int64
	// started counts the workers.
	started atomic.Int64
}

func newTrouble(r *run) *trouble {
	return &trouble{run: r, random: map[string]*rand.Rand{}, over: make(chan struct{}), ended: make(chan struct{}, *secrets**rounds),
		faults: map[cloudsim.Kind]*cloudsim.Injected{}, counts: map[string]int{}}
}

// draw gives a number below n, the next one of a kind of trouble.
func (t *trouble) draw(kind string, n int) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.random[kind] == nil {
		sum := sha256.Sum256([]byte(kind))
		t.random[kind] = rand.New(rand.NewPCG(*seed, binary.BigEndian.Uint64(sum[:])))
	}
	return t.random[kind].IntN(n)
}

// A request of a worker meets each of these once in so many requests, of which a rotation makes about 17. Denied ones end a rotation.
var cloudFaults = map[cloudsim.Kind]int{
	cloudsim.Throttle: 150, cloudsim.ErrorBefore: 150, cloudsim.ErrorAfter: 150, cloudsim.CloseBefore: 150, cloudsim.CloseAfter: 150, cloudsim.Malformed: 150,
	cloudsim.SlowAnswer: 400, cloudsim.Stale: 60, cloudsim.Deny: 400,
}

// brokenStatement is once in how many statements and answers the connection breaks.
const brokenStatement = 600

// killEvery is after how many rotations a worker is killed.
const killEvery = 4

// killed is what that is called.
const killed = "worker killed"

// progress is after how many rotations a line says so.
const progress = 50

// restarts are the parts of all rotations after which a server is restarted.
var restarts = []struct {
	name string
	at   float64
	do   func(*trouble, context.Context) error
}{
	{"database restarted", 0.2, (*trouble).restartDatabase},
	{"Temporal restarted", 0.4, (*trouble).restartTemporal},
	{"database restarted", 0.6, (*trouble).restartDatabase},
	{"Temporal restarted", 0.75, (*trouble).restartTemporal},
}

func (t *trouble) begin(ctx context.Context) {
	t.on.Store(true)
	for kind, n := range cloudFaults {
		t.faults[kind] = t.run.Stack.Cloud.Inject(cloudsim.Fault{Kind: kind, Times: cloudsim.Always, Hold: 7 * time.Second, Lag: 2 * time.Second,
			If: func(cloudsim.Request) bool { return t.draw(string(kind), n) == 0 }})
	}
	go func() {
		defer close(t.over)
		next, n := 0, 0
		for range t.ended {
			n++
			if n%progress == 0 {
				fmt.Printf("%d of %d rotations have ended\n", n, cap(t.ended))
			}
			if n%killEvery == 0 {
				t.act(ctx, killed, (*trouble).killWorker)
			}
			for ; next < len(restarts) && float64(n) >= restarts[next].at*float64(cap(t.ended)); next++ {
				t.act(ctx, restarts[next].name, restarts[next].do)
			}
		}
	}()
}

func (t *trouble) act(ctx context.Context, name string, do func(*trouble, context.Context) error) {
	t.counts[name]++
	if err := do(t, ctx); err != nil {
		t.run.violation("%s: %s", name, err)
	}
}

// end takes everything away again, when all rotations have ended.
func (t *trouble) end() {
	close(t.ended)
	<-t.over
	t.on.Store(false)
	for kind, fault := range t.faults {
		t.counts["requests met "+string(kind)] = fault.Hits()
		fault.Remove()
	}
	t.counts["statements broken off"] = int(t.broken.Load())
}

func (t *trouble) startWorker(ctx context.Context) error {
	// Every second one has the rotations that it begins go express.
	express := t.started.Add(1)%2 == 0
	w, err := t.run.StartWorker(ctx, t.run.Stack.Temporal.Address, queue, map[string]string{
		"ROTOR_MAX_PER_TARGET": "40", "ROTOR_EXPRESS": strconv.FormatBool(express),
	})
	if err == nil {
		t.workers = append(t.workers, w)
	}
	return err
}

// killWorker kills one and starts another.
func (t *trouble) killWorker(ctx context.Context) error {
	i := t.draw(killed, len(t.workers))
	if err := t.workers[i].Kill(); err != nil {
		return err
	}
	t.workers = append(t.workers[:i], t.workers[i+1:]...)
	return t.startWorker(ctx)
}

func (t *trouble) onStatement(*sqlrelay.Statement, bool) sqlrelay.Verdict {
	if !t.on.Load() || t.draw("statement", brokenStatement) != 0 {
		return sqlrelay.Pass
	}
	t.broken.Add(1)
	return sqlrelay.Drop
}

func (t *trouble) restartTemporal(ctx context.Context) error {
	t.schedules.Lock()
	defer t.schedules.Unlock()
	return t.run.Stack.Temporal.Restart(ctx)
}

func (t *trouble) restartDatabase(ctx context.Context) error { return t.run.Stack.MySQL.Restart(ctx) }
