package rotation

import (
	"fmt"
	"io"
	"strings"
)

// Alphabets of passwords. Punctuation is what every supported target accepts and what breaks neither shells nor
// URLs nor connection strings. (ApsaraDB RDS takes only !@#$%^&*()_+-= as specials.)
const (
	lower       = "abcdefghijklmnopqrstuvwxyz"
	upper       = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits      = "0123456789"
	punctuation = "-_"
)

// Password lengths.
const (
	DefaultPasswordLength = 32
	MinPasswordLength     = 16
	// MaxPasswordLength is what ApsaraDB RDS still takes, the shortest limit of the supported targets.
	MaxPasswordLength = 32
)

// GeneratePassword makes a password of the length from a source of random bytes (crypto/rand.Reader outside of
// tests). It starts with a letter and has each of the four classes.
func GeneratePassword(random io.Reader, length int) (Secret, error) {
	if length < MinPasswordLength || length > MaxPasswordLength {
		return Secret{}, FieldError("PasswordLength", "%d is out of range: %d to %d", length, MinPasswordLength, MaxPasswordLength)
	}
	all := lower + upper + digits + punctuation
	for {
		var b strings.Builder
		for b.Len() < length {
			alphabet := all
			if b.Len() == 0 {
				alphabet = lower + upper
			}
			c, err := pick(random, alphabet)
			if err != nil {
				return Secret{}, err
			}
			b.WriteByte(c)
		}
		if p := b.String(); strings.ContainsAny(p, lower) && strings.ContainsAny(p, upper) &&
			strings.ContainsAny(p, digits) && strings.ContainsAny(p, punctuation) {
			return NewSecret(p), nil
		}
	}
}

// pick draws one character without bias: bytes beyond the largest multiple of the alphabet's size are drawn again.
func pick(random io.Reader, alphabet string) (byte, error) {
	limit := 256 - 256%len(alphabet)
	for {
		var b [1]byte
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return 0, fmt.Errorf("read random bytes: %w", err)
		}
		if int(b[0]) < limit {
			return alphabet[int(b[0])%len(alphabet)], nil
		}
	}
}
