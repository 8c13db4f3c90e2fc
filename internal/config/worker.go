package config

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"rotor/internal/payload"
	"rotor/internal/payload/codecserver"
	"rotor/internal/rotation"
)

// DefaultTaskQueue is where starters put rotations and workers look for them.
const DefaultTaskQueue = "rotor"

// SettingMetrics is the setting of the address that metrics are served on.
const SettingMetrics = "ROTOR_METRICS_ADDRESS"

// Worker is what a worker can be told.
type Worker struct {
	TaskQueue string

	AlibabaNetwork     string
	AlibabaKMSEndpoint string
	AlibabaRDSEndpoint string
	AllowHTTP          bool
	SignatureValidity  time.Duration

	// AWSEndpoint is a URL of Secrets Manager to use in all regions, under the name that AWS's rotation functions know it by.
	AWSEndpoint string
	// StoresFile defines further stores, see Stores.
	StoresFile string

	passwords rotation.PasswordPolicy
	eachType  bool
	// UsernameLimit is how many characters the name of an account may have, 0 for what the server takes.
	UsernameLimit int

	// MySQLCA lists files, separated by colons.
	MySQLCA string
	// allowMissing lists privileges, separated by commas.
	allowMissing privilegesValue

	Heartbeat    time.Duration
	StepTimeout  time.Duration
	StepBurst    time.Duration
	FirstPause   time.Duration
	LongestPause time.Duration
	// Express runs the steps of a rotation that nothing disturbs inside one workflow task.
	Express bool
	// StuckAfter is how long one step fails before its rotation counts as stuck.
	StuckAfter    time.Duration
	Sticky        time.Duration
	StopTimeout   time.Duration
	MaxActivities int
	// MaxPerTarget and MaxPerStore are how many of the steps may be at one database server, and at one region of a store, at once.
	MaxPerTarget, MaxPerStore int
	// StepsPerTarget is how many steps may begin at one database server within a second; 0: no bound.
	StepsPerTarget int
	// alibabaKMSWrites and awsWrites are the quotas of writes per second, see WritesPerSecond.
	alibabaKMSWrites, awsWrites int
	// QuotaWorkers is how many workers share these.
	QuotaWorkers int
	// WorkflowTaskTimeout is for the workflows that this worker starts; 0: as the server has it.
	WorkflowTaskTimeout time.Duration

	// PayloadKeys is the file of keys that hide names from who can read Temporal, see package payload; "": nothing is hidden.
	PayloadKeys string
	// Codec says where, and to whom, the worker reads encrypted payloads for Temporal's Web UI.
	Codec codecserver.Options

	// Deployment and BuildID make the worker a versioned one; "" is none.
	Deployment, BuildID string

	// MetricsAddress is where metrics and health are served; "": nowhere. Census is how often credentials are looked at for that, and
	// MetricsNamed adds series with secrets' names.
	MetricsAddress string
	Census, Pulse  time.Duration
	MetricsNamed   bool

	LogFormat string
	LogLevel  string
}

// WorkflowTaskTimeout is a setting of all that start rotations.
func WorkflowTaskTimeout(s *Settings, into *time.Duration) {
	s.add("workflow-task-timeout", "ROTOR_WORKFLOW_TASK_TIMEOUT",
		"how soon a worker that dies in the midst of a decision is noticed, 1s to 2m; 0: as Temporal has it (10s)",
		"a duration of 1s to 2m, or 0", &taskTimeoutValue{durationValue{into, 0}})
}

// taskTimeoutValue takes what Temporal takes, which cuts off what is beyond without a word.
type taskTimeoutValue struct{ durationValue }

func (v *taskTimeoutValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err == nil && d != 0 && (d < time.Second || d > 2*time.Minute) {
		return fmt.Errorf("%s is out of range: 1s to 2m, or 0", d)
	}
	return v.durationValue.Set(s)
}

// PayloadKeys is a setting of all that talk to Temporal.
func PayloadKeys(s *Settings, into *string) {
	s.Text(into, "payload-keys", payload.Setting, "", "file with the keys that hide secrets' names from Temporal: lines NAME KEY, one of them named ids")
}

// Version is the worker's version within its deployment.
func (w *Worker) Version() string { return cmp.Or(w.BuildID, Version()) }

// Settings names them.
func (w *Worker) Settings() *Settings {
	s := &Settings{}
	s.Text(&w.TaskQueue, "task-queue", "ROTOR_TASK_QUEUE", DefaultTaskQueue, "Temporal task queue to work on")
	s.Text(&w.AlibabaNetwork, "alibaba-network", "ROTOR_ALIBABA_NETWORK", "vpc", "which endpoints of Alibaba Cloud to use: vpc or public", "vpc", "public")
	s.Text(&w.AlibabaKMSEndpoint, "alibaba-kms-endpoint", "ROTOR_ALIBABA_KMS_ENDPOINT", "", "URL of Alibaba Cloud KMS, instead of the region's own")
	s.Text(&w.AlibabaRDSEndpoint, "alibaba-rds-endpoint", "ROTOR_ALIBABA_RDS_ENDPOINT", "", "URL of Alibaba Cloud's RDS API, instead of the region's own")
	s.Bool(&w.AllowHTTP, "allow-http", "ROTOR_ALLOW_HTTP", "allow http endpoints that are not on this machine")
	s.Duration(&w.SignatureValidity, "alibaba-signature-validity", "ROTOR_ALIBABA_SIGNATURE_VALIDITY", 15*time.Minute, time.Second,
		"how long a signed request can still be carried out; an unanswered move of a stage is waited out for so long")
	s.Text(&w.AWSEndpoint, "aws-secrets-manager-endpoint", "SECRETS_MANAGER_ENDPOINT", "", "URL of AWS Secrets Manager, instead of what AWS's own configuration says")
	s.Text(&w.StoresFile, "stores", SettingStores, "", "YAML file that defines further stores, and which secrets to work on")
	s.Number(&w.passwords.Length, "password-length", "PASSWORD_LENGTH", 0, rotation.MinPasswordLength, "length of new passwords; 0: 32, or the longest that the target takes")
	s.Text(&w.passwords.ExcludeCharacters, "exclude-characters", "EXCLUDE_CHARACTERS", "", "characters that new passwords must not have")
	s.Bool(&w.passwords.ExcludeNumbers, "exclude-numbers", "EXCLUDE_NUMBERS", "no digits in new passwords")
	s.Bool(&w.passwords.ExcludePunctuation, "exclude-punctuation", "EXCLUDE_PUNCTUATION", "no punctuation in new passwords")
	s.Bool(&w.passwords.ExcludeUppercase, "exclude-uppercase", "EXCLUDE_UPPERCASE", "no upper-case letters in new passwords")
	s.Bool(&w.passwords.ExcludeLowercase, "exclude-lowercase", "EXCLUDE_LOWERCASE", "no lower-case letters in new passwords")
	w.eachType = true
	s.Bool(&w.eachType, "require-each-included-type", "REQUIRE_EACH_INCLUDED_TYPE", "every kind of character that is not excluded has to be in new passwords")
	s.Number(&w.UsernameLimit, "username-character-limit", "USERNAME_CHARACTER_LIMIT", 0, 1, "how many characters the name of an account may have; 0: what the server takes")
	s.Text(&w.MySQLCA, "mysql-ca", "ROTOR_MYSQL_CA", "", "files with CA certificates of database servers, separated by colons")
	w.allowMissing = privilegesValue{rotation.DefaultAllowMissing}
	s.add("allow-missing", "ROTOR_ALLOW_MISSING", "privileges that a standby account may lack where the admin account can't grant them; each one left out is in the result",
		"names of privileges, separated by commas, or none", &w.allowMissing)
	s.Duration(&w.Heartbeat, "heartbeat", "ROTOR_HEARTBEAT", 10*time.Second, 300*time.Millisecond, "how soon a dead worker is noticed")
	s.Duration(&w.StepTimeout, "step-timeout", "ROTOR_STEP_TIMEOUT", 30*time.Second, time.Second, "time limit of one attempt of a step")
	s.Duration(&w.StepBurst, "step-burst", "ROTOR_STEP_BURST", time.Minute, time.Second, "how long the server repeats a failing step before the workflow shows it and waits")
	s.Duration(&w.FirstPause, "first-pause", "ROTOR_FIRST_PAUSE", 10*time.Second, 100*time.Millisecond, "first wait after such a burst; it doubles")
	s.Duration(&w.LongestPause, "longest-pause", "ROTOR_LONGEST_PAUSE", 30*time.Minute, 100*time.Millisecond, "longest wait after such a burst")
	s.Duration(&w.StuckAfter, "stuck-after", "ROTOR_STUCK_AFTER", 10*time.Minute, time.Second, "how long one step fails before its rotation counts as stuck")
	w.Express = true
	s.Bool(&w.Express, "express", "ROTOR_EXPRESS", "try each step of a rotation first within the workflow task, which takes a tenth of the time and half of the history")
	s.Duration(&w.Sticky, "sticky", "ROTOR_STICKY", 5*time.Second, 100*time.Millisecond, "how long a workflow waits for the worker that has it in memory")
	s.Duration(&w.StopTimeout, "stop-timeout", "ROTOR_STOP_TIMEOUT", 30*time.Second, 0, "how long steps that run may go on after SIGTERM")
	s.Number(&w.MaxActivities, "max-activities", "ROTOR_MAX_ACTIVITIES", 100, 1, "how many steps may run at once")
	s.Number(&w.MaxPerTarget, "max-per-target", "ROTOR_MAX_PER_TARGET", 20, 1, "how many steps may be at one database server at once, so that one that hangs leaves room for others")
	s.Number(&w.MaxPerStore, "max-per-store", "ROTOR_MAX_PER_STORE", 50, 1, "the same for one region of a secret store")
	s.Number(&w.StepsPerTarget, "steps-per-target", "ROTOR_STEPS_PER_TARGET", 0, 0, "how many steps may begin at one database server within a second; 0: no bound")
	s.Number(&w.alibabaKMSWrites, "alibaba-kms-writes", "ROTOR_ALIBABA_KMS_WRITES", 40, 0, "how many writes per second Alibaba Cloud KMS takes from an account in a region; 0: no bound")
	s.Number(&w.awsWrites, "aws-writes", "ROTOR_AWS_WRITES", 50, 0, "the same of AWS Secrets Manager")
	s.Number(&w.QuotaWorkers, "quota-workers", "ROTOR_QUOTA_WORKERS", 1, 1, "how many workers share those writes and steps per second; each takes its part")
	WorkflowTaskTimeout(s, &w.WorkflowTaskTimeout)
	PayloadKeys(s, &w.PayloadKeys)
	s.Text(&w.Codec.Address, "codec-address", "ROTOR_CODEC_ADDRESS", "", "host:port at which the worker reads encrypted payloads for Temporal's Web UI and CLI; without it, nowhere")
	s.Text(&w.Codec.Origins, "codec-origins", "ROTOR_CODEC_ORIGINS", "", "origins of the Web UIs that may ask there, separated by commas, like https://temporal.example.com")
	s.Text(&w.Codec.TokenFile, "codec-token-file", "ROTOR_CODEC_TOKEN_FILE", "", "file with a token that whoever asks there has to bear")
	s.Text(&w.Codec.Certificate, "codec-certificate", "ROTOR_CODEC_CERTIFICATE", "", "file with the certificate, for TLS there")
	s.Text(&w.Codec.Key, "codec-key", "ROTOR_CODEC_KEY", "", "file with that certificate's key")
	s.Text(&w.Deployment, "deployment", "ROTOR_DEPLOYMENT", "", "name of the worker deployment; with it the worker is versioned, and does nothing until its version is made current")
	s.Text(&w.BuildID, "build-id", "ROTOR_BUILD_ID", "", "version within the deployment; without it, what the program was built from")
	s.Text(&w.MetricsAddress, "metrics-address", SettingMetrics, "", "HOST:PORT on which /metrics, /healthz and /readyz are served; nowhere without it")
	s.Duration(&w.Census, "metrics-census", "ROTOR_METRICS_CENSUS", 15*time.Minute, time.Second, "how often the stores are asked for the age of scheduled credentials")
	s.Duration(&w.Pulse, "metrics-pulse", "ROTOR_METRICS_PULSE", 30*time.Second, time.Second, "how often Temporal is asked for stuck rotations")
	s.Bool(&w.MetricsNamed, "metrics-named", "ROTOR_METRICS_NAMED", "two series for each scheduled secret, with its name")
	s.Text(&w.LogFormat, "log-format", "ROTOR_LOG_FORMAT", "text", "text or json", "text", "json")
	s.Text(&w.LogLevel, "log-level", "ROTOR_LOG_LEVEL", "info", "debug, info, warn or error", "debug", "info", "warn", "error")
	return s
}

// WritesPerSecond is how many writes a provider's store takes from one account in one region, 0 for no bound; setting is its name.
func (w *Worker) WritesPerSecond(provider string) (quota int, setting string) {
	if provider == rotation.StoreAWS {
		return w.awsWrites, "ROTOR_AWS_WRITES"
	}
	return w.alibabaKMSWrites, "ROTOR_ALIBABA_KMS_WRITES"
}

// AllowMissing are the privileges that a standby account may lack where the admin account can't grant them.
func (w *Worker) AllowMissing() []string { return slices.Clone(w.allowMissing) }

// PasswordPolicy is what requests leave open of new passwords, unless a store has a policy of its own.
func (w *Worker) PasswordPolicy() rotation.PasswordPolicy {
	p := w.passwords
	p.AnyTypes = !w.eachType
	return p
}
