package config

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
)

// Temporal is the connection to Temporal: the variables, files and profiles that every Temporal tool has, and flags
// over them.
type Temporal struct {
	Address, Namespace, Profile, ConfigFile string
}

// Bind makes the flags.
func (t *Temporal) Bind(flags *pflag.FlagSet) {
	flags.StringVar(&t.Address, "address", "", "Temporal's address (TEMPORAL_ADDRESS)")
	flags.StringVar(&t.Namespace, "namespace", "", "Temporal namespace (TEMPORAL_NAMESPACE)")
	flags.StringVar(&t.Profile, "profile", "", "profile of Temporal's configuration file (TEMPORAL_PROFILE)")
	flags.StringVar(&t.ConfigFile, "config-file", "", "Temporal's configuration file (TEMPORAL_CONFIG_FILE)")
}

// Options gives the client's options.
func (t *Temporal) Options(lookup Lookup, environ []string, logger *slog.Logger) (client.Options, error) {
	// The SDK ignores what it can't read here, and would connect in plain.
	for _, name := range []string{"TEMPORAL_TLS", "TEMPORAL_TLS_DISABLE_HOST_VERIFICATION"} {
		if text, set := lookup(name); set && text != "" && !slices.Contains([]string{"1", "0", "true", "false"}, strings.ToLower(text)) {
			return client.Options{}, fmt.Errorf("%s: %q is neither true nor false; wanted: 1, true, 0 or false", name, text)
		}
	}
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{
		ConfigFilePath: t.ConfigFile, ConfigFileProfile: t.Profile, EnvLookup: environment{lookup, environ},
	})
	if err != nil {
		return client.Options{}, fmt.Errorf("settings for Temporal (TEMPORAL_* variables, profile or file): %w", err)
	}
	if t.Address != "" {
		options.HostPort = t.Address
	}
	if t.Namespace != "" {
		options.Namespace = t.Namespace
	}
	if options.HostPort == "" {
		options.HostPort = client.DefaultHostPort
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	if strings.Contains(options.HostPort, "://") {
		return client.Options{}, errors.New("TEMPORAL_ADDRESS: wanted host:port, without a scheme")
	}
	options.Logger = log.NewStructuredLogger(logger)
	return options, nil
}

type environment struct {
	lookup  Lookup
	environ []string
}

func (e environment) Environ() []string                   { return e.environ }
func (e environment) LookupEnv(key string) (string, bool) { return e.lookup(key) }
