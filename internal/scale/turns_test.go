package scale

import (
	"flag"
	"fmt"
	"sync"
	"time"

	"rotor/internal/cloudsim"
	"rotor/internal/simulation"
)

var (
	reads  = flag.Float64("reads", 0, "how many GetSecretValue the store answers a second; 0: no bound")
	writes = flag.Float64("writes", 0, "how many other calls; 0: no bound")
)

// turns hold calls until their turn, so many a second: what a fleet takes by that can be compared with the simulation, on a busy machine, too.
type turns struct {
	mu   sync.Mutex
	next map[bool]time.Time
}

func (t *turns) before(r cloudsim.Request) cloudsim.Verdict {
	reading := isRead(r)
	rate := *writes
	if reading {
		rate = *reads
	}
	if rate <= 0 {
		return cloudsim.Apply
	}
	t.mu.Lock()
	turn := t.next[reading]
	if now := time.Now(); turn.Before(now) {
		turn = now
	}
	t.next[reading] = turn.Add(time.Duration(float64(time.Second) / rate))
	t.mu.Unlock()
	time.Sleep(time.Until(turn))
	return cloudsim.Apply
}

func isRead(r cloudsim.Request) bool { return r.Action == "GetSecretValue" }

// simulated says what the simulation makes of a run with such quotas and as many calls as there were. Only the quotas are played: what a machine takes
// beside them is not known.
func (r *run) simulated(took time.Duration) {
	if *reads == 0 && *writes == 0 {
		return
	}
	const steps = 5
	all := r.counted()
	read := all.byAction["GetSecretValue"]
	written := all.total - read
	read, written = (read+len(r.secrets)/2)/len(r.secrets), (written+len(r.secrets)/2)/len(r.secrets)
	f := simulation.Fleet{Secrets: len(r.secrets), Parallel: *parallel, Reads: simulation.Quota{Rate: *reads, Burst: 1}, Writes: simulation.Quota{Rate: *writes, Burst: 1}}
	for n := range steps {
		// Calls that don't divide evenly go to the last steps.
		share := func(calls int) int { return (calls + n) / steps }
		f.Steps = append(f.Steps, simulation.Step{Reads: share(read), Writes: share(written), Takes: stepTakes})
	}
	played := simulation.Run(f)
	fmt.Printf("simulated with %.1f reads and %.1f writes a second, %d and %d calls each: %.0fs; it took %.0fs, %.2f times that\n", *reads, *writes,
		read, written, played.Took.Seconds(), took.Seconds(), took.Seconds()/played.Took.Seconds())
}

// stepTakes is what a step takes on an idle machine.
const stepTakes = 100 * time.Millisecond
