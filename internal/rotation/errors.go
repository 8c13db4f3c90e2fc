package rotation

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what an error means for the rotation.
type Kind string

const (
	// Retryable: throttling, network, an instance that is busy, something not yet visible. Also: unknown.
	Retryable Kind = "retryable"
	// Permanent: a bad document, a name too long, access denied, a privilege missing.
	Permanent Kind = "permanent"
	// Conflict: somebody else changed the secret or the account meanwhile.
	Conflict Kind = "conflict"
)

// Error is what went wrong, in words of this program: what was tried and on what, what came back, what to do.
// It holds no text of a driver or an SDK, because those quote statements, addresses and values.
type Error struct {
	Kind Kind
	// Text is complete as it stands; Code is repeated in it only where it helps.
	Text string
	// Do says what to do, where Text does not; it is printed after it.
	Do string
	// Finding is the word under which a check reports it.
	Finding string
	// Field names the field of a request or document that is at fault, if one is.
	Field string
	// Code is the number or code that came back ("1045", "Rejected.Throttling"), if one did.
	Code string
	// Unanswered says that the change that was asked for may have happened, or may still: no answer came, or one that says
	// nothing (a 500). Throttling and refusals are answers.
	Unanswered bool
	// Untried says that the step was not begun, because something that it needs is taken; it is tried again after RetryAfter.
	Untried    bool
	RetryAfter time.Duration
	// Throttled says that the answer was that there are too many calls.
	Throttled bool
	// Gone says that the secret itself does not exist, or is about to be deleted.
	Gone bool
}

func (e *Error) Error() string {
	text := e.Text
	if e.Do != "" {
		text += "; " + e.Do
	}
	if e.Field != "" {
		text = e.Field + ": " + text
	}
	if e.Code != "" {
		text += " (" + e.Code + ")"
	}
	return text
}

// Errorf makes an error of a kind. Its arguments are names, numbers and ids, never values of a secret.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Text: fmt.Sprintf(format, args...)}
}

// FieldError makes a permanent error about one field of a request or document.
func FieldError(field, format string, args ...any) *Error {
	return &Error{Kind: Permanent, Field: field, Text: fmt.Sprintf(format, args...)}
}

// WithCode adds the number or code that came back.
func (e *Error) WithCode(code string) *Error {
	e.Code = code
	return e
}

// Advise adds what to do.
func (e *Error) Advise(format string, args ...any) *Error {
	e.Do = fmt.Sprintf(format, args...)
	return e
}

// Found names the finding that it is.
func (e *Error) Found(word string) *Error {
	e.Finding = word
	return e
}

// KindOf gives the kind of any error; what is not ours is retryable.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Retryable
}

// CodeOf gives the code of an error, "" if it has none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
