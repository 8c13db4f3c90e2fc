package mysql_test

import (
	"bufio"
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

// What the server answers to a right and to a wrong password of an account in some state.
func TestProbeAnswers(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		on := newTarget(t, mysql.Options{})
		exec(t, s, "CREATE DATABASE closed")
		t.Cleanup(func() { _, _ = s.DB().Exec("DROP DATABASE closed") })
		type answer struct {
			answer rotation.Answer
			code   string
			kind   rotation.Kind
		}
		refused := answer{rotation.RefusedLogin, "1045", rotation.Permanent}
		mariadb := s.Flavour == mysqld.MariaDB
		expired := answer{rotation.Accepted, "1862", rotation.Permanent}
		if mariadb {
			expired.code = "1820" // it lets them in, and then takes nothing but a new password
		}
		locked := answer{rotation.Accepted, "3118", rotation.Permanent}
		if mariadb {
			locked.code = "4151"
		}
		for name, test := range map[string]struct {
			skip     bool
			setup    []string
			database string
			hold     bool // one connection stays open
			right    answer
			wrong    answer
		}{
			"clean":                    {right: answer{answer: rotation.Accepted}, wrong: refused},
			"with a database":          {setup: []string{"GRANT SELECT ON closed.* TO 'probed'@'%'"}, database: "closed", right: answer{answer: rotation.Accepted}, wrong: refused},
			"no right on the database": {database: "closed", right: answer{rotation.Accepted, "1044", rotation.Permanent}, wrong: refused},
			"database missing": {setup: []string{"GRANT SELECT ON *.* TO 'probed'@'%'"}, database: "missing",
				right: answer{rotation.Accepted, "1049", rotation.Permanent}, wrong: refused},
			"expired": {setup: []string{expire(t, s, "probed")}, right: expired, wrong: refused},
			"locked": {skip: !mariadb && !since(t, s, 5, 7), setup: []string{"ALTER USER 'probed'@'%' ACCOUNT LOCK"},
				right: locked, wrong: refused},
			"no connection left": {setup: []string{"GRANT USAGE ON *.* TO 'probed'@'%' WITH MAX_USER_CONNECTIONS 1",
				"ALTER USER 'probed'@'%' WITH MAX_USER_CONNECTIONS 1"}, hold: true,
				right: answer{rotation.Accepted, "1226", rotation.Retryable}, wrong: refused},
			"unix_socket": {skip: !mariadb, setup: []string{"ALTER USER 'probed'@'%' IDENTIFIED VIA unix_socket"},
				right: answer{rotation.Unknown, "1698", rotation.Permanent}, wrong: answer{rotation.Unknown, "1698", rotation.Permanent}},
			"demands a certificate": {setup: []string{"GRANT USAGE ON *.* TO 'probed'@'%' REQUIRE X509", "ALTER USER 'probed'@'%' REQUIRE X509"},
				right: refused, wrong: refused},
			"another host's": {setup: []string{"RENAME USER 'probed'@'%' TO 'probed'@'10.9.8.7'"}, right: refused, wrong: refused},
		} {
			if test.skip {
				continue
			}
			t.Run(name, func(t *testing.T) {
				create(t, s, "probed", "%", password)
				t.Cleanup(func() { drop(s, "probed", "10.9.8.7") })
				if len(test.setup) == 2 { // one of them for MySQL 8 and later, which has moved it out of GRANT
					at := 0
					if since(t, s, 8, 0) {
						at = 1
					}
					test.setup = test.setup[at : at+1]
				}
				exec(t, s, test.setup...)
				if test.hold {
					db, err := s.Open("probed", password, "")
					require.NoError(t, err)
					defer func() { require.NoError(t, db.Close()) }()
					require.NoError(t, db.PingContext(t.Context()))
				}
				for which, want := range map[string]answer{password: test.right, "wrong-" + password: test.wrong} {
					login := loginTo(s, "probed", which)
					login.Place.Database = test.database
					proof := on.Probe(t.Context(), login)
					require.Equal(t, want.answer, proof.Answer, "%v", proof.Err)
					require.Equal(t, want.code, proof.Code)
					if want.code == "" {
						require.NoError(t, proof.Err)
						continue
					}
					require.Error(t, proof.Err)
					require.Equal(t, want.kind, rotation.KindOf(proof.Err))
					require.Equal(t, want.code, rotation.CodeOf(proof.Err))
					require.ErrorContains(t, proof.Err, `log in to `+s.Address()+` as "probed"`)
				}
			})
		}
	})
}

func expire(t *testing.T, s *mysqld.Server, user string) string {
	return "ALTER USER '" + user + "'@'%' PASSWORD EXPIRE"
}

func TestProbeTellsServersApart(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		other := mysqldtest.Start(t, mysqld.Options{Binary: s.Binary})
		on := newTarget(t, mysql.Options{})
		create(t, s, "anybody", "%", password)

		id := requireAccepted(t, on, adminOf(s)).Server
		require.Equal(t, id, requireAccepted(t, on, adminOf(s)).Server)
		require.Equal(t, id, requireAccepted(t, on, loginTo(s, "anybody", password)).Server, "an account without privileges sees the same")
		r := newRelay(t, s, "127.0.0.1")
		require.Equal(t, id, requireAccepted(t, on, r.login(adminOf(s), rotation.TLSPreferred)).Server, "whichever way it was reached")
		require.NotEqual(t, id, requireAccepted(t, on, adminOf(other)).Server)

		before := requireAccepted(t, on, adminOf(other)).Server
		require.NoError(t, other.Restart(t.Context()))
		require.Equal(t, before, requireAccepted(t, on, adminOf(other)).Server, "a restart changes nothing")
	})
}

func TestSecureTransportRequired(t *testing.T) {
	mysqldtest.ForEachWithTLS(t, func(t *testing.T, s *mysqld.Server) {
		if !speaksTLS12(t, s) {
			return // it has no such setting
		}
		exec(t, s, "SET GLOBAL require_secure_transport = ON")
		t.Cleanup(func() { _, _ = s.DB().Exec("SET GLOBAL require_secure_transport = OFF") })
		on := newTarget(t, mysql.Options{CAFiles: []string{s.CAFile}})
		login := adminOf(s)
		requireAccepted(t, on, login)
		login.Place.TLS = rotation.TLSOff
		proof := on.Probe(t.Context(), login)
		if s.Flavour == mysqld.MariaDB { // which says the same as of a wrong password
			require.Equal(t, rotation.RefusedLogin, proof.Answer)
			require.Equal(t, "1045", proof.Code)
		} else {
			require.Equal(t, rotation.Unknown, proof.Answer)
			require.Equal(t, "3159", proof.Code)
			require.ErrorContains(t, proof.Err, "set SSL to true")
		}
		require.Equal(t, rotation.Permanent, rotation.KindOf(proof.Err))
		require.ErrorContains(t, proof.Err, "TLS connection")
	})
}

// Places where there is no server that answers.
func TestProbeWithoutAnAnswer(t *testing.T) {
	on := newTarget(t, mysql.Options{DialTimeout: 300 * time.Millisecond, LoginTimeout: 600 * time.Millisecond})
	for name, test := range map[string]struct {
		serve func(net.Conn) // nil: nothing listens
		host  string
		mode  rotation.TLSMode
		code  string
	}{
		"nothing listens":  {code: "refused"},
		"no such host":     {host: "no-such-host.invalid", code: "unknown host"},
		"silence":          {serve: func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }, code: "timeout"},
		"hangs up at once": {serve: func(net.Conn) {}, code: "lost"},
		"speaks HTTP":      {serve: func(c net.Conn) { _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")) }, code: "lost"},
		"an old protocol":  {serve: func(c net.Conn) { _, _ = c.Write([]byte{5, 0, 0, 0, 9, '3', '.', '2', 0}) }, code: "protocol"},
		"silence after hello": {serve: func(c net.Conn) {
			greet(c, false)
			_, _ = bufio.NewReader(c).ReadString(0)
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Read(make([]byte, 1))
		}, code: "timeout"},
		"silence in TLS": {serve: func(c net.Conn) {
			greet(c, true)
			for {
				if _, err := c.Read(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, mode: rotation.TLSRequired, code: "timeout"},
		"hangs up in TLS": {serve: func(c net.Conn) { greet(c, true); _, _ = c.Read(make([]byte, 36)); _, _ = c.Read(make([]byte, 4096)) }, mode: rotation.TLSRequired, code: "lost"},
		"no TLS after all": {serve: func(c net.Conn) {
			greet(c, true)
			_, _ = c.Read(make([]byte, 36))
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte("MySQL server has gone away"))
		}, mode: rotation.TLSRequired, code: "tls"},
		"no TLS though it said": {serve: func(c net.Conn) {
			greet(c, true)
			_, _ = c.Read(make([]byte, 36))
			_, _ = c.Read(make([]byte, 4096))
			_, _ = c.Write([]byte("MySQL server has gone away"))
		}, mode: rotation.TLSPreferred, code: "tls"},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer func() { _ = listener.Close() }()
			accepted := 0
			done := make(chan struct{})
			if test.serve == nil {
				require.NoError(t, listener.Close())
				close(done)
			} else {
				go func() {
					defer close(done)
					for {
						c, err := listener.Accept()
						if err != nil {
							return
						}
						accepted++
						test.serve(c)
						_ = c.Close()
					}
				}()
			}
			login := target.Login{Account: "app", Password: rotation.NewSecret(password),
				Place: rotation.Place{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, TLS: test.mode}}
			if test.host != "" {
				login.Place.Host = test.host
			}
			if test.mode == "" {
				login.Place.TLS = rotation.TLSPreferred
			}
			began := time.Now()
			proof := on.Probe(t.Context(), login)
			require.Less(t, time.Since(began), 3*time.Second)
			require.Equal(t, rotation.Unknown, proof.Answer)
			require.Equal(t, test.code, proof.Code, "%v", proof.Err)
			want := rotation.Retryable
			if test.code == "tls" {
				want = rotation.Permanent
			}
			require.Equal(t, want, rotation.KindOf(proof.Err), "%v", proof.Err)
			_ = listener.Close()
			<-done
			if test.serve != nil && test.host == "" {
				require.Equal(t, 1, accepted)
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		proof := on.Probe(ctx, adminOf(mysqldtest.First(t)))
		require.Equal(t, rotation.Unknown, proof.Answer)
		require.Equal(t, "cancelled", proof.Code)
	})
}

// greet sends the greeting of a MySQL 8 server, with or without TLS.
func greet(c net.Conn, tls bool) {
	const (
		protocol41 = 0x0200
		ssl        = 0x0800
		secure     = 0x8000
		pluginAuth = 0x0008 // of the upper half
	)
	low := protocol41 | secure | 1
	if tls {
		low |= ssl
	}
	body := append([]byte{10}, "8.0.99\x00"...)
	body = append(body, 7, 0, 0, 0)
	body = append(body, "12345678\x00"...)
	body = append(body, byte(low), byte(low>>8), 45, 2, 0, pluginAuth, 0, 21)
	body = append(body, make([]byte, 10)...)
	body = append(body, "123456789012\x00mysql_native_password\x00"...)
	_, _ = c.Write(append([]byte{byte(len(body)), 0, 0, 0}, body...))
}
