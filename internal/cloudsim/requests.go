package cloudsim

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// Request is one line of the request log. It holds no values of secrets.
type Request struct {
	// Seq counts from 1, in the order in which requests took effect or were refused.
	Seq  int
	Time time.Time
	// API is one of this package's API names; empty if the request could not be told.
	API       string
	Action    string
	Region    string
	Account   string
	AccessKey string
	// Resource is the name of the secret, or "instance/account".
	Resource string
	// Params are the request's parameters, those that hold values masked. Lists and objects are JSON.
	Params map[string]string
	// Permissions are those that the request needed, whether the caller held them or not.
	Permissions []string
	// Status and Code are what the API answered, or would have: Code is empty if the request was carried out.
	Status int
	Code   string
	// Applied tells whether the request was carried out, whatever the client got to hear.
	Applied bool
	// Faults are the kinds of fault that it met.
	Faults []Kind
}

// String says what happened in one line.
func (r Request) String() string {
	result := fmt.Sprint(r.Status)
	if r.Code != "" {
		result += " " + r.Code
	}
	if r.Applied {
		result += " applied"
	}
	for _, f := range r.Faults {
		result += " !" + string(f)
	}
	return fmt.Sprintf("#%d %s %s %s %s by %s: %s", r.Seq, r.Time.UTC().Format(time.RFC3339Nano), r.API, r.Action,
		r.Resource, r.AccessKey, result)
}

// logged is how many requests the log keeps at least.
const logged = 1 << 16

type requestLog struct {
	mu       sync.Mutex
	requests []Request
	seq      int
}

func (l *requestLog) add(r Request) Request {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seq++
	r.Seq = l.seq
	if len(l.requests) >= 2*logged {
		l.requests = append([]Request(nil), l.requests[logged:]...)
	}
	l.requests = append(l.requests, r)
	return r
}

// Requests gives the log, oldest first: everything, or the last 65,536 at least.
func (c *Cloud) Requests() []Request { return c.RequestsSince(0) }

// RequestsSince gives the part of the log after the given sequence number.
func (c *Cloud) RequestsSince(seq int) []Request {
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	i, _ := slices.BinarySearchFunc(c.log.requests, seq+1, func(r Request, seq int) int { return r.Seq - seq })
	return slices.Clone(c.log.requests[i:])
}

// Verdict is what a Before hook wants to happen to a request.
type Verdict int

const (
	// Apply lets the request go on.
	Apply Verdict = iota
	// Drop closes its connection; nothing is carried out.
	Drop
)

type hookList struct {
	mu     sync.Mutex
	next   int
	before map[int]func(Request) Verdict
	after  map[int]func(Request)
}

// Before calls the hook with each authenticated request right before it is carried out, Status to Faults not filled
// in. Hooks run on the goroutine of the request, several at a time. The function that is returned takes the hook off.
func (c *Cloud) Before(hook func(Request) Verdict) func() {
	h := &c.hooks
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	id := h.next
	h.before[id] = hook
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.before, id)
	}
}

// After calls the hook with each request that reached its API, right after it was carried out or refused there and
// before the client hears of it. The function that is returned takes the hook off.
func (c *Cloud) After(hook func(Request)) func() {
	h := &c.hooks
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next++
	id := h.next
	h.after[id] = hook
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.after, id)
	}
}

func (h *hookList) runBefore(r Request) Verdict {
	for _, hook := range inOrder(h, h.before) {
		if hook(r) == Drop {
			return Drop
		}
	}
	return Apply
}

func (h *hookList) runAfter(r Request) {
	for _, hook := range inOrder(h, h.after) {
		hook(r)
	}
}
