package schedules

import (
	"encoding/json"
	"slices"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
)

// Record is what a schedule carries of how it came to be. It stands in the memo with which the schedule is made, and in its note,
// because servers up to 1.29 can't change a memo: the note is the newer one. A person who pauses a schedule in the Web UI overwrites the note.
type Record struct {
	// Spec is the hash of what was wanted.
	Spec     string
	Made     Maker
	Manifest string            `json:",omitempty"`
	Owner    string            `json:",omitempty"`
	Labels   map[string]string `json:",omitempty"`
	// Window says the maintenance window in words; the rest of the rule can be read from the schedule.
	Window string `json:",omitempty"`
	// Queue is the task queue of the rotations, which a list does not tell.
	Queue string `json:",omitempty"`
	// ARN is the secret's, where it is known by that; HiddenARN where names are hidden.
	ARN string `json:",omitempty"`
}

// HiddenARN stands for an ARN that must not be in a note.
const HiddenARN = "hidden"

// recordForm is part of the hash: with another form, records are written anew.
const recordForm = 2

// KeptBy says in words by what the schedule is kept.
func (r Record) KeptBy() string {
	switch {
	case r.Made == MadeByManifest && r.Manifest != "":
		return "manifest " + r.Manifest
	case r.Made == MadeByManifest:
		return "a manifest without a name"
	case r.Made == MadeByHand:
		return "starter schedule"
	}
	return "nobody"
}

// madeBy says whether a manifest of one of these names made the schedule.
func (r *Record) madeBy(names []string) bool {
	return r != nil && r.Made == MadeByManifest && slices.Contains(names, r.Manifest)
}

// identity names the secret, in the memo only: a note is never encrypted.
type identity struct{ Store, Region, Secret string }

// Keys of the memo.
const (
	memoRecord = "rotor"
	memoSecret = "rotor-secret"
)

func (c *Client) record(w Wanted) Record {
	r := Record{Spec: c.hash(w), Made: w.Made, Manifest: w.Manifest, Owner: w.Owner, Labels: w.labels(), Queue: w.Queue, ARN: w.Request.ARN()}
	if r.ARN != "" && c.Hide != nil {
		r.ARN = HiddenARN
	}
	if w.Rule.Window != nil {
		r.Window = w.Rule.Window.Text()
	}
	return r
}

func (c *Client) memo(w Wanted) map[string]any {
	return map[string]any{memoRecord: c.record(w), memoSecret: identity{w.Request.Store, w.Request.RegionId, w.Request.Name()}}
}

// mark stands between what a person reads in a note and the record.
const mark = " | rotor "

// note puts what is said to people and the record into one note.
func note(said string, r Record) string {
	data, err := json.Marshal(r)
	if err != nil {
		panic(err) // texts
	}
	return said + mark + string(data)
}

// readNote takes a note apart. One without a record is all words. What people say may have the mark in it, a record has not.
func readNote(text string) (said string, r *Record) {
	at := strings.LastIndex(text, mark)
	if at < 0 || json.Unmarshal([]byte(text[at+len(mark):]), &r) != nil {
		return text, nil
	}
	return text[:at], r
}

// readMemo reads the record and the secret's name from a memo; nil for what is not there.
func readMemo(dc converter.DataConverter, memo *commonpb.Memo) (r *Record, id *identity) {
	if p := memo.GetFields()[memoRecord]; p != nil && dc.FromPayload(p, &r) != nil {
		r = nil
	}
	if p := memo.GetFields()[memoSecret]; p != nil && dc.FromPayload(p, &id) != nil {
		id = nil
	}
	return r, id
}
