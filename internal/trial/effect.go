package trial

import (
	"fmt"
	"strings"
	"sync"

	"go.temporal.io/api/workflowservice/v1"

	"rotor/internal/cloudsim"
	"rotor/internal/trial/sqlrelay"
	"rotor/internal/trial/temporalrelay"
)

// Sources of effects.
const (
	Store    = "store"
	RDS      = "rds"
	SQL      = "sql"
	Temporal = "temporal"
)

// StepRetire is the step that makes the former credential unusable.
const StepRetire = "Retire"

// Effect is something that a rotation does outside of its worker. Two runs of the same kind of rotation have the same effects.
type Effect struct {
	Source string
	// Step is the activity that the worker was given last.
	Step string
	Name string
	// Nth tells it from those before it that are the same otherwise, from 1.
	Nth int
}

func (e Effect) String() string {
	step := strings.ToLower(e.Step)
	if step == "" {
		step = "begin"
	}
	return fmt.Sprintf("%s, %s: %s #%d", step, e.Source, e.Name, e.Nth)
}

// Changes says whether it may change something that others find.
func (e Effect) Changes() bool {
	switch e.Source {
	case Temporal:
		return true
	case Store, RDS:
		return !strings.HasPrefix(e.Name, "Get") && !strings.HasPrefix(e.Name, "List") && !strings.HasPrefix(e.Name, "Describe")
	case SQL:
		return sqlrelay.Statement{Text: e.Name}.Changes()
	}
	return false
}

// TakesLock says whether it gets its session the lock of an account pair, which a worker's machine can take with it.
func (e Effect) TakesLock() bool {
	return e.Source == SQL && strings.HasPrefix(e.Name, "SELECT GET_LOCK(")
}

// Moment is when a hook is asked.
type Moment string

// Before an effect, and after it but before the worker hears of it.
const (
	Before Moment = "before"
	After  Moment = "after"
)

// Verdict is what becomes of an effect, or of its answer.
type Verdict = sqlrelay.Verdict

// What can become of an effect. Only SQL statements can hang.
const (
	Pass = sqlrelay.Pass
	Drop = sqlrelay.Drop
	Hang = sqlrelay.Hang
)

// Hook is asked about each effect. It may block.
type Hook func(Effect, Moment) Verdict

// ledger tells the effects of one rotation apart.
type ledger struct {
	mu   sync.Mutex
	step string
	seen map[Effect]int
	hook Hook
}

// Hook puts a hook in the place of the one before it, and counts anew; nil takes it off.
func (l *ledger) Hook(h Hook) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hook, l.seen, l.step = h, map[Effect]int{}, ""
}

// begin counts an effect that is about to be.
func (l *ledger) begin(source, name string) Effect {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := Effect{Source: source, Step: l.step, Name: name}
	l.seen[e]++
	e.Nth = l.seen[e]
	return e
}

func (l *ledger) rule(e Effect, m Moment) Verdict {
	l.mu.Lock()
	hook := l.hook
	l.mu.Unlock()
	if hook == nil {
		return Pass
	}
	return hook(e, m)
}

// Step is the activity that the worker was given last, "" before the first.
func (l *ledger) Step() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.step
}

// given notes the activity that a worker is about to begin.
func (l *ledger) given(activity string) {
	if activity == "" {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.step = activity
}

// onStatement is the hook of the SQL relay.
func (t *Trial) onStatement(s *sqlrelay.Statement, answered bool) Verdict {
	if !answered {
		name := s.Text
		if s.Account != "" && s.Account == t.Secret.AdminAccount {
			name += ofAdmin
		}
		return t.meet(t.ask(s, SQL, name), Before)
	}
	return t.meet(t.answered(s), After)
}

// ask counts an effect that is about to be, and keeps it until it is answered.
func (t *Trial) ask(by any, source, name string) Effect {
	e := t.begin(source, name)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked[by] = e
	return e
}

func (t *Trial) answered(by any) Effect {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.asked[by]
	delete(t.asked, by)
	return e
}

// onCall is the hook of the Temporal relay: completions are effects, and what workers are given says which step it is.
func (t *Trial) onCall(c temporalrelay.Call) bool {
	respond := strings.HasPrefix(c.Method, "Respond") && !strings.Contains(c.Method, "Query")
	if c.Response == nil {
		if !respond {
			return true
		}
		return t.meet(t.ask(c.Request, Temporal, c.Method), Before) == Pass
	}
	switch r := c.Response.(type) {
	case *workflowservice.PollActivityTaskQueueResponse:
		t.given(r.GetActivityType().GetName())
	case *workflowservice.RespondWorkflowTaskCompletedResponse:
		for _, eager := range r.GetActivityTasks() {
			defer t.given(eager.GetActivityType().GetName())
		}
	}
	if !respond {
		return true
	}
	return t.meet(t.answered(c.Request), After) == Pass
}

// concerns says whether a request to the cloud is about the trial's secret, its admin secret or its instance.
func (t *Trial) concerns(r cloudsim.Request) bool {
	s := t.Secret
	return r.Resource == s.Name || s.AdminSecret != "" && r.Resource == s.AdminSecret ||
		s.Instance != "" && (r.Resource == s.Instance || strings.HasPrefix(r.Resource, s.Instance+"/"))
}

func sourceOf(r cloudsim.Request) string {
	if r.API == cloudsim.AlibabaRDS || r.API == cloudsim.AWSRDS {
		return RDS
	}
	return Store
}

// At gives a condition for faults of the cloud: that a request is this effect.
func (t *Trial) At(e Effect) func(cloudsim.Request) bool {
	var mu sync.Mutex
	nth := 0
	return func(r cloudsim.Request) bool {
		if !t.concerns(r) || sourceOf(r) != e.Source || nameOf(r, t.Secret) != e.Name || t.Step() != e.Step {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		nth++
		return nth == e.Nth
	}
}
