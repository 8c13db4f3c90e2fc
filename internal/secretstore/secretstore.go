// Package secretstore is what a rotation needs of a secret store. Each store is a folder beside this file, and wire is
// their common way to an API. Errors are *rotation.Error, with the store's code and never its text.
package secretstore

import (
	"context"
	"time"

	"rotor/internal/rotation"
)

// Ref names a secret.
type Ref struct {
	Region string
	// Name is the name, or an ARN where the store takes one.
	Name string
}

// Value is the value of one version.
type Value struct {
	Version string
	Data    rotation.Secret
	Created time.Time
}

// Traits are what differs between stores.
type Traits struct {
	// Dialect names the fields of the store's documents.
	Dialect rotation.Dialect
	// KeepsVersions is how many versions a secret holds before the oldest is dropped; 0: none that is needed is dropped.
	KeepsVersions int
	// ClearsPending says whether the pending stage is taken off a version that has become current.
	ClearsPending bool
	// UncertainFor is how long a move of the current stage whose answer was lost can still take effect. 0 where the store
	// compares before it moves, so that a late one is refused.
	UncertainFor time.Duration
}

// PasswordMaker is a Store that generates passwords itself.
type PasswordMaker interface {
	// RandomPassword gives one of the length, with every kind of character that is not excluded altogether. The secret that it is for
	// says which region is asked.
	RandomPassword(ctx context.Context, secret Ref, length int, exclude string) (rotation.Secret, error)
}

// Endpoints is a Store whose cloud also runs databases and knows their addresses.
type Endpoints interface {
	// Writer finds the database that a place leads to, by the endpoint of an instance, a replica or a cluster, and gives the
	// address of it that takes changes. A place that is none of the cloud's databases in the region is a permanent error.
	Writer(ctx context.Context, region string, place rotation.Place) (Writer, error)
}

// Writer is where a database takes changes.
type Writer struct {
	Host string
	Port int
	// AdminSecret is the ARN of the secret in which the cloud itself keeps the login of the database's admin, "" if it does not.
	AdminSecret string
}

// Calls are the calls that change something, in words: action and parameters.
type Calls struct{ Put, Move, RemovePending string }

// Store keeps secrets. Every call honours its context, and may be made from several goroutines.
type Store interface {
	Traits() Traits
	// Tagged lists the secrets of a region that bear all of the tags, of which there is one at least: a page of them, from the place on that the page
	// before has named, "" for the first. A page may be empty and not the last. A list that changed in between so that one may be missing is a conflict.
	Tagged(ctx context.Context, region string, tags map[string]string, after string) (Tagged, error)
	// Versions lists all versions of a secret with their stages, the newest first. A secret that does not exist, is
	// scheduled for deletion, is of a type that this program must not rotate, or that may not be read is a permanent error.
	Versions(ctx context.Context, secret Ref) (rotation.Versions, error)
	// Staged lists the versions that carry stages, as they are at one moment, and may leave out others: it never costs more than Versions.
	Staged(ctx context.Context, secret Ref) (rotation.Versions, error)
	// Read gives the value of a version.
	Read(ctx context.Context, secret Ref, version string) (Value, error)
	// ReadCurrent gives the value of the current version.
	ReadCurrent(ctx context.Context, secret Ref) (Value, error)
	// PutPending writes a version and puts the pending stage on it, wherever that was. A version that exists with another
	// value is a conflict; one that exists with the same value is no error, and its stages stay.
	PutPending(ctx context.Context, secret Ref, version string, data rotation.Secret) error
	// MoveCurrent moves the current stage from one version to another. Where the store can compare, a current stage that is
	// not on from is a conflict. Where the fate of the move is unknown (no answer, a 500) the error says so (Unanswered).
	MoveCurrent(ctx context.Context, secret Ref, from, to string) error
	// MoveCurrentIf is MoveCurrent, and asks may about what the store sees right before, where it has to look because it can't compare
	// (UncertainFor); an error ends the move. One that compares does not ask.
	MoveCurrentIf(ctx context.Context, secret Ref, from, to string, may func(rotation.Versions) error) error
	// Calls says which calls of the store's API a rotation from the base version to another makes that change something: what PutPending,
	// MoveCurrent and RemovePending would send, with *** for the value. Nothing is sent.
	Calls(secret Ref, base, version string) (Calls, error)
	// RemovePending takes the pending stage off the version. That it is not there is no error.
	RemovePending(ctx context.Context, secret Ref, version string) error
}
