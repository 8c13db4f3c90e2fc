package rotation

import (
	"errors"
	"fmt"
	"slices"
)

// Severity says what a finding means for the rotation.
type Severity string

const (
	// Problem: a rotation would be Refused.
	Problem Severity = "problem"
	// Warning: a rotation would go on, and somebody should know.
	Warning Severity = "warning"
)

// Finding is something that a look at a secret and its database has found. References only.
type Finding struct {
	// Word names the kind of finding; it stays the same from version to version. FindingWords lists them.
	Word     string
	Severity Severity
	// Text says what was found, Do what to do about it.
	Text string
	Do   string `json:",omitempty"`
	// Field is the field of a request or document that is at fault, Code the number or code that came back, if any.
	Field string `json:",omitempty"`
	Code  string `json:",omitempty"`
}

// Findings collects what a look finds. A check has one and goes on after a problem as far as it can. A rotation has none, nil,
// and ends with the first problem: both run the same code, so that they can't differ in what they find wrong.
type Findings struct {
	All []Finding
	// Looked says in order what was looked at and found good.
	Looked []string
}

// Problem takes what speaks against the rotation: nil collects nothing and gives the error back, with the word in it. An error about
// something that could not be tried, because others are at work, is given back in any case.
func (f *Findings) Problem(word string, err error) error {
	named := Named(word, err)
	var e *Error
	if named == nil || f == nil || !errors.As(named, &e) || e.Untried {
		return named
	}
	f.Add(FindingOf(e))
	return nil
}

// Warning takes what somebody should know.
func (f *Findings) Warning(word, format string, args ...any) {
	if f != nil {
		f.Add(Finding{Word: word, Severity: Warning, Text: fmt.Sprintf(format, args...), Do: advice[word]})
	}
}

// Add adds a finding, once.
func (f *Findings) Add(found Finding) {
	if !slices.Contains(f.All, found) {
		f.All = append(f.All, found)
	}
}

// Saw takes what was looked at and found good.
func (f *Findings) Saw(format string, args ...any) {
	if f == nil {
		return
	}
	if line := fmt.Sprintf(format, args...); !slices.Contains(f.Looked, line) {
		f.Looked = append(f.Looked, line)
	}
}

// Problems counts the problems.
func (f *Findings) Problems() (n int) {
	if f == nil {
		return 0
	}
	for _, found := range f.All {
		if found.Severity == Problem {
			n++
		}
	}
	return n
}

// Mark remembers how much was found, for Back.
func (f *Findings) Mark() (mark [2]int) {
	if f != nil {
		mark = [2]int{len(f.All), len(f.Looked)}
	}
	return mark
}

// Back forgets what was found since the mark: it was looked for at the wrong place.
func (f *Findings) Back(mark [2]int) {
	if f != nil {
		f.All, f.Looked = f.All[:mark[0]], f.Looked[:mark[1]]
	}
}

// Named gives an error the word of a finding, unless it has one. Errors that are not ours, and nil, stay as they are.
func Named(word string, err error) error {
	var e *Error
	if !errors.As(err, &e) || e.Finding != "" {
		return err
	}
	named := *e
	named.Finding = word
	return &named
}

// FindingOf makes a problem of an error.
func FindingOf(e *Error) Finding {
	found := Finding{Word: e.Finding, Severity: Problem, Text: e.Text, Do: e.Do, Field: e.Field, Code: e.Code}
	if found.Word == "" {
		found.Word = FindingUnknown
	}
	if e.Kind == Retryable && unreachable(e.Code) {
		found.Word = FindingUnreachable
	}
	if found.Do == "" {
		found.Do = advice[found.Word]
	}
	if e.Field != "" {
		found.Text = e.Field + ": " + found.Text
	}
	if e.Code != "" {
		found.Text += " (" + e.Code + ")"
	}
	return found
}

// unreachable says whether a code is a target's word for a server that could not be asked.
func unreachable(code string) bool {
	return slices.Contains([]string{"timeout", "refused", "unknown host", "lost"}, code)
}
