// Package simulation tells when a fleet ends, without rotating anything: it plays the calls of rotations against the quotas of a store, event by
// event. It knows what bounds a fleet (quotas, how many are open, targets, the machine, windows) and nothing of failures.
package simulation

import (
	"container/heap"
	"math/rand/v2"
	"time"
)

// Quota is a bucket of tokens; a call takes one. A zero Rate is no bound.
type Quota struct {
	// Rate is how many tokens come a second, Burst how many the bucket holds.
	Rate  float64
	Burst int
}

// Step is a part of a rotation: calls of the store, and the time that goes by beside them.
type Step struct {
	// Reads and Writes are calls under the two quotas.
	Reads, Writes int
	// Takes is how long it is when nothing is waited for.
	Takes time.Duration
	// Work is how much of that one processor is busy with.
	Work time.Duration
}

// Fleet is what is simulated.
type Fleet struct {
	Secrets       int
	Steps         []Step
	Reads, Writes Quota
	// Parallel is how many are open at once, 0: no bound. PerTarget is how many of them at one of the Targets, which the secrets take in turn.
	Parallel           int
	Targets, PerTarget int
	// Processors do the Work; 0: it takes no time.
	Processors int
	// Drain is after how many the fleet waits until none is open; 0: never.
	Drain int
	// Jitter spreads when secrets come, as schedules do; a fleet has all of them at once.
	Jitter time.Duration
	// Every and Open are windows: rotations begin in the first Open of each Every only. 0: at any time.
	Every, Open time.Duration
	Seed        uint64
}

// Result is how it went.
type Result struct {
	// Took is from the start until the last has ended.
	Took time.Duration
	// Calls is how many calls there were; MostOpen how many rotations were open at once.
	Calls    int
	MostOpen int
	// ReadWait and WriteWait are how long rotations waited for tokens, WorkWait for a processor, all of them together.
	ReadWait, WriteWait, WorkWait time.Duration
}

// bucket gives out tokens in the order in which they are asked for, and knows when only.
type bucket struct {
	each  time.Duration
	burst time.Duration
	// full is when the bucket will be full.
	full time.Duration
}

func newBucket(q Quota) *bucket {
	if q.Rate <= 0 {
		return nil
	}
	each := time.Duration(float64(time.Second) / q.Rate)
	return &bucket{each: each, burst: time.Duration(max(q.Burst, 1)) * each}
}

// take gives when n tokens that are asked for at a time are there.
func (b *bucket) take(now time.Duration, n int) time.Duration {
	if b == nil || n == 0 {
		return now
	}
	b.full = max(b.full, now) + time.Duration(n)*b.each
	return max(now, b.full-b.burst)
}

// event is when a rotation goes on.
type event struct {
	at   time.Duration
	turn int // of two at one time, the one that came first
	step int
	// target is where the rotation is; -1: it is the arrival of a secret, or the opening of a window.
	target int
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at < e[j].at || e[i].at == e[j].at && e[i].turn < e[j].turn
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

type play struct {
	Fleet
	Result
	now           time.Duration
	queue         events
	turn          int
	reads, writes *bucket
	// free is when each processor is.
	free []time.Duration
	// waiting is how many secrets of each target have come and not begun, open how many are open there.
	waiting, openAt []int
	began, open     int
	// next is the target whose turn it is.
	next int
	// mayBegin is how many may have begun before the next drain.
	mayBegin int
	// waking is when the next opening of the window is looked for; 0: not.
	waking time.Duration
}

// Run plays a fleet.
func Run(f Fleet) Result {
	f.Targets = max(f.Targets, 1)
	p := &play{Fleet: f, reads: newBucket(f.Reads), writes: newBucket(f.Writes), free: make([]time.Duration, f.Processors), waiting: make([]int, f.Targets),
		openAt: make([]int, f.Targets), mayBegin: f.Drain}
	p.arrive()
	for len(p.queue) > 0 {
		e := heap.Pop(&p.queue).(event)
		p.now = e.at
		switch {
		case e.target < 0 && e.step < 0:
			p.waking = 0
		case e.target < 0:
			p.waiting[e.step]++
		case e.step == len(p.Steps):
			p.open--
			p.openAt[e.target]--
			p.Took = p.now
		default:
			p.do(e)
			continue
		}
		p.begin()
	}
	return p.Result
}

// arrive has the secrets come.
func (p *play) arrive() {
	if p.Jitter == 0 {
		for i := range p.Secrets {
			p.waiting[i%p.Targets]++
		}
		p.begin()
		return
	}
	random := rand.New(rand.NewPCG(p.Seed, 0))
	for i := range p.Secrets {
		p.push(event{at: rand64(random, p.Jitter), step: i % p.Targets, target: -1})
	}
}

func rand64(r *rand.Rand, below time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(below)))
}

func (p *play) push(e event) {
	e.turn = p.turn
	p.turn++
	heap.Push(&p.queue, e)
}

// begin has as many begin as may now.
func (p *play) begin() {
	for p.Parallel == 0 || p.open < p.Parallel {
		if p.Drain > 0 && p.began == p.mayBegin {
			if p.open > 0 {
				return
			}
			p.mayBegin += p.Drain
		}
		if !p.opened() {
			return
		}
		target := p.fitting()
		if target < 0 {
			return
		}
		p.waiting[target]--
		p.openAt[target]++
		p.began++
		p.open++
		p.MostOpen = max(p.MostOpen, p.open)
		p.push(event{at: p.now, target: target})
	}
}

// fitting gives a target that has a secret waiting and room for it, each in turn.
func (p *play) fitting() int {
	for i := range p.Targets {
		target := (p.next + i) % p.Targets
		if p.waiting[target] > 0 && (p.PerTarget == 0 || p.openAt[target] < p.PerTarget) {
			p.next = (target + 1) % p.Targets
			return target
		}
	}
	return -1
}

// opened says whether a window is open, and wakes up at the next one if not.
func (p *play) opened() bool {
	if p.Every == 0 || p.now%p.Every < p.Open {
		return true
	}
	if p.waking == 0 && p.began < p.Secrets {
		p.waking = p.now - p.now%p.Every + p.Every
		p.push(event{at: p.waking, step: -1, target: -1})
	}
	return false
}

// do plays a step: its tokens, then a processor, then the time that it takes.
func (p *play) do(e event) {
	step := p.Steps[e.step]
	p.Calls += step.Reads + step.Writes
	read, written := p.reads.take(p.now, step.Reads), p.writes.take(p.now, step.Writes)
	p.ReadWait += read - p.now
	p.WriteWait += written - p.now
	at := max(read, written)
	if step.Work > 0 && len(p.free) > 0 {
		first := 0
		for i, free := range p.free {
			if free < p.free[first] {
				first = i
			}
		}
		start := max(at, p.free[first])
		p.WorkWait += start - at
		p.free[first] = start + step.Work
		at = start + max(step.Takes, step.Work)
	} else {
		at += step.Takes
	}
	p.push(event{at: at, step: e.step + 1, target: e.target})
}
