package apsarards

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// serverTimeout bounds what is asked of the server behind an instance.
const serverTimeout = 30 * time.Second

// pending is a change of an account that was accepted and is not made yet.
type pending struct {
	timer *time.Timer
	once  sync.Once
	work  func()
	done  chan struct{}
}

// run makes the change, or drops it if it is told so; whoever comes first decides.
func (p *pending) run(drop bool) {
	p.once.Do(func() {
		defer close(p.done)
		if !drop {
			p.work()
		}
	})
	<-p.done
}

// later makes the account Unavailable and carries out the work on the server after the instance's delay. after gives
// the account as it is then; false makes it vanish. If the server refuses, the account is what it was before, and the
// error is kept for Errors. s.mu is held.
func (s *Service) later(i *instance, a Account, work func(context.Context, Server) error, after func(Account) (Account, bool)) {
	before, existed := (*i.state.Now())[a.Name]
	a.Status = Unavailable
	s.set(i, a)
	p := &pending{done: make(chan struct{})}
	p.work = func() {
		ctx, cancel := context.WithTimeout(s.running, serverTimeout)
		defer cancel()
		err := work(ctx, i.Server)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(i.pending, a.Name)
		done, keep := after(a)
		if err != nil {
			s.errors = append(s.errors, fmt.Errorf("change account %s of instance %s: %w", a.Name, i.ID, err))
			done, keep = before, existed
		}
		if !keep {
			s.drop(i, a.Name)
			return
		}
		done.Status = Available
		s.set(i, done)
	}
	i.pending[a.Name] = p
	p.timer = time.AfterFunc(i.Delay, func() { p.run(false) })
}

// set makes a new state with the account in it. s.mu is held.
func (s *Service) set(i *instance, a Account) {
	next := maps.Clone(*i.state.Now())
	next[a.Name] = a
	i.state.Set(&next, s.clock())
}

// drop makes a new state without the account. s.mu is held.
func (s *Service) drop(i *instance, name string) {
	next := maps.Clone(*i.state.Now())
	delete(next, name)
	i.state.Set(&next, s.clock())
}

// Errors lists what went wrong on servers behind instances, which no caller of the API gets to hear.
func (s *Service) Errors() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.errors...)
}

// Close drops what is pending and waits for what is being done.
func (s *Service) Close() {
	s.stop()
	s.mu.Lock()
	var waiting []*pending
	for _, i := range s.instances {
		waiting = slices.AppendSeq(waiting, maps.Values(i.pending))
	}
	s.mu.Unlock()
	for _, p := range waiting {
		p.timer.Stop()
		p.run(true)
	}
}
