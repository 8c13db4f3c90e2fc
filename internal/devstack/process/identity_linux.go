package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// attributes: a process group of its own, and death when the parent dies, however it dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// identify finds when a living process was started: clock ticks since boot, field 22 of /proc/PID/stat (proc(5)).
func identify(pid int) (identity, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return identity{}, errGone
	}
	if err != nil {
		return identity{}, err
	}
	// The second field is the command in parentheses and may itself contain some, so count from the last one.
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return identity{}, errors.New("unreadable /proc entry")
	}
	fields := bytes.Fields(stat[end+1:])
	const state, start = 0, 19 // fields 3 and 22: proc(5) counts from 1, and two are cut off
	if len(fields) <= start {
		return identity{}, errors.New("unreadable /proc entry")
	}
	if s := fields[state][0]; s == 'Z' || s == 'X' {
		return identity{}, errGone
	}
	return identity{pid: pid, start: string(fields[start])}, nil
}
