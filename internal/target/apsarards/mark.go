package apsarards

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
)

// markPrefix begins the description of accounts that a rotation has created.
const markPrefix = "rotor-"

// markForm is what the API takes in a description of our making.
var markForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,200}$`)

// markOf is the description of an account that was created for a version of a secret. Creating it with that version's password and marking
// it is one call, so that an attempt that finds the account can tell whose it is, even where it can't log in.
func markOf(version string) string {
	if markForm.MatchString(version) {
		return markPrefix + version
	}
	sum := sha256.Sum256([]byte(version))
	return markPrefix + hex.EncodeToString(sum[:])
}
