// Package payload hides the names of secrets from who can read Temporal: it encrypts what workflows and activities are given and
// give back, with their summaries, details and failures, and makes ids that name a secret unreadable. It is off without keys.
package payload

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"rotor/internal/rotation"
)

// Setting is the setting that names the file of keys.
const Setting = "ROTOR_PAYLOAD_KEYS"

// keyOfIDs is the name of the key that makes ids. It is one of its own, because ids must stay as they are when the others change: they
// keep two rotations of one secret from running at once.
const keyOfIDs = "ids"

// keySize is that of AES-256.
const keySize = 32

var keyName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Keys are what payloads are encrypted with; nil: they are not.
type Keys struct {
	ids []byte
	// first is the name of the key that encrypts; all of them decrypt.
	first string
	all   map[string]cipher.AEAD
}

// Read reads a file of keys, each on a line: NAME KEY, with 32 bytes in Base64 as KEY. The one named "ids" makes ids; of the others,
// the first encrypts, and all decrypt. Lines that begin with # are left out. Without a file there are no keys, which is nil. An error
// has all problems, each with its line, and none of the keys.
func Read(file string) (*Keys, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %s can't be read; wanted: a file with lines NAME KEY", Setting, file)
	}
	r := &reader{keys: &Keys{all: map[string]cipher.AEAD{}}, seen: map[string]int{}}
	for number, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if problem := r.line(number+1, line); problem != "" {
			r.problems = append(r.problems, fmt.Errorf("%s:%d: %s", file, number+1, problem))
		}
	}
	if len(r.problems) == 0 && r.keys.ids == nil {
		r.problems = append(r.problems, fmt.Errorf("%s: no key named %s, which makes workflow ids", file, keyOfIDs))
	}
	if len(r.problems) == 0 && r.keys.first == "" {
		r.problems = append(r.problems, fmt.Errorf("%s: no key beside %s, to encrypt with", file, keyOfIDs))
	}
	if len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	return r.keys, nil
}

// reader is a file that is being read.
type reader struct {
	keys     *Keys
	problems []error
	// seen is the line of each name, values those of keys.
	seen   map[string]int
	values []struct {
		key  []byte
		line int
	}
}

// line takes one line in; a problem tells nothing of the key.
func (r *reader) line(number int, line string) (problem string) {
	fields := strings.Fields(line)
	if len(fields) != 2 {
		return fmt.Sprintf("%d words; wanted: NAME KEY", len(fields))
	}
	name := fields[0]
	if !keyName.MatchString(name) {
		return "a name has 1 to 64 letters, digits, dots, dashes and underscores"
	}
	if before := r.seen[name]; before > 0 {
		return fmt.Sprintf("key %s stands on line %d already", name, before)
	}
	r.seen[name] = number
	key, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil || len(key) != keySize {
		return fmt.Sprintf("key %s: wanted: %d random bytes in Base64, as from: openssl rand -base64 %d", name, keySize, keySize)
	}
	for _, other := range r.values {
		if subtle.ConstantTimeCompare(other.key, key) == 1 {
			return fmt.Sprintf("key %s has the value of the one on line %d; wanted: one of its own", name, other.line)
		}
	}
	r.values = append(r.values, struct {
		key  []byte
		line int
	}{key, number})
	if name == keyOfIDs {
		r.keys.ids = key
		return ""
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "key " + name + " can't be used"
	}
	sealer, err := cipher.NewGCM(block)
	if err != nil {
		return "key " + name + " can't be used"
	}
	r.keys.all[name] = sealer
	if r.keys.first == "" {
		r.keys.first = name
	}
	return ""
}

// Shown gives the search attributes that rotations may have: not the one that holds names, where those are hidden.
func (k *Keys) Shown(attributes []string) []string {
	if k == nil {
		return attributes
	}
	return slices.DeleteFunc(slices.Clone(attributes), func(a string) bool { return a == rotation.AttributeSecret })
}

// Hide makes an id that names a secret, PREFIX/..., one that does not. The prefix stays, so that people see what it is of, and what
// follows it is the same after every prefix, so that they see what belongs together.
func (k *Keys) Hide(id string) string {
	if k == nil {
		return id
	}
	prefix, rest, _ := strings.Cut(id, "/")
	mac := hmac.New(sha256.New, k.ids)
	mac.Write([]byte(rest))
	const enough = 16 // bytes, in which no two secrets will meet
	return prefix + "/" + hex.EncodeToString(mac.Sum(nil)[:enough])
}
