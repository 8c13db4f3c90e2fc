package rotation

import (
	"fmt"
	"log/slog"
)

// redacted is what a Secret shows wherever a program prints values.
const redacted = "***"

// Secret is a value that must not leave the memory of one step: a password, or the document that holds one.
// Whatever prints, formats, logs or encodes it gets "***". Reveal is called in one place only: where the value
// is handed to the driver or the SDK that needs it.
type Secret struct {
	// A pointer, because fmt calls no methods on unexported fields: of a struct that holds a Secret in one it prints the address.
	value *string
}

// NewSecret wraps a value.
func NewSecret(value string) Secret { return Secret{&value} }

// Reveal gives the value back. Call it in the argument list of the driver or SDK call, and keep no copy.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Empty says whether there is no value.
func (s Secret) Empty() bool { return s.value == nil || *s.value == "" }

// Equal compares two values.
func (s Secret) Equal(other Secret) bool {
	if s.value == nil || other.value == nil {
		return s.Empty() && other.Empty()
	}
	return *s.value == *other.value
}

func (s Secret) String() string   { return redacted }
func (s Secret) GoString() string { return redacted }

// Format keeps every verb, %#v and %x included, from reaching the value.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
func (s Secret) LogValue() slog.Value         { return slog.StringValue(redacted) }
