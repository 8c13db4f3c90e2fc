package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Temporal is the connection to Temporal: the variables, files and profiles that every Temporal tool has, and flags
// over them.
type Temporal struct {
	Address, Namespace, Profile, ConfigFile string
}

// Bind makes the flags.
func (t *Temporal) Bind(flags *pflag.FlagSet) {
	for _, one := range []struct {
		into                  *string
		flag, variable, usage string
	}{
		{&t.Address, "address", "TEMPORAL_ADDRESS", "Temporal's address"},
		{&t.Namespace, "namespace", "TEMPORAL_NAMESPACE", "Temporal namespace"},
		{&t.Profile, "profile", "TEMPORAL_PROFILE", "profile of Temporal's configuration file"},
		{&t.ConfigFile, "config-file", "TEMPORAL_CONFIG_FILE", "Temporal's configuration file"},
	} {
		flags.StringVar(one.into, one.flag, "", one.usage+" ("+one.variable+")")
		flags.Lookup(one.flag).Annotations = map[string][]string{AnnotationVariable: {one.variable}}
	}
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
	// What goes to and fro is a few kilobytes. To compress each of them takes a tenth of what a worker needs for Temporal.
	options.ConnectionOptions.GrpcCompression = &client.GrpcCompressionNone{}
	return options, nil
}

// NoConnection says in words why Temporal could not be reached. The SDK's own text names internals and may be long.
func NoConnection(err error) string {
	code := status.Code(err)
	if service, ok := errors.AsType[serviceerror.ServiceError](err); ok {
		code = service.Status().Code()
	}
	switch {
	case code == codes.PermissionDenied, code == codes.Unauthenticated:
		return "not permitted; look at the credentials (TEMPORAL_API_KEY, TEMPORAL_TLS_*)"
	case strings.Contains(err.Error(), "authentication handshake failed"):
		return "no TLS connection came about; look at TEMPORAL_TLS and the TEMPORAL_TLS_* certificates"
	case errors.Is(err, context.DeadlineExceeded), code == codes.Unavailable, code == codes.DeadlineExceeded:
		return "no answer"
	}
	return "it answered " + code.String()
}

type environment struct {
	lookup  Lookup
	environ []string
}

func (e environment) Environ() []string                   { return e.environ }
func (e environment) LookupEnv(key string) (string, bool) { return e.lookup(key) }
