package endtoend

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// What a check says that a rotation would change is, to the letter but for passwords and the version's id, what the rotation that follows
// changes: the statements that the database gets, and the calls that the cloud gets.
func TestCheckTellsWhatTheRotationDoes(t *testing.T) {
	t.Parallel()
	single := func(r *rotation.Request) { r.Strategy = rotation.SingleUser }
	rotated := func(t *testing.T, s devstack.Secret) {
		require.Equal(t, rotation.Rotated, rotate(t, s, nil).Outcome)
	}
	double := func(r *rotation.Request) { r.Strategy = rotation.DualPassword }
	for name, c := range map[string]struct {
		make    func(*testing.T) devstack.Secret
		prepare func(*testing.T, devstack.Secret)
		ask     func(*rotation.Request)
		// statements and calls are how many there are.
		statements, calls int
	}{
		"two passwords, set by the admin": {make: newSecret, prepare: nothing, ask: double, statements: 1, calls: 3},
		"two passwords, set by itself":    {make: newSecret, prepare: selfChanging, ask: double, statements: 1, calls: 3},
		"two passwords, a second time": {make: newSecret, prepare: func(t *testing.T, s devstack.Secret) {
			require.Equal(t, rotation.Rotated, rotate(t, s, double).Outcome)
		}, ask: double, statements: 1, calls: 3},
		"the standby is created": {make: newSecret, prepare: nothing, statements: 2, calls: 3},
		"the standby is equal":   {make: newSecret, prepare: rotated, statements: 1, calls: 3},
		"the standby differs": {make: newSecret, prepare: func(t *testing.T, s devstack.Secret) {
			rotated(t, s)
			execute(t, "REVOKE INSERT, SELECT ON `"+s.Database+"`.* FROM '"+s.Account+"'@'%'")
			execute(t, "GRANT DROP ON `"+s.Database+"`.notes TO '"+s.Account+"'@'%'")
			execute(t, "GRANT DROP ON `"+s.Database+"`.* TO '"+s.AdminAccount+"'@'%' WITH GRANT OPTION")
		}, statements: 3, calls: 3},
		"the former one is retired": {make: newSecret, prepare: nothing, ask: func(r *rotation.Request) { r.RetireFormer = rotation.RetireNow }, statements: 3, calls: 3},
		"on two hosts": {make: newSecret, prepare: func(t *testing.T, s devstack.Secret) {
			execute(t, "CREATE USER '"+s.Account+"'@'10.9.8.7' IDENTIFIED BY '"+s.Password.Reveal()+"'")
			execute(t, "GRANT SELECT (text) ON `"+s.Database+"`.notes TO '"+s.Account+"'@'10.9.8.7'")
		}, statements: 4, calls: 3},
		"one account, changed by its admin": {make: newSecret, prepare: nothing, ask: single, statements: 1, calls: 3},
		"one account, changed by itself":    {make: newSecret, prepare: edited(without("MasterSecret")), statements: 1, calls: 3},
		"one account, finished": {make: newSecret, prepare: func(t *testing.T, s devstack.Secret) {
			edit(t, s.Name, without("MasterSecret"))
			setStale(t, s, makeStale(t, s))
		}, calls: 2},
		"AWS, two accounts":           {make: newAWSPair, prepare: nothing, statements: 2, calls: 2},
		"AWS, one account":            {make: newAWSSingleUser, prepare: nothing, statements: 1, calls: 2},
		"RDS, the standby is created": {make: newApsara, prepare: nothing, calls: 5},
		"RDS, the standby differs": {make: newApsara, prepare: func(t *testing.T, s devstack.Secret) {
			rotated(t, s)
			execute(t, "REVOKE DELETE ON `"+s.Database+"`.* FROM '"+s.Account+"'@'%'")
		}, calls: 6},
		"RDS, one account": {make: newApsara, prepare: nothing, ask: single, calls: 4},
	} {
		if strings.HasPrefix(name, "two passwords") && !twoPasswords() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := c.make(t)
			r := newRelay(t)
			lead(t, secret, r)
			c.prepare(t, secret)
			before := len(r.changes())
			found := check(t, secret, c.ask)
			require.True(t, found.Fine(), found.Findings)
			require.Len(t, r.changes(), before, "a check sends no statement that changes something")
			since := lastRequest()
			result := rotate(t, secret, c.ask)
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)

			var statements, calls []string
			for _, planned := range found.Changes {
				text := strings.ReplaceAll(planned.Text, rotation.VersionToCome, result.Version)
				if (planned.Step == rotation.StepSet || planned.Step == rotation.StepRetire) && secret.Instance == "" {
					statements = append(statements, text)
				} else {
					calls = append(calls, text)
				}
			}
			require.Len(t, statements, c.statements, statements)
			require.Len(t, calls, c.calls, calls)
			require.Equal(t, strings.Join(r.changes()[before:], "\n"), strings.Join(statements, "\n"), "in their order")
			require.Equal(t, changingCalls(secret, since), calls)
			require.NotContains(t, strings.Join(statements, "\n"), "''***''")
		})
	}
}

// lead makes both documents lead to the relay. An instance of ApsaraDB RDS has no statements to be seen there.
func lead(t *testing.T, secret devstack.Secret, r *relay) {
	t.Helper()
	switch {
	case secret.Instance != "":
	case secret.Store == rotation.StoreAWS:
		for _, name := range []string{secret.Name, secret.AdminSecret} {
			if name != "" {
				awsEdit(t, name, with("host", r.host))
			}
		}
	default:
		edit(t, secret.Name, with("Endpoint", r.host))
		edit(t, secret.AdminSecret, with("Endpoint", r.host))
	}
}

// changingCalls are the calls about a secret that asked for a change, as a check writes them.
func changingCalls(secret devstack.Secret, since int) (list []string) {
	for _, r := range stack.Cloud.RequestsSince(since) {
		about := r.Resource == secret.Name || secret.Instance != "" && concerns(r, secret)
		if about && writes(r) {
			list = append(list, written(r))
		}
	}
	return list
}

// everywhere are parameters that each call has, whatever it asks for.
var everywhere = []string{
	"Action", "Version", "RegionId", "Format", "AccessKeyId", "SignatureMethod", "SignatureType", "SignatureVersion", "SignatureNonce", "Signature", "Timestamp",
}

func written(r cloudsim.Request) string {
	line := r.Action
	for _, name := range slices.Sorted(maps.Keys(r.Params)) {
		if !slices.Contains(everywhere, name) {
			line += " " + name + "=" + r.Params[name]
		}
	}
	return line
}
