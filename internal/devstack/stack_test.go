package devstack_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"golang.org/x/sync/errgroup"

	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/process"
)

// ownerVariable makes the test program one that starts a stack, says what it is, and runs until it is told to end.
const ownerVariable = "ROTOR_TEST_STACK_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		os.Exit(own())
	}
	m.Run()
}

func own() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	stack, err := devstack.Start(ctx, devstack.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(stack.Temporal.Address, stack.MySQL.Address())
	err = stack.Wait(ctx)
	if err == nil {
		err = stack.Close()
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// owner is another program with a stack.
type owner struct {
	cmd       *exec.Cmd
	addresses []string
}

func startOwner(t *testing.T) owner {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // so that Ctrl-C can be sent to all of it, as a terminal does
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	addresses := strings.Fields(line)
	require.Len(t, addresses, 2, line)
	for _, address := range addresses {
		require.True(t, listens(address), address)
	}
	return owner{cmd, addresses}
}

func listens(address string) bool {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return false
	}
	return connection.Close() == nil
}

// workspaces lists what the stacks of this TMPDIR keep.
func workspaces(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "rotor-*", "*"))
	require.NoError(t, err)
	return found
}

func TestKilledProgramLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", shortTempDir(t))
	killed, living := startOwner(t), startOwner(t)
	require.NotEmpty(t, workspaces(t))
	require.NoError(t, killed.cmd.Process.Kill())
	require.Error(t, killed.cmd.Wait())

	// The next one that starts clears up, and leaves the living one alone.
	next, err := process.NewWorkspace()
	require.NoError(t, err)
	for _, address := range killed.addresses {
		require.False(t, listens(address), address)
	}
	for _, address := range living.addresses {
		require.True(t, listens(address), address)
	}
	require.NoError(t, next.Close())
	require.Len(t, workspaces(t), 2, "Temporal's and MySQL's of the living one")

	require.NoError(t, living.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, living.cmd.Wait())
	require.Empty(t, workspaces(t))
}

func TestCtrlCLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", shortTempDir(t))
	program := startOwner(t)
	require.NoError(t, syscall.Kill(-program.cmd.Process.Pid, syscall.SIGINT))
	require.NoError(t, program.cmd.Wait(), "it ends in order")
	for _, address := range program.addresses {
		require.False(t, listens(address), address)
	}
	require.Empty(t, workspaces(t))
}

func TestStack(t *testing.T) {
	var said strings.Builder
	stack, err := devstack.Start(t.Context(), devstack.Options{Out: &said, MySQL: mysqld.Options{TLS: true}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stack.Close()) })
	require.Contains(t, said.String(), stack.Temporal.WebUI)
	require.Contains(t, said.String(), stack.MySQL.Version)

	t.Run("environment points the SDKs at it", func(t *testing.T) {
		// What a person's own environment may hold must not get in the way.
		t.Setenv("TEMPORAL_API_KEY", "somebody's")
		t.Setenv("TEMPORAL_PROFILE", "production")
		for name, value := range stack.Env() {
			t.Setenv(name, value)
		}
		options, err := envconfig.LoadDefaultClientOptions()
		require.NoError(t, err)
		c, err := client.DialContext(t.Context(), options)
		require.NoError(t, err)
		defer c.Close()
		_, err = c.CheckHealth(t.Context(), &client.CheckHealthRequest{})
		require.NoError(t, err)
		modern, err := mysqld.ModernTLS(t.Context(), stack.MySQL.Binary)
		require.NoError(t, err)
		require.Equal(t, modern, os.Getenv("ROTOR_MYSQL_CA") != "")
		if modern {
			require.FileExists(t, os.Getenv("ROTOR_MYSQL_CA"))
		}
	})

	t.Run("exports are the environment", func(t *testing.T) {
		script := stack.Exports() + "env"
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
		cmd.Env = []string{"TEMPORAL_API_KEY=somebody's"}
		out, err := cmd.Output()
		require.NoError(t, err)
		seen := map[string]string{}
		for line := range strings.Lines(string(out)) {
			name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			if _, ours := stack.Env()[name]; ours {
				seen[name] = value
			}
		}
		want := stack.Env()
		maps.DeleteFunc(want, func(_, value string) bool { return value == "" }) // those are unset
		require.True(t, maps.Equal(want, seen), "%v", seen)
	})

	t.Run("secrets are many and apart", func(t *testing.T) { testSecrets(t, stack) })

	t.Run("bad names are refused", func(t *testing.T) {
		for _, name := range []string{"", "Shop", "shop_rt", "shop`x", "a234567890123", "1shop"} {
			_, err := stack.AddKMSMySQLPair(t.Context(), name)
			require.ErrorContains(t, err, "1 to 12 lower-case letters", name)
		}
		_, err := stack.AddKMSMySQLPair(t.Context(), "team0")
		require.ErrorContains(t, err, "error 1007", "a name can be used once")
	})

	t.Run("a seeder can begin anew", func(t *testing.T) {
		seeder := devstack.Seeder{
			DB: stack.MySQL.DB(), Host: stack.MySQL.Host, Port: stack.MySQL.Port, Cloud: stack.Cloud, Reset: true,
		}
		before, err := seeder.KMSMySQLPair(t.Context(), "anew")
		require.NoError(t, err)
		_, err = stack.MySQL.DB().ExecContext(t.Context(), "CREATE USER 'anew_rt'@'%' IDENTIFIED BY 'k7Lm-2pQ_x9'")
		require.NoError(t, err)
		after, err := seeder.KMSMySQLPair(t.Context(), "anew")
		require.NoError(t, err)
		for login, works := range map[[2]string]bool{
			{before.Account, before.Password.Reveal()}:           false,
			{before.AdminAccount, before.AdminPassword.Reveal()}: false,
			{"anew_rt", "k7Lm-2pQ_x9"}:                           false,
			{after.Account, after.Password.Reveal()}:             true,
			{after.AdminAccount, after.AdminPassword.Reveal()}:   true,
		} {
			db, err := stack.MySQL.Open(login[0], login[1], "")
			require.NoError(t, err)
			require.Equal(t, works, db.PingContext(t.Context()) == nil, login[0])
			require.NoError(t, db.Close())
		}
	})

	t.Run("wait tells when a server dies", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.NoError(t, stack.Wait(ctx))
		require.NoError(t, stack.MySQL.Kill())
		require.ErrorContains(t, stack.Wait(t.Context()), "mysqld ended")
		require.NoError(t, stack.MySQL.Restart(t.Context()))
	})
}

func testSecrets(t *testing.T, stack *devstack.Stack) {
	const count = 20
	var group errgroup.Group
	for i := range count {
		group.Go(func() error {
			_, err := stack.AddKMSMySQLPair(t.Context(), fmt.Sprintf("team%d", i))
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Len(t, stack.Secrets(), count)
	require.Len(t, strings.Split(stack.Env()["ROTOR_DEV_SECRETS"], ","), count)

	secret, other := stack.Secrets()[0], stack.Secrets()[1]
	values := map[string]map[string]any{}
	for _, name := range []string{secret.Name, secret.AdminSecret} {
		values[name] = readSecret(t, stack, name)
	}
	application, admin := values[secret.Name], values[secret.AdminSecret]
	require.Equal(t, map[string]any{
		"Endpoint": stack.MySQL.Host, "Port": float64(stack.MySQL.Port), "DBName": secret.Database,
		"AccountName": secret.Account, "AccountPassword": secret.Password.Reveal(),
		"MasterSecret": secret.AdminSecret, "Team": "orders",
	}, application)
	require.Equal(t, map[string]any{
		"Endpoint": stack.MySQL.Host, "Port": float64(stack.MySQL.Port),
		"AccountName": secret.AdminAccount, "AccountPassword": secret.AdminPassword.Reveal(),
	}, admin)

	partner := secret.Account + "_rt"
	for _, login := range []struct {
		account, password string
		allowed, refused  []string
	}{
		{secret.Account, secret.Password.Reveal(), []string{
			fmt.Sprintf("INSERT INTO `%s`.notes (text) VALUES ('hello')", secret.Database),
		}, []string{
			"CREATE USER 'x'@'%' IDENTIFIED BY 'k7Lm-2pQ_x9'",
			fmt.Sprintf("DROP TABLE `%s`.notes", secret.Database),
			fmt.Sprintf("SELECT * FROM `%s`.notes", other.Database),
			"SELECT * FROM mysql.user",
		}},
		{secret.AdminAccount, secret.AdminPassword.Reveal(), []string{
			fmt.Sprintf("SHOW GRANTS FOR '%s'@'%%'", secret.Account),
			fmt.Sprintf("CREATE USER '%s'@'%%' IDENTIFIED BY 'k7Lm-2pQ_x9'", partner),
			fmt.Sprintf("GRANT SELECT, INSERT ON `%s`.* TO '%s'@'%%'", secret.Database, partner),
			changePassword(stack, partner, "v9Tq-4nB_w2"),
			fmt.Sprintf("REVOKE INSERT ON `%s`.* FROM '%s'@'%%'", secret.Database, partner),
			fmt.Sprintf("DROP USER '%s'@'%%'", partner),
		}, []string{
			fmt.Sprintf("GRANT SELECT ON `%s`.* TO '%s'@'%%'", other.Database, secret.Account),
			fmt.Sprintf("GRANT DROP ON `%s`.* TO '%s'@'%%'", secret.Database, secret.Account),
			"FLUSH PRIVILEGES",
		}},
	} {
		db, err := stack.MySQL.Open(login.account, login.password, "")
		require.NoError(t, err)
		for _, statement := range login.allowed {
			_, err := db.ExecContext(t.Context(), statement)
			require.NoError(t, err, "%s: %s", login.account, statement)
		}
		for _, statement := range login.refused {
			_, err := db.ExecContext(t.Context(), statement)
			var refused *mysql.MySQLError
			require.ErrorAs(t, err, &refused, "%s: %s", login.account, statement)
			require.Contains(t, []uint16{1044, 1142, 1227}, refused.Number, "%s: %s", login.account, statement)
		}
		require.NoError(t, db.Close())
	}
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", secret, secret, secret), secret.Password.Reveal())
}

// changePassword is the statement with which one account changes another's password.
func changePassword(stack *devstack.Stack, account, password string) string {
	if strings.HasPrefix(stack.MySQL.Version, "5.6.") {
		return fmt.Sprintf("SET PASSWORD FOR '%s'@'%%' = PASSWORD('%s')", account, password)
	}
	return fmt.Sprintf("ALTER USER '%s'@'%%' IDENTIFIED BY '%s'", account, password)
}

// readSecret reads a secret's document with the real SDK, as the environment says.
func readSecret(t *testing.T, stack *devstack.Stack, name string) map[string]any {
	t.Helper()
	env := stack.Env()
	sdkClient, err := kms.NewClientWithOptions(devstack.Region, sdk.NewConfig().WithScheme("HTTP"),
		credentials.NewAccessKeyCredential(env["ALIBABA_CLOUD_ACCESS_KEY_ID"], env["ALIBABA_CLOUD_ACCESS_KEY_SECRET"]))
	require.NoError(t, err)
	sdkClient.Domain = strings.TrimPrefix(env["ROTOR_ALIBABA_KMS_ENDPOINT"], "http://")
	request := kms.CreateGetSecretValueRequest()
	request.SecretName = name
	response, err := sdkClient.GetSecretValue(request)
	require.NoError(t, err)
	created, err := time.Parse(time.RFC3339, response.CreateTime)
	require.NoError(t, err)
	require.True(t, created.Before(time.Now().Add(-24*time.Hour)), "no grace time stands in the way of a first rotation")
	var document map[string]any
	require.NoError(t, json.Unmarshal([]byte(response.SecretData), &document))
	return document
}

func TestFailedStartLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", shortTempDir(t))
	_, err := devstack.Start(t.Context(), devstack.Options{MySQL: mysqld.Options{ExtraArgs: []string{"--no-such-setting"}}})
	require.ErrorContains(t, err, "no-such-setting")
	require.Empty(t, workspaces(t))
}

// shortTempDir is a TMPDIR whose sockets' paths are not too long, as t.TempDir's can be.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "t")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}
