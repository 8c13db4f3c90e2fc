package nonstop

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
	"rotor/internal/trial/sqlrelay"
)

// death is when the worker dies: at the n-th statement, or at the n-th of those that change an account, right before the server gets it or right before its answer arrives. Nothing that the
// worker asks for afterwards gets through.
type death struct {
	mu sync.Mutex
	moment
	seen int
	kill context.CancelFunc
	text string
}

// moment says at which statement; 0: never.
type moment struct {
	at       int
	changing bool
	after    bool
}

func (d *death) hook(s *sqlrelay.Statement, answered bool) sqlrelay.Verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.text != "" {
		return sqlrelay.Drop
	}
	if d.at == 0 || answered != d.after || d.changing && !s.Changes() {
		return sqlrelay.Pass
	}
	if d.seen++; d.seen < d.at {
		return sqlrelay.Pass
	}
	d.text = s.Text
	d.kill()
	return sqlrelay.Drop
}

// plan plans the death of the worker of the next attempt.
func (d *death) plan(when moment, kill context.CancelFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.moment, d.seen, d.kill, d.text = when, 0, kill, ""
}

func (d *death) died() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text
}

// worker runs steps, each in a process of its own as far as anybody can see.
type worker struct {
	store secretstore.Store
	name  string
	death *death
	// deaths counts how often it died at a statement.
	deaths map[string]int
}

func (w *worker) steps(t *testing.T) *activities.Rotation {
	t.Helper()
	sql, err := mysql.New(mysql.Options{})
	require.NoError(t, err)
	return &activities.Rotation{
		Stores: map[string]secretstore.Store{w.name: w.store}, Targets: map[string]target.Target{rotation.TargetMySQL: sql},
		Random: rand.Reader, Now: time.Now, Pause: func(context.Context, time.Duration) error { return nil }, LongestAttempt: time.Minute,
	}
}

// tries is how often a step is attempted: the first time it may die, and after that a session that it left has to be ended.
const tries = 10

// step attempts a step until it succeeds. The first attempt dies at a statement, if it comes to that.
func step[R any](t *testing.T, w *worker, dies moment, run func(context.Context, *activities.Rotation) (R, error)) R {
	t.Helper()
	var result R
	var err error
	for attempt := range tries {
		ctx, cancel := context.WithCancel(t.Context())
		if attempt > 0 {
			dies = moment{}
		}
		w.death.plan(dies, cancel)
		result, err = run(ctx, w.steps(t))
		cancel()
		text := w.death.died()
		if text != "" {
			w.deaths[text]++
			continue // whatever it still said, nobody heard it
		}
		if err == nil {
			return result
		}
		if rotation.KindOf(err) != rotation.Retryable {
			break
		}
	}
	require.NoError(t, err, fmt.Sprintf("after %d attempts", tries))
	return result
}
