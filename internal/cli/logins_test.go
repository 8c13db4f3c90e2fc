package cli_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/secretstore/alibabakms"
	"rotor/internal/secretstore/awssecretsmanager"
)

func kmsStore(t *testing.T) secretstore.Store {
	t.Helper()
	store, err := alibabakms.New(alibabakms.Options{Endpoint: stack.CloudURL})
	require.NoError(t, err)
	return store
}

// A client that always reads first may still log in with what was replaced meanwhile; that is not the rotation's fault. A login
// that fails with what is current is.
func TestLoginsThatCountAsFailed(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	ref := secretstore.Ref{Region: secret.Region, Name: secret.Name}
	require.NoError(t, cli.LogIn(t.Context(), kmsStore(t), ref))

	old, err := kmsStore(t).ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, cli.ExitOK, run(t, words("rotate", secret)).code)
	require.NoError(t, cli.LogIn(t.Context(), &lagging{Store: kmsStore(t), old: []secretstore.Value{old}}, ref), "the previous version logs in")
	previous, err := kmsStore(t).ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, cli.ExitOK, run(t, words("rotate", secret, "--now")).code)
	require.NoError(t, cli.LogIn(t.Context(), &lagging{Store: kmsStore(t), old: []secretstore.Value{old}}, ref))

	execSQL(t, "ALTER USER '"+secret.Account+"_rt'@'%' IDENTIFIED BY 'changed-behind-its-back'")
	err = cli.LogIn(t.Context(), &lagging{Store: kmsStore(t), old: []secretstore.Value{previous}}, ref)
	require.ErrorContains(t, err, "refused with error 1045", "the previous version has to log in, too")
	execSQL(t, "ALTER USER '"+secret.Account+"'@'%' IDENTIFIED BY 'changed-behind-its-back'")
	err = cli.LogIn(t.Context(), kmsStore(t), ref)
	require.EqualError(t, err, "log in as "+secret.Account+" at "+stack.MySQL.Address()+": refused with error 1045")
	err = cli.LogIn(t.Context(), kmsStore(t), secretstore.Ref{Region: secret.Region, Name: "nosuch"})
	require.ErrorContains(t, err, "nosuch")
}

// lagging gives old values first.
type lagging struct {
	secretstore.Store
	old []secretstore.Value
}

func (l *lagging) ReadCurrent(ctx context.Context, ref secretstore.Ref) (secretstore.Value, error) {
	if len(l.old) > 0 {
		v := l.old[0]
		l.old = l.old[1:]
		return v, nil
	}
	return l.Store.ReadCurrent(ctx, ref)
}

func TestDemoFailsForEachReason(t *testing.T) {
	t.Parallel()
	good := []rotation.Outcome{rotation.Rotated, rotation.Rotated}
	require.Equal(t, cli.ExitOK, cli.Verdict(good, 0, 0))
	require.Equal(t, cli.ExitRefused, cli.Verdict(good, 1, 0))
	require.Equal(t, cli.ExitRefused, cli.Verdict(good, 0, 1))
	require.Equal(t, cli.ExitRefused, cli.Verdict([]rotation.Outcome{rotation.Rotated, rotation.RolledBack}, 0, 0))
	require.Equal(t, cli.ExitRefused, cli.Verdict([]rotation.Outcome{""}, 0, 0))
}

// With a single account, a refused login waits for the secret to change. One that comes to work then has not failed; one whose secret
// stays as it is has.
func TestLoginsOfASingleAccount(t *testing.T) {
	t.Parallel()
	secret, err := stack.AddAWSSingleUser(t.Context(), "cliexposed")
	require.NoError(t, err)
	store, err := awssecretsmanager.New(awssecretsmanager.Options{Endpoint: stack.CloudURL})
	require.NoError(t, err)
	ref := secretstore.Ref{Region: secret.Region, Name: secret.Name}
	old, err := store.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
	f := run(t, []string{"rotate", secret.Name, "--region", secret.Region, "--store", secret.Store})
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "single-user, account cliexposed at", "account cliexposed has the new password", "logged in as cliexposed", "is current, account cliexposed, in",
		"exposure: ")
	// The stage has not moved yet for the first two readers.
	exposed, err := cli.LogInSingle(t.Context(), &lagging{Store: store, old: []secretstore.Value{old, old, old}}, ref)
	require.NoError(t, err)
	require.Equal(t, int64(1), exposed)
	execSQL(t, "ALTER USER '"+secret.Account+"'@'%' IDENTIFIED BY 'changed-behind-its-back'")
	_, err = cli.LogInSingle(t.Context(), store, ref)
	require.ErrorContains(t, err, "refused with error 1045")
}
