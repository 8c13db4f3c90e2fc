package rotation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

func TestTogether(t *testing.T) {
	t.Parallel()
	check := func(secret, address, server, account, next, admin string, s rotation.Strategy) rotation.Check {
		return rotation.Check{Store: rotation.StoreAWS, Region: "r-1", Secret: secret, Address: address, Server: server, Account: account, Next: next, Admin: admin, Strategy: s}
	}
	const arn = "arn:aws:secretsmanager:r-1:123456789012:secret:admin-AbCdEf"
	for name, test := range map[string]struct {
		checks []rotation.Check
		want   [][]string
	}{
		"nothing in common": {
			[]rotation.Check{check("a", "db:1", "", "x", "x_rt", "", rotation.DualAccount), check("b", "db:1", "", "y", "y_rt", "", rotation.DualAccount),
				check("c", "db:2", "", "x", "x_rt", "", rotation.DualAccount)}, [][]string{nil, nil, nil},
		},
		"one pair, seen from both sides": {
			[]rotation.Check{check("a", "db:1", "", "x", "x_rt", "", rotation.DualAccount), check("b", "db:1", "", "x_rt", "x", "", rotation.DualAccount)},
			[][]string{{rotation.FindingShared}, {rotation.FindingShared}},
		},
		"one server, two addresses": {
			[]rotation.Check{check("a", "db:1", "uuid", "x", "x", "", rotation.SingleUser), check("b", "other:1", "uuid", "x", "x_rt", "", rotation.DualAccount)},
			[][]string{{rotation.FindingShared}, {rotation.FindingShared}},
		},
		"two servers behind one name": {
			[]rotation.Check{check("a", "db:1", "uuid", "x", "x", "", rotation.SingleUser), check("b", "db:1", "other", "x", "x_rt", "", rotation.DualAccount)},
			[][]string{nil, nil},
		},
		"an admin that is rotated with one account": {
			[]rotation.Check{check("a", "db:1", "", "x", "x_rt", arn, rotation.DualAccount), check("admin", "db:1", "", "root", "root", "", rotation.SingleUser)},
			[][]string{{rotation.WarningAdminRotates}, nil},
		},
		"an admin that is rotated with two accounts": {
			[]rotation.Check{check("a", "db:1", "", "x", "x_rt", "admin", rotation.DualAccount), check("admin", "db:1", "", "root", "root_rt", "", rotation.DualAccount)},
			[][]string{nil, nil},
		},
		"what could not be looked at": {
			[]rotation.Check{check("a", "", "", "", "", "", ""), check("b", "", "", "", "", "", "")}, [][]string{nil, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for i, findings := range rotation.Together(test.checks) {
				var words []string
				for _, f := range findings {
					words = append(words, f.Word)
					require.NotEmpty(t, f.Do)
				}
				require.Equal(t, test.want[i], words, test.checks[i].Secret)
			}
		})
	}
}
