package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/rotation"
)

// One word is enough where somebody knows a credential; what became of that is said.
func TestRotateLeaked(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	db, err := stack.MySQL.Open(secret.Account, secret.Password.Reveal(), "")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	open, err := db.Conn(t.Context())
	require.NoError(t, err)
	defer func() { _ = open.Close() }() // the server has ended it

	f := run(t, words("rotate", secret, "--leaked"))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "  end ", "  retire ", secret.Version+" no longer logs in as "+secret.Account+"\n",
		"Rotated: version ", "former credential: version "+secret.Version+" no longer logs in\n", "sessions: ")
	require.Error(t, open.PingContext(t.Context()), "its session is gone")
	require.Error(t, db.PingContext(t.Context()), "and it opens no other")

	again := run(t, words("rotate", secret, "--leaked", "--output", "json"))
	require.Equal(t, cli.ExitOK, again.code, again.stdout+again.stderr)
	former := again.report(t).Result.FormerCredential
	require.False(t, former.Valid)
	require.Equal(t, rotation.ProofLogin, former.Retired.Proof)

	wrong := run(t, words("rotate", secret, "--leaked", "--retire-former", "1h"))
	require.Equal(t, cli.ExitUsage, wrong.code)
	require.Contains(t, wrong.stderr, "--retire-former")
}

func TestFormerCredentialIsTold(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	f := run(t, words("rotate", secret, "--retire-former", "24h"))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	inOrder(t, f.stdout, "former credential: version "+secret.Version+" logs in as "+secret.Account+" until 20", "retired by: workflow retire/")
	f = run(t, words("rotate", secret, "--now", "--retire-former", "never"))
	require.Equal(t, cli.ExitOK, f.code, f.stdout+f.stderr)
	require.Contains(t, f.stdout, "still logs in as "+secret.Account+"_rt, until the next rotation\n")
	f = run(t, words("rotate", secret, "--now", "--end-sessions"))
	require.Equal(t, cli.ExitRefused, f.code, f.stdout+f.stderr)
	require.Contains(t, f.stdout, "RetireFormer")
}
