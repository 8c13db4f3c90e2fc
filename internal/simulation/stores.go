package simulation

import (
	"time"

	"rotor/internal/rotation"
)

// Store is what a store allows, and what a rotation asks of it: with two accounts that were rotated before, and an admin secret.
type Store struct {
	Name          string
	Reads, Writes Quota
	// Express is a rotation that nothing disturbs, Usual one whose steps are activities: at a store that is written to as fast as it lets, most rotations
	// wait for a turn, and leave the express path for it.
	Express, Usual Steps
}

// Steps are those of a rotation, in order.
type Steps []Step

// Calls are counts of calls by the two quotas.
type Calls struct{ Reads, Writes int }

// Of Alibaba Cloud KMS, reads are GetSecretValue, and all others are taken for writes: ListSecretVersionIds may be in their group. Of AWS, writes are what
// changes something.
const (
	kmsRead   = "GetSecretValue"
	awsPut    = "PutSecretValue"
	awsUpdate = "UpdateSecretVersionStage"
)

// IsRead says under which of the two quotas an action is.
func IsRead(store, action string) bool {
	if store == rotation.StoreAlibabaKMS {
		return action == kmsRead
	}
	return action != awsPut && action != awsUpdate
}

// What a step takes beside the waiting is network and database, and differs from place to place; with so many open at once it hardly counts.
const (
	round = 20 * time.Millisecond // of a call within a region
	logon = 30 * time.Millisecond // of a login with TLS
)

// Stores are those whose quotas are documented. How many calls there are is counted: a test of internal/endtoend holds these against rotations.
var Stores = []Store{
	{
		Name: rotation.StoreAlibabaKMS, Reads: Quota{Rate: 450, Burst: 450}, Writes: Quota{Rate: 40, Burst: 40},
		Express: Steps{
			{Reads: 3, Writes: 1, Takes: 4*round + 4*logon},
			{Writes: 2, Takes: 2 * round},
			{Writes: 1, Takes: round + 2*logon},
			{Takes: logon},
			{Reads: 1, Writes: 3, Takes: 4*round + logon},
		},
		Usual: Steps{
			{Reads: 5, Writes: 2, Takes: 7*round + 5*logon},
			{Reads: 2, Writes: 3, Takes: 5 * round},
			{Reads: 4, Writes: 1, Takes: 5*round + 5*logon},
			{Reads: 2, Takes: 2*round + 2*logon},
			{Reads: 2, Writes: 5, Takes: 7*round + 1*logon},
		},
	},
	{
		Name: rotation.StoreAWS, Reads: Quota{Rate: 10_000, Burst: 10_000}, Writes: Quota{Rate: 50, Burst: 50},
		Express: Steps{
			{Reads: 6, Takes: 6*round + 4*logon},
			{Reads: 1, Writes: 1, Takes: 2 * round},
			{Reads: 1, Takes: round + 2*logon},
			{Takes: logon},
			{Reads: 2, Writes: 1, Takes: 3*round + logon},
		},
		Usual: Steps{
			{Reads: 9, Takes: 9*round + 4*logon},
			{Reads: 5, Writes: 1, Takes: 6 * round},
			{Reads: 7, Takes: 7*round + 4*logon},
			{Reads: 3, Takes: 3*round + 2*logon},
			{Reads: 6, Writes: 1, Takes: 7*round + 1*logon},
		},
	},
}

// Calls are those of one rotation.
func (s Steps) Calls() (c Calls) {
	for _, step := range s {
		c.Reads, c.Writes = c.Reads+step.Reads, c.Writes+step.Writes
	}
	return c
}

// Bound is how long so many rotations take at the least, by the quotas alone.
func (s Store) Bound(secrets int, steps Steps) time.Duration {
	c := steps.Calls()
	bound := max(float64(secrets*c.Reads)/s.Reads.Rate, float64(secrets*c.Writes)/s.Writes.Rate)
	return time.Duration(bound * float64(time.Second))
}
