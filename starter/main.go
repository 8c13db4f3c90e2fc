// The starter is the command line: it starts rotations, shows them, and decides about those that are stuck.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/term"

	"rotor/internal/cli"
	"rotor/internal/config"
)

func main() {
	if err := config.NoCoreDumps(); err != nil { // dev, demo and the simulator hold passwords
		fmt.Fprintln(os.Stderr, "starter:", err)
		os.Exit(cli.ExitUsage)
	}
	signals := make(chan os.Signal, 3)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	// A reader that goes away shows as an error of the write then, and what was started can be taken down.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	os.Exit(cli.Execute(context.Background(), cli.Options{
		Program: program(), Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Environ: os.Environ(),
		Terminal: term.IsTerminal(int(os.Stdout.Fd())), Signals: signals,
	}))
}

// program is how a person can call it again. What "go run" makes is gone by then.
func program() string {
	if name := os.Args[0]; !strings.Contains(name, "/go-build") {
		return name
	}
	return ""
}
