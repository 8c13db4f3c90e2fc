package account_test

import (
	"context"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/target/mysql/account"
)

// Random accounts are made on the server, cloned and found equal, by what is read and by the grant tables; then the original
// changes, privileges going as well as coming, and is cloned again.
func TestRandomAccountsAreCloned(t *testing.T) {
	mysqldtest.ForEach(t, testClones)
}

// The same with partial revokes, which are a global setting.
func TestRandomAccountsAreClonedWithPartialRevokes(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		w := worldOn(t, s)
		if !w.server.HasDynamic() {
			_, err := s.DB().ExecContext(t.Context(), "SET GLOBAL partial_revokes = ON")
			require.Error(t, err, "this server knows partial revokes after all")
			return
		}
		testClones(t, mysqldtest.Start(t, mysqld.Options{Binary: s.Binary, ExtraArgs: []string{"--partial-revokes=ON"}}))
	})
}

// names numbers accounts, in three characters: 5.6 takes 16 with the suffix.
var names atomic.Int64

func testClones(t *testing.T, s *mysqld.Server) {
	w := worldOn(t, s)
	conn := connect(t, s.DB())
	rapid.Check(t, func(t *rapid.T) {
		// A name of its own for each: what servers keep of dropped accounts is another test's matter.
		original := rapid.SampledFrom(oddUsers).Draw(t, "user") + strconv.FormatInt(names.Add(1)%(36*36*36), 36)
		clone := original + "_rt"
		defer w.drop(t, original)
		defer w.drop(t, clone)
		for range 2 {
			w.become(t, w.drawSet(t, original))
			changes, err := account.Level(context.Background(), conn, w.server, original, clone, newPassword(), account.Options{})
			t.Logf("clone %s:\n%s", clone, printed(changes))
			require.NoError(t, err)
			require.Equal(t, w.dump(t, original), w.dump(t, clone))

			again, err := account.Compare(context.Background(), conn, w.server, original, clone, account.Options{})
			require.NoError(t, err)
			require.Empty(t, again.Statements())
		}
	})
}

// become makes an account of the server what the model says, and finds by reading that it is.
func (w *world) become(t *rapid.T, wanted account.Set) {
	conn := connect(t, w.DB())
	have, err := account.Read(context.Background(), conn, w.server, wanted.User)
	require.NoError(t, err)
	changes, err := account.Difference(w.server, wanted, have, account.Options{})
	require.NoError(t, err)
	t.Logf("%s:\n%s", wanted.User, printed(changes))
	_, err = account.Apply(context.Background(), conn, w.server, changes, newPassword())
	require.NoError(t, err)
	got, err := account.Read(context.Background(), conn, w.server, wanted.User)
	require.NoError(t, err)
	require.Equal(t, lines(wanted), lines(got))
}

func printed(changes account.Changes) string {
	var out strings.Builder
	for _, s := range changes.Statements() {
		out.WriteString("    " + s.String() + ";\n")
	}
	return out.String()
}
