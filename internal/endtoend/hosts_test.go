package endtoend

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
)

var elsewhereNumber atomic.Int64

// elsewhere is an address of this machine that no other test's clients have.
func elsewhere() string { return fmt.Sprintf("127.0.2.%d", elsewhereNumber.Add(1)) }

// logsInFrom is logsIn from an address.
func logsInFrom(t *testing.T, address string, c credential) bool {
	t.Helper()
	config := stack.MySQL.Config(c.AccountName, c.AccountPassword, "")
	config.DialFunc = func(ctx context.Context, network, to string) (net.Conn, error) {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}, Timeout: config.Timeout}
		return dialer.DialContext(ctx, network, to)
	}
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	defer func() { require.NoError(t, db.Close()) }()
	err = db.PingContext(t.Context())
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && refused.Number == 1045 {
		return false
	}
	require.NoError(t, err)
	return true
}

// changesTogether says whether the server changes the passwords of several accounts in one statement.
func changesTogether() bool {
	return strings.HasPrefix(stack.MySQL.Version, "8.") || strings.HasPrefix(stack.MySQL.Version, "9.")
}

// give lets the account have a password, as an attempt of Set that died has given it: on all hosts where the server changes them together,
// else on the one that the worker logs in to.
func give(t *testing.T, c credential, hosts ...string) {
	t.Helper()
	execute(t, passwordStatement(c.AccountName, c.AccountPassword))
	for _, host := range hosts {
		if changesTogether() {
			execute(t, "ALTER USER '"+c.AccountName+"'@'"+host+"' IDENTIFIED BY '"+c.AccountPassword+"'")
		}
	}
}

// An account exists on two hosts, and the worker logs in to one of them. What an attempt that died has left out on the other is made up for.
func TestSingleUserOnSeveralHosts(t *testing.T) {
	t.Parallel()
	for name, died := range map[string]bool{"at once": false, "after an attempt that died": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret, address := newSecret(t), elsewhere()
			former := holder(t, secret, alibabakms.Current)
			execute(t, "CREATE USER '"+secret.Account+"'@'"+address+"' IDENTIFIED BY '"+former.AccountPassword+"'")
			require.True(t, logsInFrom(t, address, former))
			run := start(t, queue, secret, func(r *rotation.Request) { r.Strategy = rotation.SingleUser })
			if died {
				meddle(t, run, rotation.StepSet, func() func() {
					give(t, credentialOf(t, pendingOf(t, secret)), address)
					return nil
				})
			}
			result := outcome(t, run)
			require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
			now := holder(t, secret, alibabakms.Current)
			require.True(t, logsIn(t, now))
			require.True(t, logsInFrom(t, address, now), "also clients of the other host log in")
			require.False(t, logsIn(t, former))
			require.False(t, logsInFrom(t, address, former))
		})
	}
}

// The standby account exists on two hosts, was adopted, and the rotation fails: no host keeps this rotation's password.
func TestAdoptedStandbyOnSeveralHosts(t *testing.T) {
	t.Parallel()
	secret, address := newSecret(t), elsewhere()
	for _, statement := range []string{
		"CREATE USER '" + secret.Account + "'@'" + address + "' IDENTIFIED BY '" + secret.Password.Reveal() + "'",
		"CREATE USER '" + secret.Account + "_rt'@'%' IDENTIFIED BY 'theirs-0815'",
		"CREATE USER '" + secret.Account + "_rt'@'" + address + "' IDENTIFIED BY 'theirs-0815'",
	} {
		execute(t, statement)
	}
	run := start(t, queue, secret, func(r *rotation.Request) { r.AdoptStandby = true })
	denied := denyAt(t, secret, run, rotation.StepTest)
	var pending credential
	meddle(t, run, rotation.StepSet, func() func() {
		pending = credentialOf(t, pendingOf(t, secret))
		return nil
	})
	result := outcome(t, run)
	denied.Remove()
	require.Equal(t, rotation.RolledBack, result.Outcome, result.Reason)
	require.False(t, logsIn(t, pending))
	require.False(t, logsInFrom(t, address, pending))
	require.False(t, logsInFrom(t, address, credential{pending.AccountName, "theirs-0815"}), "Set had replaced it")
}

// A server that keeps a history of passwords takes none twice, so that what an attempt that died has set is not set again.
func TestSetAgainWithAPasswordHistory(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
	second := holder(t, secret, alibabakms.Current)
	if changesTogether() {
		execute(t, "ALTER USER '"+secret.Account+"'@'%', '"+secret.Account+"_rt'@'%' PASSWORD HISTORY 5")
	}
	run := start(t, queue, secret, func(r *rotation.Request) { r.AcceptPasswordHistory = true })
	meddle(t, run, rotation.StepSet, func() func() {
		give(t, credentialOf(t, pendingOf(t, secret)))
		return nil
	})
	result := outcome(t, run)
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
	require.True(t, logsIn(t, second))
}
