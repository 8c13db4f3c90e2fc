package workflows

import (
	"encoding/json"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"rotor/internal/rotation"
)

// The keys of the search attributes.
var (
	keySecret  = temporal.NewSearchAttributeKeyKeyword(rotation.AttributeSecret)
	keyOutcome = temporal.NewSearchAttributeKeyKeyword(rotation.AttributeOutcome)
	keyStuck   = temporal.NewSearchAttributeKeyBool(rotation.AttributeStuck)
	keyFleet   = temporal.NewSearchAttributeKeyKeyword(rotation.AttributeFleet)
)

// DefaultStuckAfter is how long one step fails before its rotation counts as stuck.
const DefaultStuckAfter = 10 * time.Minute

// longestKeyword is what a column of Temporal's SQL databases holds; a longer value would never be written.
const longestKeyword = 255

// settled is what stands in history from the beginning, because it may be another for the next worker: an upsert of a search attribute
// that a namespace does not have fails for ever, and one that the history does not have is no longer the same history.
type settled struct {
	// ID excludes a second rotation of the secret.
	ID string
	// Attributes are the search attributes that the namespace has.
	Attributes []string      `json:",omitempty"`
	StuckAfter time.Duration `json:",omitempty"`
	// Express: see express.
	Express bool `json:",omitempty"`
}

// UnmarshalJSON also takes the id alone, which is all that earlier histories have.
func (s *settled) UnmarshalJSON(data []byte) error {
	if json.Unmarshal(data, &s.ID) == nil {
		return nil
	}
	type plain settled
	return json.Unmarshal(data, (*plain)(s))
}

func (s *settled) has(attribute string) bool { return slices.Contains(s.Attributes, attribute) }

// StartAttributes are the search attributes that a rotation of the secret is started with, of those that the namespace has.
func StartAttributes(has []string, req rotation.Request) temporal.SearchAttributes {
	if !slices.Contains(has, rotation.AttributeSecret) {
		return temporal.NewSearchAttributes()
	}
	return temporal.NewSearchAttributes(secretAttribute(req))
}

func secretAttribute(req rotation.Request) temporal.SearchAttributeUpdate {
	name := req.Name()
	return keySecret.ValueSet(name[:min(len(name), longestKeyword)])
}

// childAttributes are those that the canonical rotation gets from the one that starts it.
func (s *settled) childAttributes(ctx workflow.Context, req rotation.Request) temporal.SearchAttributes {
	attributes := StartAttributes(s.Attributes, req)
	if fleet, in := workflow.GetTypedSearchAttributes(ctx).GetKeyword(keyFleet); in && s.has(rotation.AttributeFleet) {
		return temporal.NewSearchAttributes(attributes.Copy(), keyFleet.ValueSet(fleet))
	}
	return attributes
}

// show lets the rotation be found by what has become of it. An upsert is an event, so there is none where nothing changes.
func (w *run) show(outcome rotation.Outcome, stuck bool) {
	var updates []temporal.SearchAttributeUpdate
	if outcome != "" && w.known.has(rotation.AttributeOutcome) {
		updates = append(updates, keyOutcome.ValueSet(string(outcome)))
	}
	if stuck != w.stuck && w.known.has(rotation.AttributeStuck) {
		updates = append(updates, keyStuck.ValueSet(stuck))
	}
	w.stuck = stuck
	if len(updates) == 0 {
		return
	}
	if !w.named && w.known.has(rotation.AttributeSecret) {
		if _, named := workflow.GetTypedSearchAttributes(w.root).GetKeyword(keySecret); !named {
			updates = append(updates, secretAttribute(w.req))
		}
		w.named = true
	}
	// It fails without updates only.
	_ = workflow.UpsertTypedSearchAttributes(w.root, updates...)
}

// alarm rings when a step has failed for long.
type alarm struct {
	step   rotation.Step
	cancel workflow.CancelFunc
}

// troubled sets the alarm for a step that fails, unless there is one: two that fail one after the other are one trouble. It is a timer of
// its own, because how long the waits between two tries are is a setting of the worker, and not the same for the next one.
func (w *run) troubled(step rotation.Step, since time.Time) {
	if w.alarm != nil || w.stuck || !w.known.has(rotation.AttributeStuck) {
		return
	}
	ctx, _ := workflow.NewDisconnectedContext(w.root)
	ctx, cancel := workflow.WithCancel(ctx)
	mine := &alarm{step, cancel}
	w.alarm = mine
	left := since.Add(w.known.StuckAfter).Sub(workflow.Now(ctx))
	workflow.Go(ctx, func(ctx workflow.Context) {
		if w.sleep(ctx, left, rotation.SummaryAlarm) == nil && w.alarm == mine {
			w.show("", true)
		}
	})
}

// untroubled takes the alarm back, and what it has led to.
func (w *run) untroubled() {
	if w.alarm != nil {
		w.alarm.cancel()
		w.alarm = nil
	}
	w.show("", false)
}
