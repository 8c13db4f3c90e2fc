package cloudsim

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"rotor/internal/cloudsim/cloudapi"
)

// Kind is a way in which a request goes wrong.
type Kind string

const (
	// Throttle answers that there are too many requests; nothing is carried out.
	Throttle Kind = "throttle"
	// ErrorBefore answers the API's 500; nothing is carried out.
	ErrorBefore Kind = "error-before"
	// ErrorAfter carries the request out, then answers the API's 500.
	ErrorAfter Kind = "error-after"
	// CloseBefore closes the connection; nothing is carried out.
	CloseBefore Kind = "close-before"
	// CloseAfter carries the request out, then closes the connection: the answer is lost.
	CloseAfter Kind = "close-after"
	// Slow holds the request before it is carried out. It is carried out afterwards even if the client has gone.
	Slow Kind = "slow"
	// SlowAnswer carries the request out, then holds the answer.
	SlowAnswer Kind = "slow-answer"
	// Malformed carries the request out, then answers with a body that breaks off.
	Malformed Kind = "malformed"
	// Stale answers a read from the past, see Fault.Lag.
	Stale Kind = "stale"
	// Deny answers that the caller may not do this; nothing is carried out.
	Deny Kind = "deny"
)

// Always is for Fault.Times: every matching request from the Nth on.
const Always = -1

// Fault scripts what goes wrong with which requests. Empty fields match everything. Only requests that pass the
// signature check count.
type Fault struct {
	Kind Kind

	API    string
	Action string
	// Resource is the name of a secret, or "instance/account".
	Resource  string
	AccessKey string
	// If further narrows down which requests match. It sees them as a Before hook does.
	If func(Request) bool

	// Nth is the first matching request that is hit, counted from 1; zero is 1.
	Nth int
	// Times is how many are hit from there on; zero is 1.
	Times int

	// Hold is how long Slow and SlowAnswer hold a request; zero is until Release.
	Hold time.Duration
	// Lag is how old the state is that Stale shows; zero is the state before the resource's last write.
	Lag time.Duration
}

// Injected is a fault in place.
type Injected struct {
	fault   Fault
	list    *faultList
	matched int // guarded by list.mu
	hits    int // guarded by list.mu

	reached     chan struct{}
	reachOnce   sync.Once
	released    chan struct{}
	releaseOnce sync.Once
}

type faultList struct {
	mu     sync.Mutex
	faults []*Injected
}

// Inject puts a fault in place, after those that are there already.
func (c *Cloud) Inject(f Fault) *Injected {
	f.Nth, f.Times = max(f.Nth, 1), orOne(f.Times)
	i := &Injected{fault: f, list: &c.faults, reached: make(chan struct{}), released: make(chan struct{})}
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.faults = append(c.faults.faults, i)
	return i
}

func orOne(n int) int {
	if n == 0 {
		return 1
	}
	return n
}

// Reached is closed when the fault has hit its first request (for a Slow one: which is being held then).
func (i *Injected) Reached() <-chan struct{} { return i.reached }

// Release lets go of what the fault holds, and holds nothing from now on.
func (i *Injected) Release() { i.releaseOnce.Do(func() { close(i.released) }) }

// Hits is how many requests the fault has hit.
func (i *Injected) Hits() int {
	i.list.mu.Lock()
	defer i.list.mu.Unlock()
	return i.hits
}

// Remove takes the fault away and releases what it holds.
func (i *Injected) Remove() {
	i.Release()
	i.list.mu.Lock()
	defer i.list.mu.Unlock()
	i.list.faults = slices.DeleteFunc(i.list.faults, func(other *Injected) bool { return other == i })
}

// ClearFaults removes all faults.
func (c *Cloud) ClearFaults() {
	c.faults.mu.Lock()
	faults := slices.Clone(c.faults.faults)
	c.faults.mu.Unlock()
	for _, i := range faults {
		i.Remove()
	}
}

func (f Fault) matches(r Request) bool {
	return (f.API == "" || f.API == r.API) && (f.Action == "" || f.Action == r.Action) &&
		(f.Resource == "" || f.Resource == r.Resource) && (f.AccessKey == "" || f.AccessKey == r.AccessKey)
}

// hit gives the faults that a request meets, in the order in which they were put in place.
func (l *faultList) hit(r Request) faultSet {
	l.mu.Lock()
	defer l.mu.Unlock()
	var met faultSet
	for _, i := range l.faults {
		if !i.fault.matches(r) || i.fault.If != nil && !i.fault.If(r) {
			continue
		}
		i.matched++
		if i.matched < i.fault.Nth || i.fault.Times != Always && i.matched >= i.fault.Nth+i.fault.Times {
			continue
		}
		i.hits++
		met = append(met, i)
	}
	return met
}

// faultSet is what one request meets.
type faultSet []*Injected

func (s faultSet) kinds() []Kind {
	var kinds []Kind
	for _, i := range s {
		kinds = append(kinds, i.fault.Kind)
	}
	return kinds
}

func (s faultSet) has(kind Kind) bool {
	return slices.ContainsFunc(s, func(i *Injected) bool { return i.fault.Kind == kind })
}

// staleness is how a read is to be answered.
func (s faultSet) staleness() cloudapi.Staleness {
	var stale cloudapi.Staleness
	for _, i := range s {
		if i.fault.Kind == Stale {
			stale.Lag = max(stale.Lag, i.fault.Lag)
			stale.BeforeLastWrite = stale.BeforeLastWrite || i.fault.Lag == 0
		}
	}
	return stale
}

// announce tells those who wait for a fault that it has hit.
func (s faultSet) announce() {
	for _, i := range s {
		i.reachOnce.Do(func() { close(i.reached) })
	}
}

// hold waits as long as the faults of the kind want it; false when the cloud is closing.
func (s faultSet) hold(kind Kind, closing <-chan struct{}) bool {
	for _, i := range s {
		if i.fault.Kind != kind {
			continue
		}
		var over <-chan time.Time
		if i.fault.Hold > 0 {
			timer := time.NewTimer(i.fault.Hold)
			defer timer.Stop()
			over = timer.C
		}
		select {
		case <-over:
		case <-i.released:
		case <-closing:
			return false
		}
	}
	return true
}

// refusals are the kinds that are answered without carrying out the request.
var refusals = map[Kind]cloudapi.Failure{
	Throttle: cloudapi.Throttled, ErrorBefore: cloudapi.Internal, Deny: cloudapi.Denied,
}

// refusal is the failure to answer with instead of carrying out the request, if there is one.
func (s faultSet) refusal() (cloudapi.Failure, bool) {
	for _, i := range s {
		if failure, ok := refusals[i.fault.Kind]; ok {
			return failure, true
		}
	}
	return 0, false
}

// malformed cuts a body off in the middle. It keeps a 200: clients then fail to decode, not to recognise an error.
func malformed(r cloudapi.Reply) cloudapi.Reply {
	r.Status, r.Body = http.StatusOK, r.Body[:len(r.Body)/2]
	return r
}
