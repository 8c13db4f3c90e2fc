package cli

import (
	"context"
	"strings"

	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// kind is one kind of rotation that the demo shows. A new store, target or strategy is a row of kinds.
type kind struct {
	// Name is what --only takes.
	Name string
	// Secret names the ready-made secret that it rotates.
	Secret string
	add    func(s *devstack.Stack, ctx context.Context, name string) (devstack.Secret, error)
	// Says what each of its two rotations does.
	Says [2]string
}

var kinds = []kind{
	{
		Name: "kms-mysql-dual-account", Secret: "orders", add: (*devstack.Stack).AddKMSMySQLPair,
		Says: [2]string{"creates the standby account and makes it current", "goes back to the first account, with a new password"},
	},
	{
		Name: "kms-apsara-dual-account", Secret: "shop", add: (*devstack.Stack).AddKMSApsaraPair,
		Says: [2]string{"creates the account shop_rt through the RDS API and makes it current", "goes back to the first account, with a new password"},
	},
	{
		Name: "aws-mysql-dual-account", Secret: "carts", add: (*devstack.Stack).AddAWSPair,
		Says: [2]string{"creates the account carts_clone and makes it current", "goes back to the first account, with a new password"},
	},
	{
		Name: "aws-mysql-single-user", Secret: "reports", add: (*devstack.Stack).AddAWSSingleUser,
		Says: [2]string{"the account changes its own password", "and once more"},
	},
}

// kindsNamed gives the kind of that name, or all of them for "".
func kindsNamed(name string) ([]kind, error) {
	if name == "" {
		return kinds, nil
	}
	var names []string
	for _, k := range kinds {
		if k.Name == name {
			return []kind{k}, nil
		}
		names = append(names, k.Name)
	}
	return nil, usagef("--only %s: unknown kind; available: %s", name, strings.Join(names, ", "))
}

// row is a line of the demo's table.
type row struct {
	secret   devstack.Secret
	outcomes []rotation.Outcome
	seconds  float64
}

func (r row) outcome() string {
	var words []string
	for _, o := range r.outcomes {
		words = append(words, string(o))
	}
	return strings.Join(words, ", ")
}
