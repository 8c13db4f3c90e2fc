package wiring

import (
	"os"

	"github.com/spf13/cobra"

	"rotor/internal/config"
)

// Command is the worker's command line.
func Command() *cobra.Command {
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
			logger := Logger(os.Stderr, settings)
			options, err := temporal.Options(os.LookupEnv, os.Environ(), logger)
			if err != nil {
				return err
			}
			return Serve(cmd.Context(), options, settings, func() {})
		},
	}
	known.Bind(cmd.Flags())
	temporal.Bind(cmd.Flags())
	return cmd
}
