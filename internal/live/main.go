// Live runs rotations against a real cloud, for those who have one: with a secret and a database account that it makes, and takes away
// again. docs/live.md tells what it needs. Its test runs the same against the simulated clouds.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"rotor/internal/config"
	"rotor/internal/devstack/temporal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	check := flag.Bool("check", false, "only say what is missing or wrong, and end with 2 if something is")
	flag.Parse()
	if *check {
		os.Exit(ready(os.LookupEnv, os.Stderr))
	}
	os.Exit(live(ctx, os.LookupEnv, os.Stdout, os.Stderr))
}

// ready gives an exit code: 0 all settings are there, 2 it could not be run.
func ready(lookup config.Lookup, errs io.Writer) (code int) {
	if _, err := read(lookup); err != nil {
		_, _ = fmt.Fprintf(errs, "not run: %v\n", err)
		return 2
	}
	return 0
}

// live gives an exit code: 0 all went well, 1 something did not, 2 it was not run.
func live(ctx context.Context, lookup config.Lookup, out, errs io.Writer) (code int) {
	s, err := read(lookup)
	if err != nil {
		_, _ = fmt.Fprintf(errs, "not run: %v\n", err)
		return 2
	}
	server, err := temporal.Start(ctx, temporal.Options{Headless: true, Progress: out})
	if err == nil {
		err = trial(ctx, s, server.Address, server.Namespace, out)
		if stopping := server.Stop(); err == nil {
			err = stopping
		}
	}
	if err != nil {
		_, _ = fmt.Fprintf(errs, "failed: %v\n", err)
		return 1
	}
	return 0
}
