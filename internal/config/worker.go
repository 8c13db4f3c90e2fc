package config

import "time"

// DefaultTaskQueue is where starters put rotations and workers look for them.
const DefaultTaskQueue = "rotor"

// Worker is what a worker can be told.
type Worker struct {
	TaskQueue string

	AlibabaNetwork     string
	AlibabaKMSEndpoint string
	AlibabaRDSEndpoint string
	AllowHTTP          bool
	SignatureValidity  time.Duration

	// MySQLCA lists files, separated by colons.
	MySQLCA string

	Heartbeat     time.Duration
	StepTimeout   time.Duration
	StepBurst     time.Duration
	FirstPause    time.Duration
	LongestPause  time.Duration
	Sticky        time.Duration
	StopTimeout   time.Duration
	MaxActivities int

	LogFormat string
	LogLevel  string
}

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
	s.Text(&w.MySQLCA, "mysql-ca", "ROTOR_MYSQL_CA", "", "files with CA certificates of database servers, separated by colons")
	s.Duration(&w.Heartbeat, "heartbeat", "ROTOR_HEARTBEAT", 10*time.Second, 300*time.Millisecond, "how soon a dead worker is noticed")
	s.Duration(&w.StepTimeout, "step-timeout", "ROTOR_STEP_TIMEOUT", 30*time.Second, time.Second, "time limit of one attempt of a step")
	s.Duration(&w.StepBurst, "step-burst", "ROTOR_STEP_BURST", time.Minute, time.Second, "how long the server repeats a failing step before the workflow shows it and waits")
	s.Duration(&w.FirstPause, "first-pause", "ROTOR_FIRST_PAUSE", 10*time.Second, 100*time.Millisecond, "first wait after such a burst; it doubles")
	s.Duration(&w.LongestPause, "longest-pause", "ROTOR_LONGEST_PAUSE", 30*time.Minute, 100*time.Millisecond, "longest wait after such a burst")
	s.Duration(&w.Sticky, "sticky", "ROTOR_STICKY", 5*time.Second, 100*time.Millisecond, "how long a workflow waits for the worker that has it in memory")
	s.Duration(&w.StopTimeout, "stop-timeout", "ROTOR_STOP_TIMEOUT", 30*time.Second, 0, "how long steps that run may go on after SIGTERM")
	s.Number(&w.MaxActivities, "max-activities", "ROTOR_MAX_ACTIVITIES", 100, 1, "how many steps may run at once")
	s.Text(&w.LogFormat, "log-format", "ROTOR_LOG_FORMAT", "text", "text or json", "text", "json")
	s.Text(&w.LogLevel, "log-level", "ROTOR_LOG_LEVEL", "info", "debug, info, warn or error", "debug", "info", "warn", "error")
	return s
}
