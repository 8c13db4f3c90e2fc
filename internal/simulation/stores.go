package simulation

import "time"

// Store is what a store allows, and what a rotation asks of it.
type Store struct {
	Name          string
	Reads, Writes Quota
	Steps         []Step
}

// The calls are those that the scale test has counted for a first rotation with dual-account and an admin secret (docs/scaling.md). What a step takes
// beside them is network and database, and differs from place to place; with so many open at once it hardly counts.
const (
	round = 20 * time.Millisecond // of a call within a region
	logon = 30 * time.Millisecond // of a login with TLS
)

// Stores are those whose quotas are documented. Reads are GetSecretValue; Writes are what shares the quota of PutSecretValue and
// UpdateSecretVersionStage, which with Alibaba Cloud KMS are ListSecretVersionIds, too.
var Stores = []Store{
	{
		Name: "alibaba-kms", Reads: Quota{Rate: 450, Burst: 450}, Writes: Quota{Rate: 40, Burst: 40},
		Steps: []Step{
			{Reads: 4, Writes: 2, Takes: 6*round + 4*logon},
			{Reads: 2, Writes: 3, Takes: 5 * round},
			{Reads: 3, Writes: 1, Takes: 4*round + 4*logon},
			{Reads: 2, Takes: 2*round + 2*logon},
			{Reads: 2, Writes: 5, Takes: 7*round + 1*logon},
		},
	},
	{
		Name: "aws-secrets-manager", Reads: Quota{Rate: 10_000, Burst: 10_000}, Writes: Quota{Rate: 50, Burst: 50},
		Steps: []Step{
			{Reads: 6, Takes: 6*round + 4*logon},
			{Reads: 4, Writes: 1, Takes: 5 * round},
			{Reads: 4, Takes: 4*round + 4*logon},
			{Reads: 2, Takes: 2*round + 2*logon},
			{Reads: 5, Writes: 1, Takes: 6*round + 1*logon},
		},
	},
}

// Calls are those of one rotation.
func (s Store) Calls() (reads, writes int) {
	for _, step := range s.Steps {
		reads, writes = reads+step.Reads, writes+step.Writes
	}
	return reads, writes
}

// Bound is how long so many rotations take at the least, by the quotas alone.
func (s Store) Bound(secrets int) time.Duration {
	reads, writes := s.Calls()
	bound := max(float64(secrets*reads)/s.Reads.Rate, float64(secrets*writes)/s.Writes.Rate)
	return time.Duration(bound * float64(time.Second))
}
