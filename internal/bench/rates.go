package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"rotor/internal/cloudsim"
	"rotor/internal/devstack"
)

// added is how far away a database or a store is put.
const added = 20 * time.Millisecond

// most is how many rotations at once rates with something in the way are measured with.
func (s *stage) most() int { return s.AtOnce[len(s.AtOnce)-1] }

// perSecond rotates so many at once, each secret by one at a time, until so many are done, and gives the rate.
func perSecond(ctx context.Context, secrets []devstack.Secret, atOnce, many int, rotate func(context.Context, devstack.Secret) error) (float64, error) {
	many = max(many, atOnce)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var taken atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for i := range atOnce {
		group.Go(func() {
			// In turns, for KMS keeps ten versions and tells their age in seconds: of one that was rotated ten times within a second it can't be known
			// which version would be pushed out.
			for at := i; ctx.Err() == nil && taken.Add(1) <= int64(many); at += atOnce {
				if at >= len(secrets) {
					at = i
				}
				if err := rotate(ctx, secrets[at]); err != nil {
					cancel(err)
				}
			}
		})
	}
	group.Wait()
	return float64(many) / time.Since(began).Seconds(), context.Cause(ctx)
}

// byWorker rotates by the worker of a task queue.
func (s *stage) byWorker(queue string) func(context.Context, devstack.Secret) error {
	return func(ctx context.Context, secret devstack.Secret) error {
		_, err := s.rotate(ctx, tracked, secret, queue)
		return err
	}
}

func (s *stage) byFloor(ctx context.Context, secret devstack.Secret) error {
	return s.walk(ctx, tracked, secret)
}

// rates measures rotations per second, and what they take of the processes.
func (s *stage) rates(ctx context.Context) error {
	for i, n := range s.AtOnce {
		many := max(s.Many, n)
		if n == 1 {
			many = min(many, s.Single)
		}
		before, err := s.usages()
		if err != nil {
			return err
		}
		rate, err := perSecond(ctx, s.near, n, many, s.byWorker(queueFree))
		if err != nil {
			return err
		}
		s.add(fmt.Sprintf("rate, %d at once", n), "rotations/s", rate)
		if i < len(s.AtOnce)-1 {
			continue
		}
		if err := s.taken(before, many); err != nil {
			return err
		}
		floor, err := perSecond(ctx, s.near, n, many, s.byFloor)
		if err != nil {
			return err
		}
		s.add(fmt.Sprintf("floor's rate, %d at once", n), "rotations/s", floor)
		s.add(fmt.Sprintf("floor's rate by the rate, %d at once", n), "times", floor/rate)
	}
	return nil
}

// taken says what so many rotations have taken of the processes.
func (s *stage) taken(before map[string]usage, many int) error {
	after, err := s.usages()
	if err != nil {
		return err
	}
	for _, p := range s.processes() {
		s.add(p.name+": processor", "ms/rotation", milliseconds(after[p.name].processor-before[p.name].processor)/float64(many))
		s.add(p.name+": memory", "MB", after[p.name].megabytes)
	}
	return nil
}

type processOf struct {
	name string
	pid  int
}

// processes are those whose usage can be read, which takes Linux.
func (s *stage) processes() []processOf {
	if runtime.GOOS != "linux" {
		return nil
	}
	return []processOf{
		{"worker", s.worker.PID()}, {"Temporal", s.Stack.Temporal.PID()}, {"database", s.Stack.MySQL.PID()}, {"bench with the simulated cloud", os.Getpid()},
	}
}

func (s *stage) usages() (map[string]usage, error) {
	all := map[string]usage{}
	for _, p := range s.processes() {
		u, err := usageOf(p.pid)
		if err != nil {
			return nil, err
		}
		all[p.name] = u
	}
	return all, nil
}

// distances measures the rate with the database, and then the store, further away.
func (s *stage) distances(ctx context.Context) error {
	for _, r := range s.relays {
		r.setDelay(added)
	}
	rate, err := perSecond(ctx, s.far, s.most(), s.Many, s.byWorker(queueFree))
	if err != nil {
		return err
	}
	s.add(fmt.Sprintf("rate, %d at once, database %s away", s.most(), added), "rotations/s", rate)
	if rate, err = perSecond(ctx, s.far, s.most(), s.Many, s.byFloor); err != nil {
		return err
	}
	s.add(fmt.Sprintf("floor's rate, %d at once, database %s away", s.most(), added), "rotations/s", rate)
	for _, r := range s.relays {
		r.setDelay(0)
	}
	slow := s.Stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Hold: added, Times: cloudsim.Always})
	defer slow.Remove()
	if rate, err = perSecond(ctx, s.near, s.most(), s.Many, s.byWorker(queueFree)); err == nil {
		s.add(fmt.Sprintf("rate, %d at once, store %s away", s.most(), added), "rotations/s", rate)
	}
	return err
}

// hung measures the rate at nine databases, and again while rotations are under way at a tenth one that hangs.
func (s *stage) hung(ctx context.Context) error {
	var others, its []devstack.Secret
	for i, secret := range s.far {
		if i%databases == databases-1 {
			its = append(its, secret)
		} else {
			others = append(others, secret)
		}
	}
	if len(its) == 0 {
		its = []devstack.Secret{others[len(others)-1]}
		others = others[:len(others)-1]
	}
	without, err := perSecond(ctx, others, len(others), s.Many, s.byWorker(queueFree))
	if err != nil {
		return err
	}
	hangs := s.relayOf(its[0])
	hangs.hang()
	defer hangs.mend()
	for _, secret := range its {
		run, err := s.start(ctx, tracked, secret, queueFree)
		if err != nil {
			return err
		}
		// It has changed nothing: it looks at the database first.
		defer func() { _ = s.Temporal.TerminateWorkflow(ctx, run.GetID(), run.GetRunID(), "the measurement is over") }()
	}
	with, err := perSecond(ctx, others, len(others), s.Many, s.byWorker(queueFree))
	if err != nil {
		return err
	}
	s.add("rate at nine databases", "rotations/s", without)
	s.add("rate at nine databases, a tenth hangs", "rotations/s", with)
	s.add("what the hung database costs the others", "%", 100*(1-with/without))
	return nil
}

func (s *stage) relayOf(secret devstack.Secret) *relay {
	for i, one := range s.far {
		if one.Name == secret.Name {
			return s.relays[i%databases]
		}
	}
	return nil
}

// kmsQuota is what is assumed of KMS, and what workers keep to by default.
const kmsQuota = 40

// quota measures a worker with the default settings at a store that takes so many writes.
func (s *stage) quota(ctx context.Context) error {
	s.Stack.Cloud.SetQuota(cloudsim.AlibabaKMS, kmsQuota)
	defer s.Stack.Cloud.SetQuota(cloudsim.AlibabaKMS, 0)
	seq := s.seen()
	rate, err := perSecond(ctx, s.far, s.most(), s.most(), s.byWorker(queuePaced))
	if err != nil {
		return err
	}
	writes, refused := 0, 0
	for _, r := range s.Stack.Cloud.RequestsSince(seq) {
		if r.Writes() {
			writes++
			if !r.Applied {
				refused++
			}
		}
	}
	s.add(fmt.Sprintf("rate, %d at once, default settings, store takes %d writes/s", s.most(), kmsQuota), "rotations/s", rate)
	s.add("writes that such a store refuses", "%", 100*float64(refused)/float64(writes))
	return nil
}

// seen is how many requests the cloud has seen.
func (s *stage) seen() int {
	if all := s.Stack.Cloud.Requests(); len(all) > 0 {
		return all[len(all)-1].Seq
	}
	return 0
}
