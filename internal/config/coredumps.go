package config

import (
	"fmt"
	"syscall"
)

// NoCoreDumps keeps this process and its children from writing core dumps, which would hold passwords.
func NoCoreDumps() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("switch off core dumps: %w", err)
	}
	return nil
}
