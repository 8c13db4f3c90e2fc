// Package devstack is everything that a rotation needs, on this machine and for a while: a Temporal server, a private
// MySQL server and the simulated cloud. The demo and the tests run on it. It is the caller who runs a worker.
//
// Everything listens on loopback only and is gone afterwards, whichever way the program ends (see package process).
package devstack

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"rotor/internal/cloudsim"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/temporal"
	"rotor/internal/rotation"
	"rotor/internal/visibility"
)

// Region is the cloud region that the ready-made secrets are in.
const Region = "cn-hangzhou"

// Options say how to start a stack. The zero value works.
type Options struct {
	// Out is told, in whole lines, what is being started and what takes long. It may be nil.
	Out io.Writer
	// MySQL says which server to start, and how. TLS is left out if the server knows none that Go's clients accept.
	MySQL mysqld.Options
	// Headless leaves Temporal's Web UI out.
	Headless bool
	// NoSearchAttributes leaves out the registration of those that rotations are found by.
	NoSearchAttributes bool
	// Codec is the URL at which Temporal's Web UI has encrypted payloads read, see temporal.Options.
	Codec string
	// TemporalConfig are further settings of the Temporal server, see temporal.Options.
	TemporalConfig map[string]string
	// Cloud is the simulated cloud's set-up; without credentials it gets one, made up for this stack.
	Cloud cloudsim.Options
}

// A Stack is running.
type Stack struct {
	Temporal *temporal.Server
	MySQL    *mysqld.Server
	Cloud    *cloudsim.Cloud
	CloudURL string // of all the cloud's APIs

	mu      sync.Mutex
	secrets []Secret
}

// Start starts all parts side by side and returns once everything answers. ctx bounds the start only; Close ends it.
func Start(ctx context.Context, options Options) (*Stack, error) {
	out := &lines{out: cmp.Or[io.Writer](options.Out, io.Discard)}
	if len(options.Cloud.Credentials) == 0 {
		options.Cloud.Credentials = []cloudsim.Credential{{
			AccessKeyID: "dev-" + rand.Text(), Secret: rand.Text(), Account: "123456789012",
		}}
	}
	attributes := visibility.Types()
	if options.NoSearchAttributes {
		attributes = nil
	}
	s := &Stack{Cloud: cloudsim.New(options.Cloud)}
	started := time.Now()
	// Whatever fails first cancels the others, which then clean up after themselves.
	group, groupCtx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		s.Temporal, err = temporal.Start(groupCtx, temporal.Options{
			Headless: options.Headless, Codec: options.Codec, SearchAttributes: attributes, Config: options.TemporalConfig, Progress: out,
		})
		return err
	})
	group.Go(func() (err error) {
		s.MySQL, err = startMySQL(groupCtx, options.MySQL, out)
		return err
	})
	group.Go(func() (err error) {
		if s.CloudURL, err = s.Cloud.Start("127.0.0.1:0"); err != nil {
			err = fmt.Errorf("start the simulated cloud: %w", err)
		}
		return err
	})
	if err := group.Wait(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	out.printf("Temporal at %s, Web UI %s\n", s.Temporal.Address, cmp.Or(s.Temporal.WebUI, "off"))
	out.printf("%s %s at %s\n", s.MySQL.Flavour, s.MySQL.Version, s.MySQL.Address())
	out.printf("Simulated cloud at %s; all up after %s\n", s.CloudURL, time.Since(started).Round(100*time.Millisecond))
	return s, nil
}

// startMySQL leaves TLS out where the server's is too old for anybody to connect, and says so.
func startMySQL(ctx context.Context, options mysqld.Options, out *lines) (*mysqld.Server, error) {
	if options.Binary == "" {
		binaries, err := mysqld.Binaries()
		if err != nil {
			return nil, err
		}
		options.Binary = binaries[0]
	}
	if options.TLS {
		modern, err := mysqld.ModernTLS(ctx, options.Binary)
		if err != nil {
			return nil, err
		}
		if !modern {
			out.printf("This MySQL server knows no TLS from 1.2 on; it goes without.\n")
			options.TLS = false
		}
	}
	return mysqld.Start(ctx, options)
}

// Wait returns nil when ctx ends, or an error as soon as one of the servers has ended by itself.
func (s *Stack) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-s.Temporal.Done():
		return s.Temporal.Ended()
	case <-s.MySQL.Done():
		return s.MySQL.Ended()
	}
}

// Close ends everything and deletes what it kept. Calling it again does nothing.
func (s *Stack) Close() error {
	var errs []error
	if s.Temporal != nil {
		errs = append(errs, s.Temporal.Stop())
	}
	errs = append(errs, s.Cloud.Close())
	if s.MySQL != nil {
		errs = append(errs, s.MySQL.Stop())
	}
	return errors.Join(errs...)
}

// Env is the environment that points Rotor's programs, Temporal's and MySQL's own tools and the clouds' SDKs at the
// stack. Empty values take away what a person's own environment might add, such as an API key.
func (s *Stack) Env() map[string]string {
	key := s.Cloud.Credential()
	env := map[string]string{
		"TEMPORAL_ADDRESS":     s.Temporal.Address,
		"TEMPORAL_NAMESPACE":   s.Temporal.Namespace,
		"TEMPORAL_CONFIG_FILE": "/dev/null",
		"TEMPORAL_PROFILE":     "",
		"TEMPORAL_API_KEY":     "",
		"TEMPORAL_TLS":         "false",

		"ROTOR_ALIBABA_KMS_ENDPOINT":      s.CloudURL,
		"ROTOR_ALIBABA_RDS_ENDPOINT":      s.CloudURL,
		"ALIBABA_CLOUD_ACCESS_KEY_ID":     key.AccessKeyID,
		"ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.Secret,
		"ALIBABA_CLOUD_SECURITY_TOKEN":    key.SessionToken,

		"AWS_ENDPOINT_URL_SECRETS_MANAGER": s.CloudURL,
		"AWS_ENDPOINT_URL_RDS":             s.CloudURL,
		"AWS_ENDPOINT_URL_STS":             s.CloudURL,
		"AWS_REGION":                       AWSRegion,
		"AWS_ACCESS_KEY_ID":                key.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":            key.Secret,
		"AWS_SESSION_TOKEN":                key.SessionToken,
		"AWS_PROFILE":                      "",
		"AWS_CONFIG_FILE":                  "/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE":      "/dev/null",
		"AWS_EC2_METADATA_DISABLED":        "true",

		"MYSQL_HOST":     s.MySQL.Host,
		"MYSQL_PORT":     strconv.Itoa(s.MySQL.Port),
		"ROTOR_MYSQL_CA": s.MySQL.CAFile,
	}
	names := map[string][]string{}
	for _, secret := range s.Secrets() {
		kind := secret.Store
		if secret.Instance != "" {
			kind = secret.Target
		}
		names[kind] = append(names[kind], secret.Name)
	}
	// In region cn-hangzhou, those of instances rm-NAME there, and in AWS_REGION.
	env["ROTOR_DEV_SECRETS"] = strings.Join(names[rotation.StoreAlibabaKMS], ",")
	env["ROTOR_DEV_APSARA_SECRETS"] = strings.Join(names[rotation.TargetApsaraRDS], ",")
	env["ROTOR_DEV_AWS_SECRETS"] = strings.Join(names[rotation.StoreAWS], ",")
	return env
}

// Exports is Env as lines of a shell script, sorted. What is empty is unset: AWS's command line looks for a profile with no name otherwise.
func (s *Stack) Exports() string {
	var text strings.Builder
	env := s.Env()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if env[name] == "" {
			_, _ = fmt.Fprintf(&text, "unset %s\n", name)
			continue
		}
		quoted := "'" + strings.ReplaceAll(env[name], "'", `'\''`) + "'"
		_, _ = fmt.Fprintf(&text, "export %s=%s\n", name, quoted) // a Builder takes everything
	}
	return text.String()
}

// Secrets lists the ready-made secrets in the order in which they were added.
func (s *Stack) Secrets() []Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.secrets)
}

// lines lets several goroutines write to one writer.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(text)
}

// printf tells a person; there is nobody to tell when that fails.
func (l *lines) printf(format string, args ...any) { _, _ = fmt.Fprintf(l, format, args...) }
