package main

import (
	"context"
	"sync/atomic"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
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
		case said.Text == sqlrelay.Login:
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
	found := map[string][]float64{}
	for range counted {
		seq := s.seen()
		logins.Store(0)
		statements.Store(0)
		run, err := s.start(ctx, k, added[0], queueFree)
		if err == nil {
			err = await(ctx, k, run, &rotation.Result{})
		}
		if err != nil {
			return err
		}
		now := s.calls(seq)
		now[nameLogins], now[nameStatements] = int(logins.Load()), int(statements.Load())
		if now[nameEvents], now[nameBytes], err = s.history(ctx, run); err != nil {
			return err
		}
		for name, n := range now {
			found[name] = append(found[name], float64(n))
		}
	}
	floor, err := s.countFloor(ctx, k, added[0], &logins, &statements)
	if err != nil {
		return err
	}
	for _, name := range []string{nameCalls, nameLogins, nameStatements} {
		s.add(k.Name+": floor, "+name, "per rotation", float64(floor[name]))
	}
	for _, name := range []string{nameCalls, nameWrites, nameRDS, nameLogins, nameStatements, nameEvents, nameBytes} {
		if name != nameRDS || added[0].Instance != "" {
			s.add(k.Name+": "+name, "per rotation", quantile(found[name], 0.5))
		}
	}
	return nil
}

// countFloor counts what the floor does, which is to be the same.
func (s *stage) countFloor(ctx context.Context, k trial.Kind, secret devstack.Secret, logins, statements *atomic.Int64) (map[string]int, error) {
	seq := s.seen()
	logins.Store(0)
	statements.Store(0)
	err := s.walk(ctx, k, secret)
	n := s.calls(seq)
	n[nameLogins], n[nameStatements] = int(logins.Load()), int(statements.Load())
	return n, err
}

// What is counted.
const (
	nameCalls      = "store calls"
	nameWrites     = "store writes"
	nameRDS        = "RDS calls"
	nameLogins     = "logins"
	nameStatements = "statements"
	nameEvents     = "events"
	nameBytes      = "bytes of history"
)

// calls counts the cloud's requests since one of them.
func (s *stage) calls(seq int) map[string]int {
	n := map[string]int{nameCalls: 0, nameWrites: 0, nameRDS: 0}
	for _, r := range s.Stack.Cloud.RequestsSince(seq) {
		switch {
		case r.API != cloudsim.AlibabaKMS && r.API != cloudsim.AWSSecretsManager:
			n[nameRDS]++
			continue
		case r.Writes():
			n[nameWrites]++
		}
		n[nameCalls]++
	}
	return n
}

// history counts what Temporal keeps of a rotation.
func (s *stage) history(ctx context.Context, run client.WorkflowRun) (events, bytes int, err error) {
	all := s.Temporal.GetWorkflowHistory(ctx, run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for all.HasNext() {
		if _, err := all.Next(); err != nil {
			return 0, 0, err
		}
		events++
	}
	described, err := s.Temporal.DescribeWorkflowExecution(ctx, run.GetID(), run.GetRunID())
	return events, int(described.GetWorkflowExecutionInfo().GetHistorySizeBytes()), err
}
