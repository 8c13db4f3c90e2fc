package wire

import (
	"cmp"
	"fmt"

	"rotor/internal/rotation"
)

// FateUnknown ends the text about a change that was sent and not answered.
const FateUnknown = "; whether it took effect is not known"

// Verdict is what a failed call means for a rotation.
type Verdict struct {
	Kind rotation.Kind
	// Text says what came back, what to do, and whether something may have changed.
	Text string
	// Code is the API's, else the HTTP status or the cause.
	Code string
	// Unanswered: a change was sent, and whether it took effect is not known.
	Unanswered bool
}

// Judge gives the verdict about a call that would have changed something, or not. What an answer of the API means, meaning says; it is
// not asked about other failures. Those may pass, and advice is what to do about them.
func (f *Failure) Judge(changes bool, advice string, meaning func() (rotation.Kind, string)) Verdict {
	v := Verdict{Kind: rotation.Retryable, Text: f.What() + advice, Code: string(f.Cause)}
	if f.Cause == Answered {
		v.Kind, v.Text = meaning()
		v.Code = cmp.Or(f.Code, fmt.Sprintf("HTTP %d", f.Status))
		if f.RequestID != "" {
			v.Text += "; request " + f.RequestID
		}
	}
	v.Unanswered = changes && f.Sent && (f.Cause != Answered || f.Status >= 500 || f.Code == "")
	switch {
	case v.Unanswered:
		v.Text += FateUnknown
	case changes && !f.Sent:
		v.Text += "; nothing was sent, so nothing has changed"
	}
	return v
}

// Error is the verdict as an error, once failed has said what was tried.
func (v Verdict) Error(failed func(rotation.Kind, string) *rotation.Error) *rotation.Error {
	e := failed(v.Kind, v.Text).WithCode(v.Code)
	e.Unanswered = v.Unanswered
	return e
}
