package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has taken.
type usage struct {
	processor time.Duration
	// megabytes are resident.
	megabytes float64
}

// tick is the unit of times in /proc/PID/stat, on every architecture that Go runs on (USER_HZ is 100).
const tick = 10 * time.Millisecond

// usageOf reads what Linux says about a process.
func usageOf(pid int) (usage, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	// The second field is the command in parentheses and may itself contain some, so count from the last one.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system = 11, 12 // fields 14 and 15: proc(5) counts from 1, and two are cut off
	if len(fields) <= system {
		return usage{}, fmt.Errorf("read what process %d has taken: unreadable /proc entry", pid)
	}
	var u usage
	for _, field := range []int{user, system} {
		ticks, err := strconv.Atoi(string(fields[field]))
		if err != nil {
			return usage{}, fmt.Errorf("read what process %d has taken: unreadable /proc entry", pid)
		}
		u.processor += time.Duration(ticks) * tick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return usage{}, err
	}
	for line := range strings.Lines(string(status)) {
		var kilobytes float64
		if n, _ := fmt.Sscanf(line, "VmRSS: %f kB", &kilobytes); n == 1 {
			u.megabytes = kilobytes / 1024
		}
	}
	return u, nil
}
