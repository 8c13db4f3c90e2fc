package scale

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"rotor/internal/cli"
	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

// mostMemory is how many MB a worker may take.
const mostMemory = 150

// ticks are a second in which Linux counts the time of processors.
const ticks = 100

// weigh looks how much memory the workers have had at most, and how long they were busy.
func (r *run) weigh() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.workers {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.PID()))
		if err != nil {
			continue // it has just ended, or this is no Linux
		}
		_, peak, _ := strings.Cut(string(text), "VmHWM:")
		var kB int
		if _, err := fmt.Sscan(peak, &kB); err == nil {
			r.peak = max(r.peak, kB)
		}
		if busy, err := busyTicks(w.PID()); err == nil {
			r.busy[w.PID()] = busy
		}
	}
}

// busyTicks reads how long a process has kept processors busy: user and system time are the 12th and 13th word after its name.
func busyTicks(pid int) (ticks int, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	words := strings.Fields(string(text[strings.LastIndex(string(text), ")")+1:]))
	for _, word := range words[11:13] {
		n, err := strconv.Atoi(word)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return ticks, nil
}

// calls counts the calls of the store. The cloud's log forgets the oldest ones, so they are counted time and again.
type calls struct {
	seq                      int
	total, writes, throttled int
	byAction                 map[string]int
}

// counted gives the calls until now.
func (r *run) counted() calls {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := &r.calls
	if c.byAction == nil {
		c.byAction = map[string]int{}
	}
	for _, request := range r.Stack.Cloud.RequestsSince(c.seq) {
		c.seq = request.Seq
		c.total++
		c.byAction[request.Action]++
		switch {
		case strings.Contains(request.Code, "Throttling"):
			c.throttled++
		case request.Writes() && request.Applied:
			c.writes++
		}
	}
	return *c
}

// schedule makes a schedule for each secret, twice: the second time nothing changes.
func (r *run) schedule(ctx context.Context, t *testing.T) {
	file := t.TempDir() + "/schedules.yaml"
	require.NoError(t, os.WriteFile(file, []byte(manifest(r.secrets)), 0o600))
	for _, what := range []string{"made", "compared"} {
		began := time.Now()
		r.starter(ctx, t, cli.ExitOK, "apply", "-f", file)
		fmt.Printf("%d schedules %s in %.0fs\n", len(r.secrets), what, time.Since(began).Seconds())
	}
}

// measured prints what the fleet took.
func (r *run) measured(ctx context.Context, t *testing.T, s fleet.Status, took time.Duration) {
	fmt.Printf("fleet of %d, %d at once, %d workers: %.0fs, %.2f rotations a second\n", s.Selected, *parallel, *workers, took.Seconds(), float64(s.Selected)/took.Seconds())
	c := r.counted()
	fmt.Printf("calls of the store: %d, %.1f for each secret, %d of them writes, %d throttled; %v\n", c.total, float64(c.total)/float64(s.Selected), c.writes, c.throttled, c.byAction)
	busy := 0
	for _, n := range r.busy {
		busy += n
	}
	fmt.Printf("most memory of a worker: %d MB; all workers were busy for %.3fs of a processor for each secret\n", r.peak/1024, float64(busy)/ticks/float64(s.Selected))
	require.Less(t, r.peak/1024, mostMemory, "MB of a worker, however many secrets there are")
	runs, events, size := r.histories(ctx, t, "WorkflowType = '"+fleet.WorkflowType+"'")
	fmt.Printf("the fleet's own histories: %d runs, at most %d events and %d kB\n", runs, events, size/1024)
	_, events, size = r.histories(ctx, t, "WorkflowType = '"+rotation.WorkflowType+"'")
	fmt.Printf("the largest history of a rotation: %d events and %d kB\n", events, size/1024)
}

// histories gives how many runs a query finds, and the most events and bytes that one has.
func (r *run) histories(ctx context.Context, t *testing.T, query string) (runs int, events, size int64) {
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: r.Stack.Temporal.Namespace, PageSize: 1000, Query: query}
	for {
		page, err := r.Temporal.ListWorkflow(ctx, request)
		require.NoError(t, err)
		for _, run := range page.GetExecutions() {
			runs++
			events, size = max(events, run.GetHistoryLength()), max(size, run.GetHistorySizeBytes())
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return runs, events, size
		}
	}
}
