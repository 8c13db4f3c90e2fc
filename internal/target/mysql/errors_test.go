package mysql_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	mysqldriver "github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

// canaries are passwords that must turn up nowhere.
const (
	canaryAdmin = "cAnary-Admin_1'\\\"x"
	canaryOld   = "cAnary-Old_2'\\\"x"
	canaryNew   = "cAnary-New_3'\\\"x"
)

// leaks says whether a value shows a password, in whichever way it is printed or encoded.
func leaks(value any) bool {
	encoded, _ := json.Marshal(value)
	all := fmt.Sprintf("%v %+v %#v %s %q", value, value, value, value, encoded)
	return strings.Contains(all, "cAnary")
}

func TestLeaksAreFound(t *testing.T) {
	require.True(t, leaks(fmt.Errorf("near '%s'", canaryNew)))
	require.True(t, leaks(target.Proof{Err: fmt.Errorf("near '%s'", canaryNew)}))
	require.True(t, leaks(mysqldriver.Config{Passwd: canaryNew}))
	require.False(t, leaks(target.Login{Password: rotation.NewSecret(canaryNew)}))
}

// driverLog takes what the driver would write to standard error.
type driverLog struct {
	mu   sync.Mutex
	said []string
}

func (l *driverLog) Print(v ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, fmt.Sprint(v...))
}

func TestNoPasswordInAnyErrorOrLog(t *testing.T) {
	log := &driverLog{}
	require.NoError(t, mysqldriver.SetLogger(log))
	mysqldtest.ForEach(t, func(t *testing.T, shared *mysqld.Server) {
		s := mysqldtest.Start(t, mysqld.Options{Binary: shared.Binary})
		create(t, s, "app", "%", "k7Lm-2pQ_x9")
		create(t, s, "boss", "%", "k7Lm-2pQ_x9")
		exec(t, s, "GRANT SELECT ON mysql.* TO 'boss'@'%'", "GRANT CREATE USER ON *.* TO 'boss'@'%'")
		if s.Flavour == mysqld.MySQL && !since(t, s, 5, 7) { // SET PASSWORD wants it
			exec(t, s, "GRANT UPDATE ON mysql.* TO 'boss'@'%'")
		}
		on := newTarget(t, mysql.Options{StatementTimeout: 2 * time.Second, LockTimeout: time.Second})
		pair := rotation.PairOf("app", "_rt")
		session := lock(t, on, adminOf(s), pair)
		require.NoError(t, session.SetPassword(t.Context(), "boss", rotation.NewSecret(canaryAdmin)))
		require.NoError(t, session.SetPassword(t.Context(), "app", rotation.NewSecret(canaryOld)))
		session.Close()
		boss, app := loginTo(s, "boss", canaryAdmin), loginTo(s, "app", canaryOld)
		next := rotation.NewSecret(canaryNew)

		count := 0
		check := func(what string, err error) {
			t.Helper()
			require.Error(t, err, what)
			require.False(t, leaks(err), "%s: %v", what, err)
			var ours *rotation.Error
			require.ErrorAs(t, err, &ours, what)
			require.False(t, leaks(rotation.FailureOf(rotation.StepSet, ours)), what)
			count++
		}
		require.False(t, leaks(on.Probe(t.Context(), app)))
		wrong := app
		wrong.Password = next
		proof := on.Probe(t.Context(), wrong)
		require.False(t, leaks(proof))
		check("wrong password", proof.Err)
		demanding := app
		demanding.Place.TLS = rotation.TLSRequired
		check("no TLS", on.Probe(t.Context(), demanding).Err)
		demanding = app
		demanding.Place.Database = "missing"
		check("no database", on.Probe(t.Context(), demanding).Err)
		_, err := on.Lock(t.Context(), wrong, pair)
		check("wrong password for the lock", err)
		_, err = on.Survey(t.Context(), question(wrong, rotation.DualAccount))
		check("wrong password for the survey", err)

		session = lock(t, on, boss, pair)
		require.False(t, leaks(session))
		_, err = session.Level(t.Context(), "app", "missing", next)
		check("missing account", err)
		check("missing account", session.SetPassword(t.Context(), "missing", next))
		check("name too long", session.SetPassword(t.Context(), strings.Repeat("n", 200), next))
		check("too long for caching_sha2_password", orTooLong(session.SetPassword(t.Context(), "app", rotation.NewSecret(canaryNew+strings.Repeat("x", 1<<20)))))
		require.NoError(t, session.SetPassword(t.Context(), "app", rotation.NewSecret(canaryOld)))
		exec(t, s, "GRANT FILE ON *.* TO 'app'@'%'")
		_, err = session.Create(t.Context(), "app_rt", "app", next)
		check("a privilege that the admin lacks", err)
		exec(t, s, "REVOKE FILE ON *.* FROM 'app'@'%'", "SET GLOBAL read_only = ON")
		session.Close()
		session = lock(t, on, boss, pair)
		err = session.SetPassword(t.Context(), "app", next)
		check("read-only", err)
		require.Equal(t, rotation.Retryable, rotation.KindOf(err), "a server is failing over, it was not read-only before: %v", err)
		exec(t, s, "SET GLOBAL read_only = OFF")
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		check("cancelled", session.SetPassword(cancelled, "app", next))
		session = lock(t, on, boss, pair)
		own := lock(t, on, app, rotation.PairOf("own", "_rt"))
		if since(t, s, 8, 0) {
			check("not the old password", own.SetOwnPassword(t.Context(), next, next))
		}
		require.NoError(t, s.Kill())
		check("dead server", session.SetPassword(t.Context(), "app", next))
		check("dead server", own.SetOwnPassword(t.Context(), rotation.NewSecret(canaryOld), next))
		_, err = session.Exists(t.Context(), "app")
		check("dead server", err)
		check("dead server", on.Probe(t.Context(), app).Err)
		require.Greater(t, count, 14)
	})
	require.False(t, leaks(log.said))
	require.Empty(t, log.said, "the driver is silent")
}

// orTooLong: only some servers and plugins limit passwords. Where this one doesn't, there is nothing to see.
func orTooLong(err error) error {
	if err == nil {
		return rotation.Errorf(rotation.Permanent, "the server took it")
	}
	return err
}

// Servers that say the password back, where a driver or a careless program would pass it on.
func TestWhatAServerSaysIsNotPassedOn(t *testing.T) {
	packet := func(sequence byte, body string) []byte {
		return append([]byte{byte(len(body)), byte(len(body) >> 8), 0, sequence}, body...)
	}
	for name, test := range map[string]struct {
		answer  []byte
		code    string
		answers rotation.Answer
	}{
		"an error":                    {packet(2, "\xff\x28\x04#42000You have an error near '"+canaryOld+"'"), "1064", rotation.Unknown},
		"an unknown error":            {packet(2, "\xff\x29\x23#HY000"+canaryOld), "9001", rotation.Unknown},
		"a refusal":                   {packet(2, "\xff\x15\x04#28000"+canaryOld), "1045", rotation.RefusedLogin},
		"another plugin":              {packet(2, "\xfe"+canaryOld+"\x0012345678901234567890\x00"), "protocol", rotation.Unknown},
		"a question for the password": {packet(2, "\xfemysql_clear_password\x00"), "protocol", rotation.Unknown},
		"an old question":             {packet(2, "\xfe"), "protocol", rotation.Unknown},
		"no key":                      {append(packet(2, "\xfecaching_sha2_password\x0012345678901234567890\x00"), packet(4, "\x01\x04")...), "protocol", rotation.Unknown},
		"nonsense":                    {[]byte(canaryOld + canaryOld), "lost", rotation.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer func() { require.NoError(t, listener.Close()) }()
			heard := make(chan string, 1)
			go func() {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				greet(c, false)
				all := make([]byte, 4096)
				n, _ := c.Read(all)
				_, _ = c.Write(test.answer)
				_ = c.(*net.TCPConn).CloseWrite()
				for {
					m, err := c.Read(all[n:])
					n += m
					if err != nil || n == len(all) {
						break
					}
				}
				heard <- string(all[:n])
				_ = c.Close()
			}()
			proof := newTarget(t, mysql.Options{}).Probe(t.Context(), target.Login{Account: "app", Password: rotation.NewSecret(canaryOld),
				Place: rotation.Place{Host: "127.0.0.1", Port: listener.Addr().(*net.TCPAddr).Port, TLS: rotation.TLSPreferred}})
			require.Equal(t, test.answers, proof.Answer)
			require.Equal(t, test.code, proof.Code, "%v", proof.Err)
			require.Error(t, proof.Err)
			require.False(t, leaks(proof))
			require.NotContains(t, <-heard, "cAnary", "the password is never said in the clear")
		})
	}
}

func TestPasswordPolicy(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, shared *mysqld.Server) {
		s := mysqldtest.Start(t, mysqld.Options{Binary: shared.Binary})
		create(t, s, "app", "%", password)
		var setup, stricter string
		switch {
		case s.Flavour == mysqld.MariaDB:
			if !hasPlugin(t, s, "simple_password_check.so") {
				return // Debian's core package comes without it
			}
			setup, stricter = "INSTALL SONAME 'simple_password_check'", "SET GLOBAL simple_password_check_digits = 5"
		case since(t, s, 8, 0):
			setup, stricter = "INSTALL COMPONENT 'file://component_validate_password'", "SET GLOBAL validate_password.number_count = 5"
		default:
			if !hasPlugin(t, s, "validate_password.so") {
				return // the npm package of 5.6 comes without it
			}
			setup, stricter = "INSTALL PLUGIN validate_password SONAME 'validate_password.so'", "SET GLOBAL validate_password_number_count = 5"
		}
		exec(t, s, setup)
		on := newTarget(t, mysql.Options{})
		survey, err := on.Survey(t.Context(), question(adminOf(s), rotation.DualAccount))
		require.NoError(t, err)
		require.Equal(t, rotation.PasswordRule{MinLength: 8, Lower: 1, Upper: 1, Digits: 1, Special: 1}, survey.Passwords)
		session := lock(t, on, adminOf(s), rotation.PairOf("app", "_rt"))
		err = session.SetPassword(t.Context(), "app", rotation.NewSecret("cAnary"))
		require.Equal(t, rotation.Permanent, rotation.KindOf(err), "%v", err)
		require.Equal(t, "1819", rotation.CodeOf(err))
		require.False(t, leaks(err))
		requireAccepted(t, on, loginTo(s, "app", password))
		require.NoError(t, session.SetPassword(t.Context(), "app", rotation.NewSecret(newOne)))
		requireAccepted(t, on, loginTo(s, "app", newOne))

		exec(t, s, stricter)
		survey, err = on.Survey(t.Context(), question(adminOf(s), rotation.DualAccount))
		require.NoError(t, err)
		require.Equal(t, 5, survey.Passwords.Digits)
		if !since(t, s, 8, 0) {
			return
		}
		// The password that is to be kept is from before the policy.
		const strong = "T4zz-8vB_w1-56789"
		two := session.(target.TwoPasswords)
		seen, err := two.Passwords(t.Context(), "app")
		require.NoError(t, err)
		require.NoError(t, two.SetBoth(t.Context(), seen, rotation.NewSecret(newOne), rotation.NewSecret(strong), true))
		requireAccepted(t, on, loginTo(s, "app", newOne))
		requireAccepted(t, on, loginTo(s, "app", strong))
	})
}

func hasPlugin(t *testing.T, s *mysqld.Server, file string) bool {
	t.Helper()
	var dir string
	require.NoError(t, s.DB().QueryRowContext(t.Context(), "SELECT @@plugin_dir").Scan(&dir))
	_, err := os.Stat(filepath.Join(dir, file))
	return err == nil
}

func TestAFullServer(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, shared *mysqld.Server) {
		s := mysqldtest.Start(t, mysqld.Options{Binary: shared.Binary, ExtraArgs: []string{"--max-connections=10"}})
		create(t, s, "app", "%", password)
		db, err := s.Open("app", password, "")
		require.NoError(t, err)
		for range 20 { // one more is for an admin
			conn, err := db.Conn(t.Context())
			if err != nil {
				break
			}
			defer func() { require.NoError(t, conn.Close()) }()
		}
		defer func() { require.NoError(t, db.Close()) }()
		on := newTarget(t, mysql.Options{})
		proof := on.Probe(t.Context(), loginTo(s, "app", password))
		require.Equal(t, rotation.Unknown, proof.Answer, "%v", proof.Err)
		require.Equal(t, "1040", proof.Code)
		require.Equal(t, rotation.Retryable, rotation.KindOf(proof.Err))
	})
}

// After too many wrong passwords nobody can tell whether the right one is right.
func TestABlockedAccount(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, shared *mysqld.Server) {
		s := mysqldtest.Start(t, mysqld.Options{Binary: shared.Binary})
		create(t, s, "app", "%", password)
		var code string
		switch {
		case s.Flavour == mysqld.MariaDB:
			exec(t, s, "SET GLOBAL max_password_errors = 2")
			code = "4150"
		case since(t, s, 8, 0):
			exec(t, s, "ALTER USER 'app'@'%' FAILED_LOGIN_ATTEMPTS 2 PASSWORD_LOCK_TIME 1")
			code = "3955"
		default:
			return // nothing of that kind there
		}
		on := newTarget(t, mysql.Options{})
		requireRefused(t, on, loginTo(s, "app", "wrong"))
		on.Probe(t.Context(), loginTo(s, "app", "wrong"))
		for _, p := range []string{password, "wrong"} {
			proof := on.Probe(t.Context(), loginTo(s, "app", p))
			require.Equal(t, rotation.Unknown, proof.Answer, "%v", proof.Err)
			require.Equal(t, code, proof.Code)
			require.Equal(t, rotation.Retryable, rotation.KindOf(proof.Err))
			require.ErrorContains(t, proof.Err, "blocked")
		}
	})
}
