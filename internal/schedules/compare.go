package schedules

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"rotor/internal/recurrence"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// Change is one field that is not as wanted.
type Change struct{ Field, From, To string }

func (c Change) String() string { return c.Field + ": " + c.From + " -> " + c.To }

type changes []Change

func (list *changes) differ(field, from, to string) {
	if from != to {
		*list = append(*list, Change{field, from, to})
	}
}

// differences between a schedule and what is wanted, field by field.
func (c *Client) differences(was *client.Schedule, record *Record, w Wanted) []Change {
	var list changes
	rule, phase, ok := ruleOf(was.Spec)
	if ok && rule.Calendar == nil && w.Rule.Calendar == nil {
		list.differ("every", recurrence.IntervalText(rule.Every), recurrence.IntervalText(w.Rule.Every))
	} else {
		list.differ("when", whenWithoutZone(rule, ok), whenWithoutZone(w.Rule, true))
	}
	var before Record
	if record != nil {
		before = *record
	}
	window := c.record(w).Window
	switch {
	case before.Window != window:
		list.differ("window", cmp.Or(before.Window, "none"), cmp.Or(window, "none"))
	case ok && rule.Every == w.Rule.Every && rule.Calendar == nil && !w.Rule.Admits(phase):
		list.differ("window", "starts out of it", window)
	}
	list.differ("time zone", cmp.Or(was.Spec.TimeZoneName, "UTC"), cmp.Or(w.Rule.TimeZone, "UTC"))
	list.differ("jitter", recurrence.IntervalText(was.Spec.Jitter), recurrence.IntervalText(w.Rule.Jitter))
	list.differ("overlap", was.Policy.Overlap.String(), overlap.String())
	list.differ("catch-up window", recurrence.IntervalText(was.Policy.CatchupWindow), recurrence.IntervalText(w.Rule.CatchUp()))
	if paused, _ := pause(was.State.Paused, was.State.Note, w.Pausing); paused != was.State.Paused {
		list.differ("paused", fmt.Sprint(was.State.Paused), fmt.Sprint(paused))
	}
	action := was.Action.(*client.ScheduleWorkflowAction)
	list.differ("task queue", action.TaskQueue, w.Queue)
	list.differ("workflow id", action.ID, c.WorkflowID(w.Request))
	list.differ("workflow task timeout", recurrence.IntervalText(action.WorkflowTaskTimeout), recurrence.IntervalText(w.TaskTimeout))
	list.differ("search attributes", attributesText(action.TypedSearchAttributes), attributesText(workflows.StartAttributes(c.Attributes, w.Request)))
	from, to := FieldsOf(c.RequestOf(action)), FieldsOf(&w.Request)
	names := maps.Clone(from)
	maps.Copy(names, to)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		list.differ("request, "+name, cmp.Or(from[name], "none"), cmp.Or(to[name], "none"))
	}
	list.differ("owner", cmp.Or(before.Owner, "none"), cmp.Or(w.Owner, "none"))
	list.differ("labels", labelText(before.Labels), labelText(w.Labels))
	list.differ("kept by", before.KeptBy(), c.record(w).KeptBy())
	return list
}

func whenWithoutZone(rule recurrence.Rule, ok bool) string {
	if !ok {
		return "by rules of its own"
	}
	rule.TimeZone, rule.Window, rule.Jitter = "", nil, 0
	return rule.Text()
}

// attributesText writes search attributes as text.
func attributesText(attributes temporal.SearchAttributes) string {
	var words []string
	for key, value := range attributes.GetUntypedValues() {
		words = append(words, fmt.Sprintf("%s=%v", key.GetName(), value))
	}
	slices.Sort(words)
	return cmp.Or(strings.Join(words, ", "), "none")
}

func labelText(labels map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		words = append(words, name+"="+labels[name])
	}
	return cmp.Or(strings.Join(words, ", "), "none")
}

// RequestOf reads the request that a schedule starts rotations with; nil if it can't be read.
func (c *Client) RequestOf(action *client.ScheduleWorkflowAction) *rotation.Request {
	if len(action.Args) != 1 {
		return nil
	}
	payload, ok := action.Args[0].(*commonpb.Payload)
	var req rotation.Request
	if !ok || c.converter().FromPayload(payload, &req) != nil {
		return nil
	}
	return &req
}

// FieldsOf writes the fields of a request that are not empty as text; of one that can't be read, nothing is known.
func FieldsOf(req *rotation.Request) map[string]string {
	fields := map[string]string{}
	var raw map[string]json.RawMessage
	data, err := json.Marshal(req)
	if err != nil || json.Unmarshal(data, &raw) != nil {
		return fields
	}
	for name, value := range raw {
		fields[name] = strings.Trim(string(value), `"`)
	}
	return fields
}

// looksAlike says whether what a list tells of a schedule is as wanted. It does not tell the request, which the hash stands for.
func (c *Client) looksAlike(s *Schedule, w Wanted) bool {
	rule, phase, ok := ruleOf(s.spec)
	if !ok || s.Record == nil || s.Record.Spec != c.hash(w) {
		return false
	}
	paused, _ := pause(s.Paused, s.note, w.Pausing)
	return paused == s.Paused && rule.Text() == ruleInSpec(w.Rule).Text() && rule.Jitter == w.Rule.Jitter && rule.TimeZone == w.Rule.TimeZone &&
		(rule.Calendar != nil || w.Rule.Admits(phase))
}

// ruleInSpec is the rule as far as a spec has it.
func ruleInSpec(rule recurrence.Rule) recurrence.Rule {
	rule.Window = nil
	return rule
}

// phaseFor keeps the schedule in step where the interval and the window allow it.
func phaseFor(was *client.ScheduleSpec, w Wanted, now time.Time, key string) time.Duration {
	if w.Rule.Calendar != nil {
		return 0
	}
	if rule, phase, ok := ruleOf(was); ok && rule.Every == w.Rule.Every && w.Rule.Admits(phase) {
		return phase
	}
	return w.Rule.Phase(now, key)
}
