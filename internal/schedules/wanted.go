// Package schedules keeps one Temporal Schedule for each secret that is rotated regularly. It knows which schedules it made, and what
// of them differs from what is wanted.
package schedules

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"rotor/internal/recurrence"
	"rotor/internal/rotation"
	"rotor/workflows"
)

// Pausing says what becomes of a schedule's pause.
type Pausing int

const (
	// AsItIs: a schedule that somebody paused stays so, and one that nobody paused, too.
	AsItIs Pausing = iota
	// Paused, whoever resumed it.
	Paused
	// Resumed, whoever paused it.
	Resumed
	// NotByManifest: a pause that a manifest made ends; one that a person made stays.
	NotByManifest
)

// Wanted is what the schedule of a secret should be.
type Wanted struct {
	// Request is valid.
	Request rotation.Request
	Rule    recurrence.Rule
	Queue   string
	// TaskTimeout is the workflow task timeout of the rotations; 0: as the server has it.
	TaskTimeout time.Duration
	// Made says by what it is kept; Manifest is the manifest's name then.
	Made     Maker
	Manifest string
	Owner    string
	Labels   map[string]string
	Pausing  Pausing
}

// Maker is what keeps a schedule.
type Maker string

const (
	// MadeByHand: starter schedule.
	MadeByHand Maker = "schedule"
	// MadeByManifest: starter apply.
	MadeByManifest Maker = "manifest"
)

// Client keeps schedules in a Temporal namespace.
type Client struct {
	Temporal client.Client
	// Converter reads payloads; nil: Temporal's default.
	Converter converter.DataConverter
	// Hide makes ids that tell no names; nil: ids stay as they are.
	Hide func(id string) string
	// Attributes are the search attributes that the namespace has.
	Attributes []string
	// Parallel is how many calls are under way at once; 0: 16.
	Parallel int

	heard heard
}

const defaultParallel = 16

func (c *Client) parallel() int {
	if c.Parallel > 0 {
		return c.Parallel
	}
	return defaultParallel
}

func (c *Client) converter() converter.DataConverter {
	if c.Converter != nil {
		return c.Converter
	}
	return converter.GetDefaultDataConverter()
}

func (c *Client) id(prefix string, req rotation.Request) string {
	id := prefix + req.Store + "/" + req.RegionId + "/" + req.Name()
	if c.Hide != nil {
		return c.Hide(id)
	}
	return id
}

// prefix is that of the ids of schedules.
const prefix = "rotor/"

// ID names the schedule of a secret.
func (c *Client) ID(req rotation.Request) string { return c.id(prefix, req) }

// WorkflowID names the workflows that the schedule starts; Temporal adds a time to it.
func (c *Client) WorkflowID(req rotation.Request) string { return c.id("scheduled/", req) }

// hash is the same for what is wanted alike, whether it is paused or not.
func (c *Client) hash(w Wanted) string {
	data, err := json.Marshal(struct {
		Request               rotation.Request
		Every, Jitter         time.Duration
		Calendar              *recurrence.Calendar
		Window                *recurrence.Window
		TimeZone, Queue       string
		TaskTimeout           time.Duration
		Made                  Maker
		Manifest, Owner       string
		Labels                map[string]string
		CatchUp               time.Duration
		Overlap               enumspb.ScheduleOverlapPolicy
		WorkflowType, Summary string
		Attributes            string
		Record                int
	}{
		w.Request, w.Rule.Every, w.Rule.Jitter, w.Rule.Calendar, w.Rule.Window, w.Rule.TimeZone, w.Queue, w.TaskTimeout, w.Made, w.Manifest, w.Owner,
		w.labels(), w.Rule.CatchUp(), overlap, rotation.WorkflowType, workflows.Summary(w.Request),
		attributesText(workflows.StartAttributes(c.Attributes, w.Request)), recordForm,
	})
	if err != nil {
		panic(err) // texts and numbers
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:6])
}

// labels are nil if there are none.
func (w Wanted) labels() map[string]string {
	if len(w.Labels) == 0 {
		return nil
	}
	return maps.Clone(w.Labels)
}

// overlap is the policy of all schedules: a rotation that is running when the next is due makes that one be skipped.
const overlap = enumspb.SCHEDULE_OVERLAP_POLICY_SKIP

func (c *Client) action(w Wanted) *client.ScheduleWorkflowAction {
	return &client.ScheduleWorkflowAction{
		ID: c.WorkflowID(w.Request), Workflow: rotation.WorkflowType, Args: []any{w.Request}, TaskQueue: w.Queue,
		StaticSummary: workflows.Summary(w.Request), StaticDetails: workflows.Details(w.Request), WorkflowTaskTimeout: w.TaskTimeout,
		TypedSearchAttributes: workflows.StartAttributes(c.Attributes, w.Request),
	}
}
