// Package process runs helper servers that never outlive the program that started them.
//
// A child dies with its parent in three ways: the parent stops it; the kernel kills it when the parent dies
// (Linux); or the next program that makes a workspace finds that the owner is gone, kills what is left and
// deletes the directory. Children are in process groups of their own, so Ctrl-C in a terminal reaches only the
// parent, which stops them in order.
package process

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// A Workspace is a private directory and the children that work in it.
type Workspace struct {
	path string

	mu       sync.Mutex
	children []*Child
	closed   bool
}

// recordsFolder holds one empty file per child, named after its identity.
const recordsFolder = "children"

// NewWorkspace makes a workspace below the system's temporary directory (TMPDIR). It first removes the
// workspaces whose owners have died, and whatever still runs in them.
func NewWorkspace() (*Workspace, error) {
	root, err := root()
	if err != nil {
		return nil, err
	}
	sweep(root)
	self, err := identify(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("find own start time: %w", err)
	}
	// The owner stands in the name, so there is no moment at which a workspace has none.
	path, err := os.MkdirTemp(root, self.String()+"-*")
	if err != nil {
		return nil, fmt.Errorf("create workspace: %w", err)
	}
	if err := os.Mkdir(filepath.Join(path, recordsFolder), 0o700); err != nil {
		return nil, errors.Join(fmt.Errorf("create workspace: %w", err), os.RemoveAll(path))
	}
	return &Workspace{path: path}, nil
}

// root is the directory of all workspaces of this user. It must be the user's own: in a shared /tmp somebody
// else could have made one of that name.
func root() (string, error) {
	path := filepath.Join(os.TempDir(), "rotor-"+strconv.Itoa(os.Getuid()))
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", fmt.Errorf("create %s: %w", path, err)
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "", fmt.Errorf("look at %s: %w", path, err)
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(owner.Uid) != os.Getuid() || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s is not a private directory of this user: remove it or set TMPDIR", path)
	}
	return path, nil
}

// Path joins the elements to the workspace's directory.
func (w *Workspace) Path(elem ...string) string {
	return filepath.Join(append([]string{w.path}, elem...)...)
}

// Close kills the children that still run and deletes the directory. Stop the children first where order or a
// clean shutdown matters. Calling it again does nothing.
func (w *Workspace) Close() error {
	w.mu.Lock()
	w.closed = true
	children := w.children
	w.children = nil
	w.mu.Unlock()
	var errs []error
	for _, child := range children {
		errs = append(errs, child.Kill())
	}
	errs = append(errs, removeOutside(w.path), os.RemoveAll(w.path))
	return errors.Join(errs...)
}

// sweep removes the workspaces in root whose owners have died. What it can't remove it leaves to the next one:
// an old workspace is no reason to refuse a new one.
func sweep(root string) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return
	}
	for _, entry := range entries {
		owner, ok := parseIdentity(entry.Name())
		if !ok || owner.alive() {
			continue
		}
		path := filepath.Join(root, entry.Name())
		records, _ := os.ReadDir(filepath.Join(path, recordsFolder))
		for _, record := range records {
			if child, ok := parseIdentity(record.Name()); ok {
				child.killGroup()
			}
		}
		_ = removeOutside(path)
		_ = os.RemoveAll(path)
	}
}

// An identity is a process id that can't be mistaken for a later process of the same id.
type identity struct {
	pid   int
	start string // when it started, in the kernel's own terms; digits only
}

func (id identity) String() string { return strconv.Itoa(id.pid) + "-" + id.start }

// parseIdentity reads an identity from the start of a name: "PID-START" or "PID-START-anything".
func parseIdentity(name string) (identity, bool) {
	parts := strings.SplitN(name, "-", 3)
	if len(parts) < 2 || parts[1] == "" {
		return identity{}, false
	}
	pid, err := strconv.Atoi(parts[0])
	if err != nil || pid <= 1 {
		return identity{}, false
	}
	return identity{pid: pid, start: parts[1]}, true
}

// errGone is that there is no such process, or no longer.
var errGone = errors.New("no such process")

// alive counts a process as alive that can't be looked at: what is its own must not be taken from it.
func (id identity) alive() bool {
	now, err := identify(id.pid)
	if err != nil {
		return !errors.Is(err, errGone)
	}
	return now == id
}

// killGroup kills the process's group, which it leads, and waits until it is gone.
func (id identity) killGroup() {
	if !id.alive() {
		return
	}
	_ = syscall.Kill(-id.pid, syscall.SIGKILL)
	_ = poll(killWait, func() bool { return !id.alive() })
}
