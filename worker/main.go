// The worker runs the steps of rotations.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"rotor/internal/config"
	"rotor/internal/wiring"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", filepath.Base(os.Args[0]), err)
		os.Exit(2)
	}
}

func command() *cobra.Command {
	var settings config.Worker
	var temporal config.Temporal
	known := settings.Settings()
	cmd := &cobra.Command{
		Use: "worker", Short: "Run the steps of rotations", Args: cobra.NoArgs, Version: config.Version(),
		SilenceUsage: true, SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := config.NoCoreDumps(); err != nil {
				return err
			}
			if err := known.Load(os.LookupEnv); err != nil {
				return err
			}
			logger := wiring.Logger(os.Stderr, settings)
			options, err := temporal.Options(os.LookupEnv, os.Environ(), logger)
			if err != nil {
				return err
			}
			return wiring.Serve(cmd.Context(), options, settings, func() {})
		},
	}
	known.Bind(cmd.Flags())
	temporal.Bind(cmd.Flags())
	return cmd
}
