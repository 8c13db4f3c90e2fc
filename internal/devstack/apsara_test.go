package devstack

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/apsarards"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
)

// TestInstanceServer has a real server behind a simulated instance, of each kind that there is.
func TestInstanceServer(t *testing.T) {
	binaries, err := mysqld.Binaries()
	require.NoError(t, err)
	for _, binary := range binaries {
		t.Run(binary, func(t *testing.T) {
			server, err := mysqld.Start(t.Context(), mysqld.Options{Binary: binary})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, server.Stop()) })
			testInstanceServer(t, server)
			testApsaraPair(t, server)
		})
	}
}

func testInstanceServer(t *testing.T, server *mysqld.Server) {
	const name, password = "who_is'it", `b\ack'slash-1A`
	s, err := newInstanceServer(t.Context(), server.DB())
	require.NoError(t, err)
	for _, database := range []string{"one_db", "onexdb"} {
		_, err := server.DB().ExecContext(t.Context(), "CREATE DATABASE "+database)
		require.NoError(t, err)
	}
	_, err = s.Privileges(t.Context(), name)
	require.ErrorIs(t, err, apsarards.ErrNoAccount)
	require.ErrorIs(t, s.DropAccount(t.Context(), name), apsarards.ErrNoAccount)
	require.ErrorContains(t, s.SetPassword(t.Context(), name, password), "set the password of account "+name+": the server refused it with error")

	require.NoError(t, s.CreateAccount(t.Context(), name, password))
	require.True(t, logsIn(t, server, name, password))
	err = s.CreateAccount(t.Context(), name, password)
	require.ErrorContains(t, err, "error 1396")
	require.NotContains(t, err.Error(), password)
	held, err := s.Privileges(t.Context(), name)
	require.NoError(t, err)
	require.Empty(t, held)

	require.NoError(t, s.Revoke(t.Context(), name, "one_db"), "nothing to take is no error")
	require.NoError(t, s.Grant(t.Context(), name, "one_db", []string{"SELECT", "CREATE TEMPORARY TABLES"}))
	require.NoError(t, s.Grant(t.Context(), name, apsarards.Global, []string{"PROCESS"}))
	require.NoError(t, s.Grant(t.Context(), name, apsarards.Global, nil))
	held, err = s.Privileges(t.Context(), name)
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"SELECT", "CREATE TEMPORARY TABLES"}, held["one_db"])
	require.Equal(t, []string{"PROCESS"}, held[apsarards.Global])
	db, err := server.Open(name, password, "")
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "USE onexdb")
	require.Equal(t, uint16(1044), numberOf(err), "the underscore is no pattern")
	require.NoError(t, db.Close())

	require.NoError(t, s.Revoke(t.Context(), name, "one_db"))
	held, err = s.Privileges(t.Context(), name)
	require.NoError(t, err)
	require.NotContains(t, held, "one_db")
	require.NoError(t, s.SetPassword(t.Context(), name, "another-1A"))
	require.True(t, logsIn(t, server, name, "another-1A"))
	require.False(t, logsIn(t, server, name, password))
	require.NoError(t, s.DropAccount(t.Context(), name))
	require.False(t, logsIn(t, server, name, "another-1A"))
}

func testApsaraPair(t *testing.T, server *mysqld.Server) {
	cloud := cloudsim.New(cloudsim.Options{})
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	seeder := Seeder{DB: server.DB(), Host: server.Host, Port: server.Port, Cloud: cloud, Reset: true}
	before, err := seeder.KMSApsaraPair(t.Context(), "apsara")
	require.NoError(t, err)
	require.True(t, apsaraPasswords.Takes(before.Password))
	after, err := seeder.KMSApsaraPair(t.Context(), "apsara")
	require.NoError(t, err)
	require.Equal(t, rotation.TargetApsaraRDS, after.Target)
	require.Equal(t, "rm-apsara", after.Instance)
	require.True(t, logsIn(t, server, after.Account, after.Password.Reveal()))
	require.False(t, logsIn(t, server, before.Account, before.Password.Reveal()))
	accounts := cloud.ApsaraRDS().In(cloud.Credential().Account, Region).Accounts(after.Instance)
	require.Len(t, accounts, 1)
	require.Equal(t, map[string]string{"apsara": "ReadWrite"}, accounts[0].Privileges)
	_, err = seeder.KMSApsaraPair(t.Context(), "Not-a-name")
	require.ErrorContains(t, err, "1 to 12 lower-case letters")
}

func logsIn(t *testing.T, server *mysqld.Server, account, password string) bool {
	t.Helper()
	db, err := server.Open(account, password, "")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	err = db.PingContext(context.WithoutCancel(t.Context()))
	if err != nil {
		require.Equal(t, uint16(1045), numberOf(err))
	}
	return err == nil
}
