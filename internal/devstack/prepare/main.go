// Command prepare makes what the demo and the tests need and what takes long the first time: the Temporal CLI and a
// data directory of each MySQL server. It names what will be used, and on one line what is missing.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/temporal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := prepare(ctx, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1)
	}
}

func prepare(ctx context.Context, progress io.Writer) error {
	binaries, err := mysqld.Binaries()
	if err != nil {
		return err
	}
	for _, binary := range binaries {
		version, err := mysqld.Prepare(ctx, binary)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(progress, "%s: %s\n", version, binary); err != nil {
			return err
		}
	}
	path, err := temporal.Binary(ctx, progress)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(progress, "Temporal CLI: %s\n", path)
	return err
}
