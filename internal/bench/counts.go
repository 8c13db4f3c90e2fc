package main

import (
	"context"
	"sync/atomic"

	enumspb "go.temporal.io/api/enums/v1"

	"rotor/internal/cloudsim"
	"rotor/internal/trial"
	"rotor/internal/trial/sqlrelay"
)

// counted is how many rotations are counted; a retry in one of them makes no difference to the median.
const counted = 3

// counts counts what one rotation of each kind does. Nothing else is under way.
func (s *stage) counts(ctx context.Context) error {
	for _, k := range kinds {
		if !s.Takes(k) {
			continue
		}
		if err := s.count(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

func (s *stage) count(ctx context.Context, k trial.Kind) error {
	var logins, statements atomic.Int64
	r, err := sqlrelay.Listen(s.Stack.MySQL.Address(), func(said *sqlrelay.Statement, answered bool) sqlrelay.Verdict {
		switch {
		case answered:
		case said.Text == "login":
			logins.Add(1)
		default:
			statements.Add(1)
		}
		return sqlrelay.Pass
	})
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	added, err := s.addMany(ctx, k, 1, func(int) int { return r.Port() })
	if err != nil {
		return err
	}
	// The first rotation after the one that made the standby account is like all others.
	if _, err := s.rotate(ctx, k, added[0], queueFree); err != nil {
		return err
	}
	found := map[string][]float64{}
	for range counted {
		seq := s.seen()
		logins.Store(0)
		statements.Store(0)
		run, err := s.start(ctx, k, added[0], queueFree)
		if err != nil {
			return err
		}
		if err := run.Get(ctx, nil); err != nil {
			return err
		}
		calls, writes, others := 0, 0, 0
		for _, request := range s.Stack.Cloud.RequestsSince(seq) {
			switch {
			case request.API != cloudsim.AlibabaKMS && request.API != cloudsim.AWSSecretsManager:
				others++
				continue
			case request.Writes():
				writes++
			}
			calls++
		}
		events := 0
		history := s.Temporal.GetWorkflowHistory(ctx, run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for history.HasNext() {
			if _, err := history.Next(); err != nil {
				return err
			}
			events++
		}
		described, err := s.Temporal.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
		if err != nil {
			return err
		}
		for name, n := range map[string]int{
			"store calls": calls, "store writes": writes, "RDS calls": others, "logins": int(logins.Load()), "statements": int(statements.Load()),
			"events": events, "bytes of history": int(described.GetWorkflowExecutionInfo().GetHistorySizeBytes()),
		} {
			found[name] = append(found[name], float64(n))
		}
	}
	for _, name := range []string{"store calls", "store writes", "RDS calls", "logins", "statements", "events", "bytes of history"} {
		if name == "RDS calls" && added[0].Instance == "" {
			continue
		}
		s.add(k.Name+": "+name, "per rotation", quantile(found[name], 0.5))
	}
	return nil
}
