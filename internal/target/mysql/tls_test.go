package mysql_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

// speaksTLS12: MySQL 5.6 stops at TLS 1.0 or 1.1, which nothing should speak any more.
func speaksTLS12(t *testing.T, s *mysqld.Server) bool {
	return s.Flavour == mysqld.MariaDB || since(t, s, 5, 7)
}

func TestTLSModesOnAServerWithTLS(t *testing.T) {
	mysqldtest.ForEachWithTLS(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "plain", "%", password)
		for name, test := range map[string]struct {
			mode rotation.TLSMode
			ca   bool
			host string
			// says is what the proof says of the connection; "" if there must be none.
			says string
			// because is in the error.
			because string
			oldSays string // on a server that stops at TLS 1.1
		}{
			"required":                       {mode: rotation.TLSRequired, ca: true, host: "127.0.0.1", says: "TLS 1.3, verified"},
			"required, by name":              {mode: rotation.TLSRequired, ca: true, host: "localhost", says: "TLS 1.3, verified"},
			"required, unknown authority":    {mode: rotation.TLSRequired, host: "127.0.0.1", because: "signed by no authority that this worker knows"},
			"required, another host's":       {mode: rotation.TLSRequired, ca: true, host: "127.0.0.2", because: `not for "127.0.0.2", but for "localhost", 127.0.0.1`},
			"preferred":                      {mode: rotation.TLSPreferred, ca: true, host: "127.0.0.1", says: "TLS 1.3, verified"},
			"preferred, unknown authority":   {mode: rotation.TLSPreferred, host: "127.0.0.1", says: "TLS 1.3, not verified: the server's certificate is signed by no authority that this worker knows"},
			"preferred, another host's name": {mode: rotation.TLSPreferred, ca: true, host: "127.0.0.2", says: `TLS 1.3, not verified: the server's certificate is not for "127.0.0.2", but for "localhost", 127.0.0.1`},
			"off":                            {mode: rotation.TLSOff, ca: true, host: "127.0.0.1", says: "none: SSL is false", oldSays: "none: SSL is false"},
		} {
			t.Run(name, func(t *testing.T) {
				var options mysql.Options
				if test.ca {
					options.CAFiles = []string{s.CAFile}
				}
				on := newTarget(t, options)
				r := newRelay(t, s, test.host)
				login := r.login(loginTo(s, "plain", password), test.mode)

				proof := on.Probe(t.Context(), login)

				require.Equal(t, 1, r.connections())
				says, because := test.says, test.because
				if !speaksTLS12(t, s) {
					says, because = test.oldSays, "TLS 1.2 or later"
				}
				if says != "" {
					require.NoError(t, proof.Err)
					require.Equal(t, rotation.Accepted, proof.Answer)
					require.Contains(t, proof.TLS, says)
					// The login packet holds the name of the account.
					require.Equal(t, test.mode == rotation.TLSOff, contains(r.heard(), "plain"))
					return
				}
				require.Equal(t, rotation.Unknown, proof.Answer)
				require.Equal(t, "tls", proof.Code)
				require.Equal(t, rotation.Permanent, rotation.KindOf(proof.Err))
				require.ErrorContains(t, proof.Err, because)
				for _, choice := range []string{"ROTOR_MYSQL_CA", "host name", "SSL to false"} {
					require.ErrorContains(t, proof.Err, choice)
				}
				require.NotContains(t, r.heard(), "plain")
			})
		}
	})
}

func TestTLSModesOnAServerWithoutTLS(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "plain", "%", password)
		on := newTarget(t, mysql.Options{})
		r := newRelay(t, s, "127.0.0.1")
		login := loginTo(s, "plain", password)

		proof := on.Probe(t.Context(), r.login(login, rotation.TLSRequired))
		require.Equal(t, rotation.Unknown, proof.Answer)
		require.Equal(t, "tls", proof.Code)
		require.Equal(t, rotation.Permanent, rotation.KindOf(proof.Err))
		require.ErrorContains(t, proof.Err, "SSL is true and the server offers no TLS")
		require.ErrorContains(t, proof.Err, "set SSL to false")
		require.NotContains(t, r.heard(), "plain", "nothing was said to the server")

		words := map[rotation.TLSMode]string{rotation.TLSPreferred: "none: the server offers no TLS", rotation.TLSOff: "none: SSL is false"}
		const key = "; the password was encrypted with a key that came over the same connection, unverified"
		for mode, says := range words {
			// The first login after a change takes the full way on caching_sha2_password, where the server gives a key.
			setPassword(t, on, s, "plain", newOne)
			login := loginTo(s, "plain", newOne)
			proof := requireAccepted(t, on, r.login(login, mode))
			if since(t, s, 8, 0) {
				require.Equal(t, says+key, proof.TLS)
				proof = requireAccepted(t, on, r.login(login, mode))
			}
			require.Equal(t, says, proof.TLS)
		}
	})
}

// An account that demands TLS tells from the server's side whether there is some.
func TestTLSIsWhatTheServerSees(t *testing.T) {
	mysqldtest.ForEachWithTLS(t, func(t *testing.T, s *mysqld.Server) {
		create(t, s, "demanding", "%", password)
		if since(t, s, 5, 7) || s.Flavour == mysqld.MariaDB {
			exec(t, s, "ALTER USER 'demanding'@'%' REQUIRE SSL")
		} else {
			exec(t, s, "GRANT USAGE ON *.* TO 'demanding'@'%' REQUIRE SSL")
		}
		on := newTarget(t, mysql.Options{CAFiles: []string{s.CAFile}})
		login := loginTo(s, "demanding", password)
		login.Place.TLS = rotation.TLSOff
		requireRefused(t, on, login)
		for _, mode := range []rotation.TLSMode{rotation.TLSRequired, rotation.TLSPreferred} {
			login.Place.TLS = mode
			if speaksTLS12(t, s) {
				requireAccepted(t, on, login)
			} else {
				require.Equal(t, "tls", on.Probe(t.Context(), login).Code)
			}
		}
	})
}

func TestARefusedLoginIsTriedOnce(t *testing.T) {
	for name, forEach := range map[string]func(*testing.T, func(*testing.T, *mysqld.Server)){
		"with TLS": mysqldtest.ForEachWithTLS, "without TLS": mysqldtest.ForEach,
	} {
		t.Run(name, func(t *testing.T) {
			forEach(t, func(t *testing.T, s *mysqld.Server) {
				create(t, s, "once", "%", password)
				options := mysql.Options{}
				if s.CAFile != "" {
					options.CAFiles = []string{s.CAFile}
				}
				on := newTarget(t, options)
				for _, mode := range []rotation.TLSMode{rotation.TLSRequired, rotation.TLSPreferred, rotation.TLSOff} {
					if mode != rotation.TLSOff && s.CAFile != "" && !speaksTLS12(t, s) || mode == rotation.TLSRequired && s.CAFile == "" {
						continue // no login at all; see the tests above
					}
					r := newRelay(t, s, "127.0.0.1")
					wrong := r.login(loginTo(s, "once", "not-the-password"), mode)
					requireRefused(t, on, wrong)
					require.Equal(t, 1, r.connections(), "mode %s", mode)

					_, err := on.Lock(t.Context(), wrong, rotation.PairOf("once", "_rt"))
					require.Equal(t, "1045", rotation.CodeOf(err))
					require.Equal(t, 2, r.connections(), "mode %s", mode)

					_, err = on.Survey(t.Context(), target.Question{By: wrong, Strategy: rotation.DualAccount, Pair: rotation.PairOf("once", "_rt"), Current: "once"})
					require.Equal(t, "1045", rotation.CodeOf(err))
					require.Equal(t, 3, r.connections(), "mode %s", mode)
				}
			})
		})
	}
}

func TestFilesOfAuthorities(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, []byte("no certificate"), 0o600))
	good := mysqldtest.FirstWithTLS(t).CAFile
	for name, test := range map[string]struct {
		files []string
		bad   string
	}{
		"none":            {},
		"one":             {files: []string{good}},
		"an empty entry":  {files: []string{"", good}},
		"missing":         {files: []string{good, filepath.Join(dir, "missing.pem")}, bad: "missing.pem can't be read"},
		"a directory":     {files: []string{dir}, bad: "can't be read"},
		"not certificate": {files: []string{empty}, bad: "empty.pem has no certificate in it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mysql.New(mysql.Options{CAFiles: test.files})
			if test.bad == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "ROTOR_MYSQL_CA")
			require.ErrorContains(t, err, test.bad)
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
		})
	}
}
