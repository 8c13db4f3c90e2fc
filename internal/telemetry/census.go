package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/log"
)

// Source tells a census what there is. Package wiring has the real one.
type Source interface {
	// Credentials calls found for each credential that has a schedule.
	Credentials(ctx context.Context, found func(Credential)) error
	// Rotations counts the open rotations, and those among them that are stuck.
	Rotations(ctx context.Context) (Rotations, error)
	// Answers says whether Temporal does.
	Answers(ctx context.Context) error
}

// Credential is a secret's current version, and how often it is to be replaced.
type Credential struct {
	Store, Region, Secret string
	// Written is when the version was, the zero time if that could not be seen.
	Written time.Time
	// Interval is how long the schedule lets pass between two rotations, and Slack how much later it may start.
	Interval, Slack time.Duration
}

// tolerance is the share of its interval that a credential may be late before it is overdue.
const tolerance = 0.1

func (c Credential) age(now time.Time) time.Duration { return max(now.Sub(c.Written), 0) }

func (c Credential) overdue(now time.Time) bool {
	return c.age(now) > c.Interval+c.Slack+time.Duration(tolerance*float64(c.Interval))
}

// Rotations are open ones.
type Rotations struct{ Open, Parked, Failing int }

// Census counts, again and again, what no single step sees: how old credentials are, and which rotations are stuck.
type Census struct {
	Source  Source
	Metrics *Metrics
	Log     log.Logger
	// Every is how long it waits between two looks at all credentials; Pulse between two at what is open.
	Every, Pulse time.Duration
	// Named adds two series for each secret, with its name.
	Named bool

	mu          sync.Mutex
	credentials []Credential
	counted     time.Time
	rotations   *Rotations
}

// Descriptions of the census's series.
var (
	named        = []string{"store", "region", "secret"}
	descCount    = prometheus.NewDesc("rotor_credentials", "Credentials that have a schedule.", nil, nil)
	descOverdue  = prometheus.NewDesc("rotor_credentials_overdue", "Credentials that are older than their interval and a tenth of it.", nil, nil)
	descUnread   = prometheus.NewDesc("rotor_credentials_unread", "Credentials whose age could not be seen in the store.", nil, nil)
	descOldest   = prometheus.NewDesc("rotor_credential_age_max_ratio", "Age of the credential that is latest, as a share of its interval.", nil, nil)
	descCensus   = prometheus.NewDesc("rotor_census_timestamp_seconds", "When all credentials were looked at last.", nil, nil)
	descOpen     = prometheus.NewDesc("rotor_rotations_open", "Rotations that are open.", nil, nil)
	descStuck    = prometheus.NewDesc("rotor_rotations_stuck", "Rotations that are parked, or of which one step has failed for long.", []string{"state"}, nil)
	descAge      = prometheus.NewDesc("rotor_credential_age_seconds", "How long ago the current version of the secret was written.", named, nil)
	descInterval = prometheus.NewDesc("rotor_credential_interval_seconds", "How often the secret is to be rotated.", named, nil)
)

// Describe implements prometheus.Collector.
func (c *Census) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descCount, descOverdue, descUnread, descOldest, descCensus, descOpen, descStuck, descAge, descInterval} {
		out <- d
	}
}

// Collect implements prometheus.Collector. What was not counted yet, or can't be, is left out: a zero would say that all is well.
func (c *Census) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	if r := c.rotations; r != nil {
		gauge(descOpen, float64(r.Open))
		gauge(descStuck, float64(r.Parked), "parked")
		gauge(descStuck, float64(r.Failing), "failing")
	}
	if c.counted.IsZero() {
		return
	}
	now, overdue, unread, oldest := time.Now(), 0, 0, 0.
	for _, one := range c.credentials {
		if one.Written.IsZero() {
			unread++
			continue
		}
		if one.overdue(now) {
			overdue++
		}
		oldest = max(oldest, one.age(now).Seconds()/one.Interval.Seconds())
		if c.Named {
			gauge(descAge, one.age(now).Seconds(), one.Store, one.Region, one.Secret)
			gauge(descInterval, one.Interval.Seconds(), one.Store, one.Region, one.Secret)
		}
	}
	gauge(descCount, float64(len(c.credentials)))
	gauge(descOverdue, float64(overdue))
	gauge(descUnread, float64(unread))
	gauge(descOldest, oldest)
	gauge(descCensus, float64(c.counted.Unix()))
}

// Run counts until the context ends.
func (c *Census) Run(ctx context.Context) {
	var both sync.WaitGroup
	both.Go(func() { repeat(ctx, c.Pulse, c.pulse) })
	both.Go(func() { repeat(ctx, c.Every, c.count) })
	both.Wait()
	c.Metrics.ready.Set(0)
}

func repeat(ctx context.Context, every time.Duration, do func(context.Context)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		do(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (c *Census) pulse(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	if err := c.Source.Answers(asking); err != nil {
		c.Metrics.ready.Set(0)
	} else {
		c.Metrics.ready.Set(1)
	}
	counting, cancel := context.WithTimeout(ctx, max(c.Pulse, answerPatience))
	defer cancel()
	r, err := c.Source.Rotations(counting)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rotations = nil; err == nil {
		c.rotations = &r
	}
}

func (c *Census) count(ctx context.Context) {
	var found []Credential
	if err := c.Source.Credentials(ctx, func(one Credential) { found = append(found, one) }); err != nil {
		if ctx.Err() == nil {
			c.Log.Warn("the credentials that have a schedule could not be counted; it is tried again", "After", c.Every)
		}
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credentials, c.counted = found, time.Now()
}
