package main

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"rotor/internal/config"
	"rotor/internal/rotation"
)

// The variables that say what to run against. The clouds' own, with the credentials, are those of the worker.
const (
	envStore        = "ROTOR_LIVE_STORE"
	envRegion       = "ROTOR_LIVE_REGION"
	envMySQL        = "ROTOR_LIVE_MYSQL"
	envUser         = "ROTOR_LIVE_MYSQL_USER"
	envPasswordFile = "ROTOR_LIVE_MYSQL_PASSWORD_FILE"
)

// settings are all that is needed.
type settings struct {
	store, region string
	host          string
	port          int
	user          string
	password      rotation.Secret
	worker        config.Worker
}

// read takes them from the environment. An error is one line that says everything that is missing.
func read(lookup config.Lookup) (s settings, err error) {
	values, missing := map[string]string{}, []string{}
	for _, name := range []string{envStore, envRegion, envMySQL, envUser, envPasswordFile} {
		if values[name], _ = lookup(name); values[name] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return s, fmt.Errorf("%s: not set; docs/live.md tells what they are, and what is made and deleted", strings.Join(missing, ", "))
	}
	s.store, s.region, s.user = values[envStore], values[envRegion], values[envUser]
	if _, known := clouds[s.store]; !known {
		return s, fmt.Errorf("%s: %q is unknown; known: %s, %s", envStore, s.store, rotation.StoreAlibabaKMS, rotation.StoreAWS)
	}
	host, port, err := net.SplitHostPort(values[envMySQL])
	if err == nil {
		s.port, err = strconv.Atoi(port)
	}
	if err != nil || host == "" {
		return s, fmt.Errorf("%s: wanted HOST:PORT of a MySQL server that this machine reaches", envMySQL)
	}
	s.host = host
	password, err := os.ReadFile(values[envPasswordFile])
	if err != nil {
		return s, fmt.Errorf("%s: the file can't be read", envPasswordFile)
	}
	s.password = rotation.NewSecret(strings.TrimRight(string(password), "\r\n"))
	if err := s.worker.Settings().Load(lookup); err != nil {
		return s, err
	}
	// A queue of its own, and waits that a person can sit through.
	s.worker.TaskQueue, s.worker.MetricsAddress, s.worker.Deployment, s.worker.PayloadKeys = "rotor-live", "", "", ""
	if !slices.Contains([]string{"debug", "info"}, s.worker.LogLevel) {
		return s, nil
	}
	s.worker.LogLevel = "warn"
	return s, nil
}
