package mysqld_test

import (
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"os"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
)

func TestMain(m *testing.M) { mysqldtest.Main(m) }

func TestOnlyTheAdminCanLogIn(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		var user, host string
		require.NoError(t, s.DB().QueryRowContext(t.Context(), "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1), SUBSTRING_INDEX(CURRENT_USER(), '@', -1)").Scan(&user, &host))
		require.Equal(t, s.AdminUser, user)
		require.Equal(t, "%", host)

		for name, login := range map[string]struct{ user, password string }{
			"no password":     {s.AdminUser, ""},
			"wrong password":  {s.AdminUser, s.AdminPassword + "x"},
			"anonymous":       {"", ""},
			"unknown account": {"somebody", ""},
		} {
			for _, network := range []struct{ net, address string }{{"tcp", s.Address()}, {"unix", s.Socket}} {
				t.Run(name+" over "+network.net, func(t *testing.T) {
					config := s.Config(login.user, login.password, "")
					config.Net, config.Addr = network.net, network.address
					err := ping(t, config)
					var refused *mysql.MySQLError
					require.ErrorAs(t, err, &refused)
					require.Equal(t, uint16(1045), refused.Number)
				})
			}
		}
		t.Run("admin over unix", func(t *testing.T) {
			config := s.Config(s.AdminUser, s.AdminPassword, "")
			config.Net, config.Addr = "unix", s.Socket
			require.NoError(t, ping(t, config))
		})
	})
}

func TestAdminCanGrant(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		for _, statement := range []string{
			"CREATE USER 'granted'@'%' IDENTIFIED BY 'k7Lm-2pQ_x9'",
			"GRANT ALL PRIVILEGES ON *.* TO 'granted'@'%' WITH GRANT OPTION",
			"GRANT PROXY ON 'granted'@'%' TO 'granted'@'%'",
		} {
			_, err := s.DB().ExecContext(t.Context(), statement)
			require.NoError(t, err, statement)
		}
		require.NoError(t, ping(t, s.Config("granted", "k7Lm-2pQ_x9", "mysql")))
		_, err := s.DB().ExecContext(t.Context(), "DROP USER 'granted'@'%'")
		require.NoError(t, err)
		require.Error(t, ping(t, s.Config("granted", "k7Lm-2pQ_x9", "mysql")))
	})
}

func TestServersAreDistinct(t *testing.T) {
	binaries, err := mysqld.Binaries()
	require.NoError(t, err)
	for _, binary := range binaries {
		one := mysqldtest.Start(t, mysqld.Options{Binary: binary})
		two := mysqldtest.Start(t, mysqld.Options{Binary: binary})
		t.Run(one.Name(), func(t *testing.T) {
			require.NotEqual(t, one.Port, two.Port)
			require.NotEqual(t, one.AdminPassword, two.AdminPassword)
			require.Error(t, ping(t, two.Config(one.AdminUser, one.AdminPassword, "")))
			if one.Flavour == mysqld.MySQL {
				require.NotEqual(t, uuid(t, one), uuid(t, two))
			}
		})
	}
}

func TestDataSurvivesKillAndRestart(t *testing.T) {
	binaries, err := mysqld.Binaries()
	require.NoError(t, err)
	for _, binary := range binaries {
		s := mysqldtest.Start(t, mysqld.Options{Binary: binary})
		t.Run(s.Name(), func(t *testing.T) {
			_, err := s.DB().ExecContext(t.Context(), "CREATE DATABASE kept")
			require.NoError(t, err)
			_, err = s.DB().ExecContext(t.Context(), "CREATE TABLE kept.t (a INT PRIMARY KEY) ENGINE=InnoDB")
			require.NoError(t, err)
			for i, stop := range []func() error{s.Kill, func() error { return nil }} {
				_, err = s.DB().ExecContext(t.Context(), "INSERT INTO kept.t VALUES (?)", i)
				require.NoError(t, err)
				port := s.Port
				require.NoError(t, stop())
				require.NoError(t, s.Restart(t.Context()))
				require.Equal(t, port, s.Port)
				var rows int
				require.NoError(t, s.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM kept.t").Scan(&rows))
				require.Equal(t, i+1, rows)
			}
			require.NoError(t, s.Kill())
			require.Error(t, ping(t, s.Config(s.AdminUser, s.AdminPassword, "")))
		})
	}
}

func TestTLS(t *testing.T) {
	mysqldtest.ForEachWithTLS(t, func(t *testing.T, s *mysqld.Server) {
		pem, err := os.ReadFile(s.CAFile)
		require.NoError(t, err)
		roots := x509.NewCertPool()
		require.True(t, roots.AppendCertsFromPEM(pem))

		base := &tls.Config{RootCAs: roots}
		if strings.HasPrefix(s.Version, "5.6.") {
			base.MinVersion, base.CipherSuites = tls.VersionTLS10, []uint16{tls.TLS_RSA_WITH_AES_256_CBC_SHA}
		}
		for name, test := range map[string]struct {
			host    string
			roots   *x509.CertPool
			refused bool
		}{
			"address":             {"127.0.0.1", roots, false},
			"name":                {"localhost", roots, false},
			"other name":          {"db.example.com", roots, true},
			"unknown authorities": {"localhost", x509.NewCertPool(), true},
		} {
			t.Run(name, func(t *testing.T) {
				config := s.Config(s.AdminUser, s.AdminPassword, "")
				config.TLS = base.Clone()
				config.TLS.RootCAs, config.TLS.ServerName = test.roots, test.host
				err := ping(t, config)
				if test.refused {
					var unverified *tls.CertificateVerificationError
					require.ErrorAs(t, err, &unverified)
					return
				}
				require.NoError(t, err)
			})
		}
	})
}

func TestNoTLSMeansNone(t *testing.T) {
	mysqldtest.ForEach(t, func(t *testing.T, s *mysqld.Server) {
		require.Empty(t, s.CAFile)
		config := s.Config(s.AdminUser, s.AdminPassword, "")
		config.TLSConfig = "skip-verify"
		require.ErrorIs(t, ping(t, config), mysql.ErrNoTLS)
	})
}

func TestStopLeavesNothing(t *testing.T) {
	s, err := mysqld.Start(t.Context(), mysqld.Options{})
	require.NoError(t, err)
	require.FileExists(t, s.Socket)
	config := s.Config(s.AdminUser, s.AdminPassword, "")
	require.NoError(t, ping(t, config))
	require.NoError(t, s.Stop())
	require.NoFileExists(t, s.Socket)
	require.Error(t, ping(t, config))
	require.NoError(t, s.Stop())
}

func TestExtraArgsWin(t *testing.T) {
	s := mysqldtest.Start(t, mysqld.Options{ExtraArgs: []string{"--max-connections=17"}})
	var connections int
	require.NoError(t, s.DB().QueryRowContext(t.Context(), "SELECT @@max_connections").Scan(&connections))
	require.Equal(t, 17, connections)
}

func TestWrongArgumentIsReportedWithTheLog(t *testing.T) {
	_, err := mysqld.Start(t.Context(), mysqld.Options{ExtraArgs: []string{"--no-such-setting=1"}})
	require.ErrorContains(t, err, "no-such-setting")
}

func TestBinaries(t *testing.T) {
	t.Run("several", func(t *testing.T) {
		t.Setenv(mysqld.BinariesVariable, "/bin/sh:/bin/ls")
		paths, err := mysqld.Binaries()
		require.NoError(t, err)
		require.Equal(t, []string{"/bin/sh", "/bin/ls"}, paths)
	})
	t.Run("missing one is named", func(t *testing.T) {
		t.Setenv(mysqld.BinariesVariable, "/bin/sh:/no/such/mysqld")
		_, err := mysqld.Binaries()
		require.ErrorContains(t, err, "/no/such/mysqld")
	})
	t.Run("not a server", func(t *testing.T) {
		_, err := mysqld.Start(t.Context(), mysqld.Options{Binary: "/bin/true"})
		require.ErrorContains(t, err, "does not answer like a MySQL or MariaDB server")
	})
}

func ping(t *testing.T, config *mysql.Config) error {
	t.Helper()
	connector, err := mysql.NewConnector(config)
	require.NoError(t, err)
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }()
	return db.PingContext(t.Context())
}

func uuid(t *testing.T, s *mysqld.Server) string {
	t.Helper()
	var id string
	require.NoError(t, s.DB().QueryRowContext(t.Context(), "SELECT @@server_uuid").Scan(&id))
	return id
}
