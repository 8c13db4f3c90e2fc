package trial

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rotor/internal/cloudsim/apsarards"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
)

// Kind is a kind of secret and the way in which it is rotated.
type Kind struct {
	Name string
	Add  func(devstack.Seeder, context.Context, string) (devstack.Secret, error)
	// Strategy is asked for; "" leaves it to the secret.
	Strategy rotation.Strategy
	// Alone: the secret is of a single account.
	Alone bool
	// Known: what it reads from the database was tried with another kind, which reads the same.
	Known bool
	// Repeated: the secret has been rotated before, so that there is a standby account.
	Repeated bool
	// Retires: the former credential is made unusable right after the rotation.
	Retires bool
	// Express: its steps go express.
	Express bool
	// Network: the way to the database leads over a Network.
	Network bool
	// Settings of its workers, over those of trials.
	Settings map[string]string
	// Patience is how long New, Set and Test are tried; "" leaves it to the product.
	Patience string
}

// AsExpress is the kind whose steps go express. What they read from the database is the same.
func (k Kind) AsExpress() Kind {
	k.Name += ", express"
	k.Express, k.Known = true, true
	return k
}

// Again says whether a rotation leaves things so that the next one is of the same kind.
func (k Kind) Again() bool { return k.Repeated || k.Strategy == rotation.SingleUser || k.Alone }

// kinds are all that there are. A new one is a line here.
var kinds = []Kind{
	{Name: "kms, dual-account, first", Add: devstack.Seeder.KMSMySQLPair},
	{Name: "kms, dual-account", Add: devstack.Seeder.KMSMySQLPair, Repeated: true},
	{Name: "kms, dual-account, retired at once", Add: devstack.Seeder.KMSMySQLPair, Repeated: true, Retires: true},
	{Name: "kms, single-user by its admin", Add: devstack.Seeder.KMSMySQLPair, Strategy: rotation.SingleUser},
	{Name: "aws, dual-account, first", Add: devstack.Seeder.AWSPair, Known: true},
	{Name: "aws, dual-account", Add: devstack.Seeder.AWSPair, Known: true, Repeated: true},
	{Name: "aws, single-user", Add: devstack.Seeder.AWSSingleUser, Alone: true},
	{Name: "apsara-rds, dual-account, first", Add: quickInstance},
	{Name: "apsara-rds, dual-account", Add: quickInstance, Repeated: true},
	{Name: "apsara-rds, single-user", Add: quickInstance, Strategy: rotation.SingleUser},
	{Name: "kms, dual-password, first", Add: devstack.Seeder.KMSMySQLPair, Strategy: rotation.DualPassword},
	{Name: "kms, dual-password", Add: devstack.Seeder.KMSMySQLPair, Strategy: rotation.DualPassword, Repeated: true},
	{Name: "kms, dual-password, retired at once", Add: devstack.Seeder.KMSMySQLPair, Strategy: rotation.DualPassword, Repeated: true, Retires: true},
	{Name: "aws, dual-password", Add: devstack.Seeder.AWSPair, Strategy: rotation.DualPassword, Known: true, Repeated: true},
}

// Kinds are those that the bench's database server can take: two passwords are MySQL's, from 8.0 on.
func (b *Bench) Kinds() (can []Kind) {
	for _, k := range kinds {
		if b.Takes(k) {
			can = append(can, k)
		}
	}
	return can
}

// Takes says whether the bench's database server can take a kind.
func (b *Bench) Takes(k Kind) bool {
	var major int
	_, err := fmt.Sscanf(b.Stack.MySQL.Version, "%d.", &major)
	return k.Strategy != rotation.DualPassword || err == nil && b.Stack.MySQL.Flavour == mysqld.MySQL && major >= 8
}

// StrategyOf is the strategy that a secret of the kind is rotated by.
func (k Kind) StrategyOf(s devstack.Secret) rotation.Strategy {
	return cmp.Or(k.Strategy, s.Strategy)
}

// instanceDelay is how long the instances of trials take for a change of an account.
const instanceDelay = 50 * time.Millisecond

func quickInstance(s devstack.Seeder, ctx context.Context, name string) (devstack.Secret, error) {
	secret, err := s.KMSApsaraPair(ctx, name)
	if err == nil {
		s.Cloud.ApsaraRDS().In(s.Cloud.Credential().Account, devstack.Region).Change(secret.Instance, func(i *apsarards.Instance) { i.Delay = instanceDelay })
	}
	return secret, err
}
