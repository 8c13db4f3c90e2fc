package process_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/devstack/process"
)

// ownerVariable makes the test program an owner: it starts a child in a workspace, says so, and waits to be killed.
const ownerVariable = "ROTOR_TEST_WORKSPACE_OWNER"

func TestMain(m *testing.M) {
	if os.Getenv(ownerVariable) != "" {
		own()
	}
	m.Run()
}

// outside is a file beside the workspaces that an owner writes.
const outside = "outside.env"

func own() {
	workspace, err := process.NewWorkspace()
	if err == nil {
		_, err = workspace.Start(process.Command{Name: "sleep", Path: "/bin/sleep", Args: []string{"600"}})
	}
	if err == nil {
		err = workspace.WriteFile(filepath.Join(os.TempDir(), outside), []byte("export A=1\n"))
	}
	fmt.Println(workspace.Path(), err)
	// Garbage collection and idle threads must not look like the death of the parent.
	for range 20 {
		runtime.GC()
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// owner is another program that owns a workspace with one child.
type owner struct {
	cmd       *exec.Cmd
	workspace string
	child     int
}

func startOwner(t *testing.T) owner {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), ownerVariable+"=1")
	_, err := cmd.StdinPipe() // open as long as we are
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	path, ok := strings.CutSuffix(strings.TrimSpace(line), " <nil>")
	require.True(t, ok, line)
	records, err := os.ReadDir(filepath.Join(path, process.RecordsFolder))
	require.NoError(t, err)
	require.Len(t, records, 1)
	o := owner{cmd: cmd, workspace: path}
	_, err = fmt.Sscanf(records[0].Name(), "%d-", &o.child)
	require.NoError(t, err)
	return o
}

func (o owner) kill(t *testing.T) {
	t.Helper()
	require.NoError(t, o.cmd.Process.Kill())
	_ = o.cmd.Wait()
}

func alive(pid int) bool {
	_, err := process.Identify(pid)
	return err == nil
}

func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 10*time.Second, 5*time.Millisecond, what)
}

func newWorkspace(t *testing.T) *process.Workspace {
	t.Helper()
	workspace, err := process.NewWorkspace()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, workspace.Close()) })
	return workspace
}

func TestKilledOwnerLeavesNothing(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	owner := startOwner(t)
	require.True(t, alive(owner.child))

	// Another program's start disturbs nobody who lives.
	newWorkspace(t)
	require.True(t, alive(owner.child))
	require.DirExists(t, owner.workspace)

	owner.kill(t)
	if runtime.GOOS == "linux" {
		eventually(t, func() bool { return !alive(owner.child) }, "the kernel ends the child with its parent")
	}
	newWorkspace(t)
	require.False(t, alive(owner.child))
	require.NoDirExists(t, owner.workspace)
}

func TestChildThatOutlivedItsOwnerIsSwept(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	owner := startOwner(t)
	// A child of ours stands in for one that survived, as it can on systems without parent-death signals.
	survivor := exec.Command("/bin/sleep", "600")
	survivor.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, survivor.Start())
	ended := make(chan struct{})
	go func() { _ = survivor.Wait(); close(ended) }()
	record, err := process.Identify(survivor.Process.Pid)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(owner.workspace, process.RecordsFolder, record), nil, 0o600))
	owner.kill(t)

	newWorkspace(t)
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the survivor still runs")
	}
	require.NoDirExists(t, owner.workspace)
}

func TestReusedProcessIDIsLeftAlone(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	owner := startOwner(t)
	bystander := exec.Command("/bin/sleep", "600")
	bystander.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	require.NoError(t, bystander.Start())
	t.Cleanup(func() { _ = bystander.Process.Kill(); _ = bystander.Wait() })
	// The same id, but another start: what the record meant has ended long ago.
	record := fmt.Sprintf("%d-1", bystander.Process.Pid)
	require.NoError(t, os.WriteFile(filepath.Join(owner.workspace, process.RecordsFolder, record), nil, 0o600))
	owner.kill(t)

	newWorkspace(t)
	require.NoDirExists(t, owner.workspace)
	require.True(t, alive(bystander.Process.Pid))
}

func TestForeignNamesAreLeftAlone(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	root := filepath.Dir(newWorkspace(t).Path())
	for _, name := range []string{"notes", "1-2-3", "x-1-y"} {
		require.NoError(t, os.Mkdir(filepath.Join(root, name), 0o700))
	}
	newWorkspace(t)
	for _, name := range []string{"notes", "1-2-3", "x-1-y"} {
		require.DirExists(t, filepath.Join(root, name))
	}
}

func TestCloseEndsChildrenAndDeletes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	workspace, err := process.NewWorkspace()
	require.NoError(t, err)
	// The shell's own child must go with it.
	child, err := workspace.Start(process.Command{
		Name: "sh", Path: "/bin/sh", Args: []string{"-c", "sleep 600 & echo $! > grandchild; wait"},
	})
	require.NoError(t, err)
	var grandchild int
	eventually(t, func() bool {
		text, err := os.ReadFile(workspace.Path("grandchild"))
		if err != nil {
			return false
		}
		n, _ := fmt.Sscan(string(text), &grandchild)
		return n == 1
	}, "the grandchild's id")
	require.NoError(t, child.Ended())
	require.True(t, alive(grandchild))

	require.NoError(t, workspace.Close())
	require.Error(t, child.Ended())
	eventually(t, func() bool { return !alive(grandchild) }, "the grandchild ends")
	require.NoDirExists(t, workspace.Path())
	require.NoError(t, workspace.Close())
	_, err = workspace.Start(process.Command{Name: "late", Path: "/bin/true"})
	require.ErrorContains(t, err, "closed")
}

func TestChildIsInItsOwnGroup(t *testing.T) {
	workspace := newWorkspace(t)
	child, err := workspace.Start(process.Command{Name: "sh", Path: "/bin/sh", Args: []string{"-c", "echo $$; exec sleep 600"}})
	require.NoError(t, err)
	eventually(t, func() bool { return child.LogTail(100) != "" }, "the child's id")
	var pid int
	_, err = fmt.Sscan(child.LogTail(100), &pid)
	require.NoError(t, err)
	group, err := syscall.Getpgid(pid)
	require.NoError(t, err)
	require.Equal(t, pid, group, "Ctrl-C must not reach it")
}

func TestStop(t *testing.T) {
	for name, script := range map[string]string{
		"ends when asked":     "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.01; done",
		"does not want to go": "trap '' TERM; echo ready; while :; do sleep 0.01; done",
	} {
		t.Run(name, func(t *testing.T) {
			workspace := newWorkspace(t)
			child, err := workspace.Start(process.Command{Name: "sh", Path: "/bin/sh", Args: []string{"-c", script}})
			require.NoError(t, err)
			eventually(t, func() bool { return strings.Contains(child.LogTail(100), "ready") }, "ready")
			polite := strings.Contains(script, "bye")
			patience := 100 * time.Millisecond
			if polite {
				patience = 10 * time.Second
			}
			require.NoError(t, child.Stop(patience))
			require.Equal(t, polite, strings.Contains(child.LogTail(100), "bye"))
			require.Error(t, child.Ended())
			require.NoError(t, child.Stop(patience))
		})
	}
}

func TestLogTail(t *testing.T) {
	for name, test := range map[string]struct{ script, want string }{
		"all of it":       {"echo one; echo two", "one\ntwo"},
		"whole lines":     {"echo 0123456789; echo 01234567890; echo two", "01234567890\ntwo"},
		"a line too long": {"echo begin-0123456789-0123456789-end", "789-0123456789-end"},
		"nothing":         {"true", ""},
	} {
		t.Run(name, func(t *testing.T) {
			workspace := newWorkspace(t)
			child, err := workspace.Start(process.Command{Name: "sh", Path: "/bin/sh", Args: []string{"-c", test.script}})
			require.NoError(t, err)
			<-child.Done()
			require.Equal(t, test.want, child.LogTail(19))
		})
	}
}

func TestRun(t *testing.T) {
	workspace := newWorkspace(t)
	run := func(ctx context.Context, script string) error {
		return workspace.Run(ctx, process.Command{
			Name: "run", Path: "/bin/sh", Args: []string{"-c", script}, Stdin: strings.NewReader("given\n"),
		})
	}
	require.NoError(t, run(t.Context(), `read line; test "$line" = given`))
	require.ErrorContains(t, run(t.Context(), "echo why; exit 3"), "why")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.ErrorIs(t, run(ctx, "exec sleep 600"), context.DeadlineExceeded)
	require.ErrorContains(t, workspace.Run(t.Context(), process.Command{Name: "none", Path: "/no/such/program"}), "start none")
}

func TestFilesOutsideGoAwayWithTheWorkspace(t *testing.T) {
	for name, test := range map[string]struct {
		touch func(t *testing.T, path string)
		stays bool
	}{
		"as it was written":      {func(*testing.T, string) {}, false},
		"removed by somebody":    {func(t *testing.T, path string) { require.NoError(t, os.Remove(path)) }, false},
		"replaced by somebody's": {func(t *testing.T, path string) { require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600)) }, true},
	} {
		check := func(t *testing.T, end func(t *testing.T)) {
			path := filepath.Join(os.TempDir(), outside)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o600), info.Mode())
			test.touch(t, path)
			end(t)
			_, err = os.Stat(path)
			require.Equal(t, test.stays, err == nil)
			left, err := filepath.Glob(filepath.Join(os.TempDir(), ".*"))
			require.NoError(t, err)
			require.Empty(t, left)
		}
		t.Run(name+", closed", func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			workspace, err := process.NewWorkspace()
			require.NoError(t, err)
			require.NoError(t, workspace.WriteFile(filepath.Join(os.TempDir(), outside), []byte("export A=1\n")))
			check(t, func(t *testing.T) { require.NoError(t, workspace.Close()) })
		})
		t.Run(name+", killed", func(t *testing.T) {
			t.Setenv("TMPDIR", t.TempDir())
			owner := startOwner(t)
			check(t, func(t *testing.T) {
				owner.kill(t)
				newWorkspace(t)
			})
		})
	}
}
