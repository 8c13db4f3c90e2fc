package cli_test

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
)

// process is the built starter, running on its own.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr *buffer
	ended          chan struct{}
	tmp            string
}

// launch starts the starter as a shell does: in a process group of its own, with a temporary directory of its own.
func launch(t *testing.T, args ...string) *process {
	t.Helper()
	p := command(t, args...)
	p.cmd.Stdout = p.stdout
	p.begin()
	return p
}

func command(t *testing.T, args ...string) *process {
	t.Helper()
	// The path of a Unix socket has 107 characters at most, and t.TempDir's are long.
	tmp, err := os.MkdirTemp("", "cli")
	require.NoError(t, err)
	p := &process{t: t, cmd: exec.Command(program, args...), stdout: &buffer{}, stderr: &buffer{}, ended: make(chan struct{}), tmp: tmp}
	p.cmd.Stderr = p.stderr
	p.cmd.Env = append(cleanEnv(), "TMPDIR="+tmp)
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	t.Cleanup(func() {
		if p.cmd.Process != nil {
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			<-p.ended
		}
		require.NoError(t, os.RemoveAll(tmp))
	})
	return p
}

// cleanEnv is this process's environment without what points at the tests' stack.
func cleanEnv() (env []string) {
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if _, ours := stack.Env()[name]; !ours && name != "TMPDIR" {
			env = append(env, entry)
		}
	}
	return env
}

func (p *process) begin() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Start())
	go func() {
		defer close(p.ended)
		_ = p.cmd.Wait() // the code is asked for below
	}()
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	require.NoError(p.t, syscall.Kill(-p.cmd.Process.Pid, s))
}

// says waits until the process has printed a text.
func (p *process) says(text string) {
	p.t.Helper()
	deadline := time.After(90 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !strings.Contains(p.stdout.String(), text) {
		select {
		case <-p.ended:
			if !strings.Contains(p.stdout.String(), text) {
				p.t.Fatalf("it ended without %q:\n%s\n%s", text, p.stdout, p.stderr)
			}
		case <-deadline:
			p.t.Fatalf("still no %q:\n%s\n%s", text, p.stdout, p.stderr)
		case <-tick.C:
		}
	}
}

// exits waits for the end, and requires that nothing is left.
func (p *process) exits(code int) {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(90 * time.Second):
		p.t.Fatalf("it still runs:\n%s\n%s", p.stdout, p.stderr)
	}
	require.Equal(p.t, code, p.cmd.ProcessState.ExitCode(), p.stdout.String()+p.stderr.String())
	left, err := filepath.Glob(filepath.Join(p.tmp, "rotor-*", "*"))
	require.NoError(p.t, err)
	require.Empty(p.t, left)
	for _, address := range regexp.MustCompile(`127\.0\.0\.1:\d+`).FindAllString(p.stdout.String(), -1) {
		require.False(p.t, listens(address), address)
	}
}

func listens(address string) bool {
	c, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

func TestDevStackIsUsedByASeparateStarter(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rotor's.env")
	dev := launch(t, "dev", "--env-file", file)
	dev.says("Ctrl-C ends everything.")
	require.NotEmpty(t, regexp.MustCompile(`Web UI: http://127\.0\.0\.1:\d+\n`).FindString(dev.stdout.String()))
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	// A shell with nothing but the file, and a program that was built apart.
	shell := func(line string) (string, error) {
		cmd := exec.Command("sh", "-ec", `. "$1"; PATH="$2:$PATH"; `+line, "sh", file, filepath.Dir(program))
		cmd.Env = cleanEnv()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := shell(`for secret in $(echo $ROTOR_DEV_SECRETS | tr , ' '); do starter rotate "$secret" --region cn-hangzhou; done`)
	require.NoError(t, err, out)
	require.Equal(t, 2, strings.Count(out, "Rotated: version"), out)
	require.Contains(t, out, "TLS 1.3, verified")
	out, err = shell(`for secret in $(echo $ROTOR_DEV_APSARA_SECRETS | tr , ' '); do starter rotate "$secret" --region cn-hangzhou --instance "rm-$secret"; done`)
	require.NoError(t, err, out)
	require.Equal(t, 1, strings.Count(out, "Rotated: version"), out)
	require.Contains(t, out, "account shop_rt (before: shop)")
	out, err = shell(`for secret in $(echo $ROTOR_DEV_AWS_SECRETS | tr , ' '); do starter rotate "$secret" --store aws-secrets-manager --region "$AWS_REGION"; done`)
	require.NoError(t, err, out)
	require.Equal(t, 2, strings.Count(out, "Rotated: version"), out)
	out, err = shell(`starter describe orders --region cn-hangzhou --output json`)
	require.NoError(t, err, out)
	require.Contains(t, out, `"Outcome": "Rotated"`)

	dev.signal(syscall.SIGINT)
	dev.exits(cli.ExitOK)
	require.NoFileExists(t, file)
}

func TestDevEndsInEveryWay(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]syscall.Signal{"SIGTERM": syscall.SIGTERM, "terminal closed": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "env")
			// What a killed one has left there is replaced.
			require.NoError(t, os.WriteFile(file, []byte("# Written by starter; it goes away with what it points at.\nexport OLD=1\n"), 0o600))
			dev := launch(t, "dev", "--env-file", file)
			dev.says("Ctrl-C ends everything.")
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			require.NotContains(t, string(text), "OLD")
			dev.signal(signal)
			dev.exits(cli.ExitOK)
			require.NoFileExists(t, file)
		})
	}
}

func TestDevInterruptedWhileItStarts(t *testing.T) {
	t.Parallel()
	dev := launch(t, "dev")
	eventually(t, 2*time.Minute, "it has begun", func() bool {
		begun, err := filepath.Glob(filepath.Join(dev.tmp, "rotor-*", "*"))
		return err == nil && len(begun) > 0
	})
	dev.signal(syscall.SIGINT)
	dev.exits(cli.ExitInterrupted)
	require.Equal(t, "starter: interrupted; nothing is left behind\n", dev.stderr.String())
}

func TestDevLeavesFilesOfOthersAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "profile")
	require.NoError(t, os.WriteFile(file, []byte("export MINE=1\n"), 0o600))
	for _, path := range []string{file, dir} {
		f := run(t, []string{"dev", "--env-file", path})
		require.Equal(t, cli.ExitUsage, f.code)
		oneLine(t, f.stderr)
		require.Contains(t, f.stderr, "there is something else at that place")
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "export MINE=1\n", string(text))
}

func TestDevEndsWhenAPartOfItDies(t *testing.T) {
	t.Parallel()
	dev := launch(t, "dev")
	dev.says("Ctrl-C ends everything.")
	// Its children stand in its workspaces, as PID-START.
	children, err := filepath.Glob(filepath.Join(dev.tmp, "rotor-*", "*", "children", "*-*"))
	require.NoError(t, err)
	require.NotEmpty(t, children)
	number, _, _ := strings.Cut(filepath.Base(children[0]), "-")
	pid, err := strconv.Atoi(number)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
	dev.exits(cli.ExitRefused)
	require.Regexp(t, `(?m)^starter: \w+ ended: signal: killed`, dev.stderr.String())
}

func TestDemo(t *testing.T) {
	t.Parallel()
	demo := launch(t, "demo")
	demo.exits(cli.ExitOK)
	out := demo.stdout.String()
	inOrder(t, out,
		"Web UI http://127.0.0.1:", "kms-mysql-dual-account, rotation 1 of 2: creates the standby account",
		"  look ", "  new ", "  set ", "  test ", "  end ", "Rotated: version", "account orders_rt (before: orders)",
		"kms-mysql-dual-account, rotation 2 of 2",
		"  look ", "  new ", "  set ", "  test ", "  end ", "Rotated: version", "account orders (before: orders_rt)",
		"kms-apsara-dual-account, rotation 1 of 2", "account shop_rt (before: shop)", "account shop (before: shop_rt)",
		"aws-mysql-dual-account, rotation 1 of 2", "account carts_clone (before: carts)", "account carts (before: carts_clone)",
		"aws-mysql-single-user, rotation 1 of 2", "account reports", "exposure",
		"STORE", "TARGET", "STRATEGY", "OUTCOME", "\nalibaba-kms", "mysql", "dual-account", "Rotated, Rotated",
		"\nalibaba-kms", "apsara-rds", "dual-account", "shop", "Rotated, Rotated",
		"\naws-secrets-manager", "mysql", "dual-account", "carts", "Rotated, Rotated",
		"\naws-secrets-manager", "mysql", "single-user", "reports", "Rotated, Rotated",
		"Web UI: http://127.0.0.1:", "\npasswords found outside store and database: 0 of 15\n",
	)
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	require.Regexp(t, `^logins: [1-9]\d+, failed: 0$`, lines[len(lines)-1])
	require.Empty(t, demo.stderr.String())
}

// Whatever the caller's environment points at, and however their workers are set, the demo has its own.
func TestDemoKeepsTheStack(t *testing.T) {
	t.Parallel()
	demo := command(t, "demo", "--keep", "--only", "kms-mysql-dual-account")
	demo.cmd.Stdout = demo.stdout
	demo.cmd.Env = append(demo.cmd.Env, "TEMPORAL_ADDRESS=temporal.invalid:7233", "TEMPORAL_TLS=maybe", "AWS_PROFILE=nosuch", "AWS_ROLE_ARN=x",
		"ROTOR_STORES=/nosuch", "ROTOR_ALIBABA_KMS_ENDPOINT=https://kms.invalid", "ROTOR_ALIBABA_NETWORK=neither", "PASSWORD_LENGTH=8",
		"ROTOR_MAX_PER_TARGET=many", "ROTOR_TASK_QUEUE=theirs", "ALIBABA_CLOUD_PROFILE=nosuch")
	demo.begin()
	demo.says(", failed: 0\n")
	address := regexp.MustCompile(`--address (127\.0\.0\.1:\d+)`).FindStringSubmatch(demo.stdout.String())
	require.NotNil(t, address, demo.stdout.String())
	described := run(t, []string{"describe", "orders", "--region", "cn-hangzhou", "--address", address[1]})
	require.Contains(t, described.stdout, "Rotated: version")
	demo.signal(syscall.SIGINT)
	demo.exits(cli.ExitOK)
}

func TestDemoInterruptedInTheMiddle(t *testing.T) {
	t.Parallel()
	demo := launch(t, "demo")
	demo.says("rotation 1 of 2")
	demo.signal(syscall.SIGINT)
	demo.exits(cli.ExitInterrupted)
	require.NotContains(t, demo.stdout.String(), "logins:")
}

// The reader of a pipe that goes away, as in starter demo | head -1, ends it in order.
func TestDemoInAPipeThatCloses(t *testing.T) {
	t.Parallel()
	demo := command(t, "demo")
	read, write, err := os.Pipe()
	require.NoError(t, err)
	demo.cmd.Stdout = write
	demo.begin()
	require.NoError(t, write.Close())
	line, err := bufio.NewReader(io.TeeReader(read, demo.stdout)).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "Temporal at ")
	require.NoError(t, read.Close())
	demo.exits(cli.ExitInterrupted)
}

func TestRotateInAPipeThatCloses(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	held := hold(t, "PutSecretValue", secret.Name)
	rotate := command(t, words("rotate", secret)...)
	for name, value := range stack.Env() {
		rotate.cmd.Env = append(rotate.cmd.Env, name+"="+value)
	}
	read, write, err := os.Pipe()
	require.NoError(t, err)
	rotate.cmd.Stdout = write
	rotate.begin()
	require.NoError(t, write.Close())
	_, err = bufio.NewReader(read).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, read.Close())
	reached(t, held)
	held.Release()
	rotate.exits(cli.ExitInterrupted)
	require.Contains(t, rotate.stderr.String(), "the rotation goes on")
}
