package prometheus_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
)

const (
	pkg     = "prometheus"
	install = "install Debian's " + pkg + " (as root: apt-get install " + pkg + ")"
	rules   = "../../../deploy/prometheus/rotor.rules.yaml"
)

func TestMain(m *testing.M) {
	if err := ensure(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ensure installs Prometheus, and its promtool, where they are missing and may be installed.
func ensure() error {
	_, server := exec.LookPath("prometheus")
	_, tool := exec.LookPath("promtool")
	if server == nil && tool == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return fmt.Errorf("no prometheus here: %s", install)
	}
	for _, args := range [][]string{{"-qq", "update"}, {"-qq", "--no-install-recommends", "install", pkg}} {
		command := exec.Command("apt-get", args...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("apt-get could not provide prometheus: %s", install)
		}
	}
	return nil
}
