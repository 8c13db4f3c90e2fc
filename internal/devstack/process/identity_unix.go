//go:build unix && !linux

package process

import (
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// attributes: a process group of its own. There is no parent-death signal here: the next workspace sweeps.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// identify finds when a living process was started, in seconds since 1970 as ps tells it.
func identify(pid int) (identity, error) {
	cmd := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid))
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "PATH=/usr/bin:/bin"}
	out, err := cmd.Output()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return identity{}, errGone // it lists none
	}
	if err != nil {
		return identity{}, fmt.Errorf("look for process %d: %w", pid, err)
	}
	started, err := time.Parse(time.ANSIC, strings.TrimSpace(string(out)))
	if err != nil {
		return identity{}, fmt.Errorf("read start time of process %d: %w", pid, err)
	}
	return identity{pid: pid, start: strconv.FormatInt(started.Unix(), 10)}, nil
}
