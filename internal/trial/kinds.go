package trial

import (
	"context"
	"time"

	"rotor/internal/cloudsim/apsarards"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// Kind is a kind of secret and the way in which it is rotated.
type Kind struct {
	Name string
	Add  func(devstack.Seeder, context.Context, string) (devstack.Secret, error)
	// Strategy is asked for; "" leaves it to the secret.
	Strategy rotation.Strategy
	// Known: what it reads from the database was tried with another kind, which reads the same.
	Known bool
	// Repeated: the secret has been rotated before, so that there is a standby account.
	Repeated bool
}

// Kinds are all that there are. A new one is a line here.
var Kinds = []Kind{
	{Name: "kms, dual-account, first", Add: devstack.Seeder.KMSMySQLPair},
	{Name: "kms, dual-account", Add: devstack.Seeder.KMSMySQLPair, Repeated: true},
	{Name: "kms, single-user by its admin", Add: devstack.Seeder.KMSMySQLPair, Strategy: rotation.SingleUser},
	{Name: "aws, dual-account, first", Add: devstack.Seeder.AWSPair, Known: true},
	{Name: "aws, dual-account", Add: devstack.Seeder.AWSPair, Known: true, Repeated: true},
	{Name: "aws, single-user", Add: devstack.Seeder.AWSSingleUser},
	{Name: "apsara-rds, dual-account, first", Add: quickInstance},
	{Name: "apsara-rds, dual-account", Add: quickInstance, Repeated: true},
	{Name: "apsara-rds, single-user", Add: quickInstance, Strategy: rotation.SingleUser},
}

// alternates says whether clients that hold the former credential can go on using it after a rotation.
func (k Kind) alternates(s devstack.Secret) bool {
	strategy := k.Strategy
	if strategy == "" {
		strategy = s.Strategy
	}
	return strategy != rotation.SingleUser
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
