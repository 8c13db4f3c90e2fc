package model

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/target"
)

// fault is what happens to one call.
type fault string

const (
	noFault fault = ""
	// lostAnswer: it takes effect, and the caller is told that nothing came back.
	lostAnswer fault = "lost answer"
	// denied: it does not take effect, and the caller is told that it never will.
	denied fault = "denied"
)

// response is what one call of an attempt was told; a step that is run again from the start gets it again.
type response struct {
	value any
	err   error
	text  string
}

// stop ends a run of a step at the call that it would make next.
type stop struct{ call string }

// port is the store and the target as one attempt sees them. It replays the responses that the attempt has had, carries out one
// call more, and stops before the next one that others could notice.
type port struct {
	w       *world
	a       *attempt
	fault   fault
	next    int
	applied bool
	stopped bool
}

// call makes one call. Visible ones are the points between which other attempts may run: what reads content that never
// changes is not.
func (p *port) call(name string, visible bool, do func() (any, error)) (any, error) {
	if p.stopped {
		return nil, fmt.Errorf("stopped")
	}
	if p.next < len(p.a.log) {
		r := p.a.log[p.next]
		p.next++
		return r.value, r.err
	}
	if visible {
		if p.applied {
			p.stopped = true
			panic(stop{name})
		}
		p.applied = true
	}
	var value any
	var err error
	switch {
	case p.w.deleted && ofSecret(name):
		err = errDeleted
	case visible && p.fault == denied:
		err = rotation.Errorf(rotation.Permanent, "denied")
	default:
		value, err = do()
		if visible && p.fault == lostAnswer && err == nil {
			value, err = nil, &rotation.Error{Kind: rotation.Retryable, Text: "no answer", Unanswered: true}
		}
	}
	p.a.log = append(p.a.log, response{value, err, fmt.Sprintf("%s=%v/%v", name, value, err)})
	p.next++
	return value, err
}

// ofSecret says whether a call is about the secret, and not about an account.
func ofSecret(call string) bool {
	for _, c := range []string{"versions", "read", "put", "compare", "move", "remove"} {
		if strings.HasPrefix(call, c) {
			return true
		}
	}
	return false
}

// touched notes that the attempt has changed something.
func (p *port) touched() { p.w.touched[p.a.rotation]++ }

func changes(call string) bool {
	for _, c := range []string{"put", "move", "remove", "create", "password", "level", "drop"} {
		if strings.HasPrefix(call, c) {
			return true
		}
	}
	return false
}

// uncertainFor stands for the time after which a late move can't be carried out any more.
const uncertainFor = 15 * time.Minute

// Traits are those of KMS, or of Secrets Manager, which compares and leaves the pending stage on the version that has become current.
func (p *port) Traits() secretstore.Traits {
	if p.w.swaps {
		return secretstore.Traits{Dialect: rotation.AlibabaDialect, KeepsVersions: 100}
	}
	traits := secretstore.Traits{Dialect: rotation.AlibabaDialect, KeepsVersions: keeps, ClearsPending: true, UncertainFor: uncertainFor}
	if p.w.off == LeavesRoom {
		traits.KeepsVersions = 0
	}
	return traits
}

func (p *port) Versions(context.Context, secretstore.Ref) (rotation.Versions, error) {
	v, err := p.call("versions", true, func() (any, error) { return p.seen(), nil })
	list, _ := v.(rotation.Versions)
	return list, err
}

func (p *port) Read(_ context.Context, _ secretstore.Ref, id string) (secretstore.Value, error) {
	v, err := p.call("read "+id, false, func() (any, error) {
		found, ok := p.w.find(id)
		if !ok {
			return nil, rotation.Errorf(rotation.Permanent, "no version %s", id)
		}
		return secretstore.Value{Version: id, Data: p.w.document(found)}, nil
	})
	value, _ := v.(secretstore.Value)
	return value, err
}

func (p *port) ReadCurrent(_ context.Context, ref secretstore.Ref) (secretstore.Value, error) {
	if ref.Name == adminName {
		return secretstore.Value{Version: "a", Data: p.w.document(version{account: "root", password: "root"})}, nil
	}
	v, err := p.call("read current", true, func() (any, error) {
		current := p.w.current
		if p.w.off == SeesSuperseded && p.a.step == rotation.StepRetire {
			current = p.a.plan().Version
		}
		found, _ := p.w.find(current)
		return secretstore.Value{Version: found.id, Data: p.w.document(found), Created: p.w.created(found.id)}, nil
	})
	value, _ := v.(secretstore.Value)
	return value, err
}

func (p *port) PutPending(_ context.Context, ref secretstore.Ref, id string, data rotation.Secret) error {
	_, err := p.call("put "+id, true, func() (any, error) {
		doc, err := rotation.ParseDocument(ref.Name, rotation.AlibabaDialect, data)
		if err != nil {
			return nil, err
		}
		if there, ok := p.w.find(id); ok {
			if p.w.document(there).Equal(data) {
				return nil, nil
			}
			return nil, rotation.Errorf(rotation.Conflict, "version %s exists with another value", id)
		}
		p.w.put(version{id, doc.Account, doc.Password.Reveal()})
		p.touched()
		return nil, nil
	})
	return err
}

// Staged is one call, like Versions.
func (p *port) Staged(ctx context.Context, ref secretstore.Ref) (rotation.Versions, error) {
	return p.Versions(ctx, ref)
}

// MoveCurrent is two calls at the store: it is looked at, then moved without a comparison.
func (p *port) MoveCurrent(_ context.Context, _ secretstore.Ref, from, to string) error {
	if p.w.swaps {
		return p.swap(from, to)
	}
	v, err := p.call("compare", true, func() (any, error) { return p.w.current, nil })
	if err != nil {
		return err
	}
	if v == to && p.w.off != SeesItsMove {
		return nil
	}
	if v != from && p.w.off != NamesBase {
		return rotation.Errorf(rotation.Conflict, "%v is current", v)
	}
	_, err = p.call("move "+to, true, func() (any, error) {
		if p.w.current != to {
			p.w.previous, p.w.current = p.w.current, to
			p.touched()
		}
		return nil, nil
	})
	return err
}

// MoveCurrentIf is for steps that go express, which the model's don't.
func (p *port) MoveCurrentIf(ctx context.Context, ref secretstore.Ref, from, to string, _ func(rotation.Versions) error) error {
	return p.MoveCurrent(ctx, ref, from, to)
}

// swap is one call at a store that compares.
func (p *port) swap(from, to string) error {
	_, err := p.call("move "+to, true, func() (any, error) {
		if p.w.current == to {
			return nil, nil
		}
		if p.w.current != from && p.w.off != NamesBase {
			return nil, rotation.Errorf(rotation.Conflict, "%v is current", p.w.current)
		}
		p.w.previous, p.w.current = p.w.current, to
		p.touched()
		return nil, nil
	})
	return err
}

func (p *port) RemovePending(_ context.Context, _ secretstore.Ref, id string) error {
	_, err := p.call("remove "+id, true, func() (any, error) {
		if p.w.pending == id {
			p.w.pending = ""
			p.touched()
		}
		return nil, nil
	})
	return err
}

// Calls is not asked for by a rotation.
func (p *port) Calls(secretstore.Ref, string, string) (secretstore.Calls, error) {
	return secretstore.Calls{}, rotation.Errorf(rotation.Permanent, "the model has no calls")
}

// Tagged is not asked for by a rotation either.
func (p *port) Tagged(context.Context, string, map[string]string, string) (secretstore.Tagged, error) {
	return secretstore.Tagged{}, rotation.Errorf(rotation.Permanent, "the model has no tags")
}

// targetPort is the target's side of a port.
type targetPort struct{ *port }

func (p targetPort) Traits() target.Traits { return target.Traits{} }

func (p *port) Probe(_ context.Context, login target.Login) target.Proof {
	v, err := p.call("probe "+login.Account, true, func() (any, error) {
		a, exists := p.w.accounts[login.Account]
		if p.believes() {
			return target.Proof{Answer: rotation.Accepted, Server: "s", TLS: "none"}, nil
		}
		if !exists || !a.takes(login.Password.Reveal()) {
			return target.Proof{Answer: rotation.RefusedLogin, Code: "1045", Server: "s"}, nil
		}
		return target.Proof{Answer: rotation.Accepted, Server: "s", TLS: "none"}, nil
	})
	switch {
	case err != nil && p.w.off == UnknownIsNoRefusal:
		return target.Proof{Answer: rotation.RefusedLogin, Code: "1045", Server: "s"}
	case err != nil:
		return target.Proof{Answer: rotation.Unknown, Err: err}
	}
	return v.(target.Proof)
}

func (p *port) Survey(_ context.Context, q target.Question) (target.Survey, error) {
	v, err := p.call("survey", true, func() (any, error) {
		_, exists := p.w.accounts[q.Pair.Standby(q.Current)]
		return target.Survey{Server: "s", StandbyExists: exists, SecondPassword: p.w.accounts[q.Current].second != "" && p.w.off != SeesSecondPassword}, nil
	})
	survey, _ := v.(target.Survey)
	return survey, err
}

// Lock ends the session of whoever holds it, as GET_LOCK after KILL does.
func (p *port) Lock(_ context.Context, by target.Login, _ rotation.Pair) (target.Session, error) {
	if p.w.off == LocksTwice && p.a.step == rotation.StepRollback && p.asked("remove") {
		return &session{p: p, free: true}, nil
	}
	_, err := p.call("lock", true, func() (any, error) {
		if p.w.single && !p.w.accounts[by.Account].takes(by.Password.Reveal()) {
			return nil, rotation.Errorf(rotation.Permanent, "refused").WithCode("1045")
		}
		if p.w.off == KillsHolder && p.w.lock != 0 {
			return nil, rotation.Errorf(rotation.Retryable, "another session holds the lock")
		}
		p.w.lock = p.a.number
		return nil, nil
	})
	return &session{p: p}, err
}

// Rehearse is not asked for by a rotation.
func (p *port) Rehearse(context.Context, target.Login, rotation.Pair, *target.Script) (target.Session, error) {
	return nil, rotation.Errorf(rotation.Permanent, "the model rehearses nothing")
}

// session is a locked session; when somebody else took the lock, it is dead.
type session struct {
	p *port
	// free ones don't hold the lock.
	free bool
}

func (s *session) call(name string, do func() (any, error)) (any, error) {
	return s.p.call(name, true, func() (any, error) {
		if s.p.w.lock != s.p.a.number && !s.free && !s.p.w.noSessions && s.p.w.off != TakesLock {
			return nil, rotation.Errorf(rotation.Retryable, "the session was killed")
		}
		return do()
	})
}

func (s *session) Exists(_ context.Context, name string) (bool, error) {
	v, err := s.call("exists", func() (any, error) {
		_, exists := s.p.w.accounts[name]
		return exists, nil
	})
	exists, _ := v.(bool)
	return exists, err
}

// Create is two statements, as on a real server: an account that may nothing, then its privileges.
func (s *session) Create(ctx context.Context, name, like string, password rotation.Secret) (target.Change, error) {
	_, err := s.call("create "+name, func() (any, error) {
		if _, exists := s.p.w.accounts[name]; exists {
			return nil, rotation.Errorf(rotation.Conflict, "account %s exists", name)
		}
		s.p.w.accounts[name] = account{password: password.Reveal()}
		s.p.touched()
		return nil, nil
	})
	if err != nil {
		return target.Change{}, err
	}
	return s.Level(ctx, name, like, password)
}

func (s *session) Renew(ctx context.Context, name, like string, password rotation.Secret) (target.Change, error) {
	if err := s.SetPassword(ctx, name, password); err != nil {
		return target.Change{}, err
	}
	return s.Level(ctx, name, like, password)
}

func (s *session) SetPassword(_ context.Context, name string, password rotation.Secret) error {
	_, err := s.call("password "+name, func() (any, error) {
		a, exists := s.p.w.accounts[name]
		if !exists {
			return nil, rotation.Errorf(rotation.Conflict, "account %s does not exist", name)
		}
		if a.password != password.Reveal() {
			a.password = password.Reveal()
			s.p.touched()
		}
		s.p.w.accounts[name] = a
		return nil, nil
	})
	return err
}

func (s *session) SetOwnPassword(_ context.Context, old, new rotation.Secret) error {
	_, err := s.call("password "+base, func() (any, error) {
		if s.p.w.accounts[base].password != old.Reveal() {
			return nil, rotation.Errorf(rotation.Retryable, "not the old password").WithCode("3891")
		}
		s.p.w.accounts[base] = account{password: new.Reveal(), equal: true}
		s.p.touched()
		return nil, nil
	})
	return err
}

func (s *session) Level(_ context.Context, name, _ string, _ rotation.Secret) (target.Change, error) {
	_, err := s.call("level "+name, func() (any, error) {
		a, exists := s.p.w.accounts[name]
		if !exists {
			return nil, rotation.Errorf(rotation.Conflict, "account %s does not exist", name)
		}
		if s.p.w.off == LevelsAgain && !s.p.asked("create") && !s.p.asked("password") {
			return nil, nil
		}
		a.equal = true
		s.p.w.accounts[name] = a
		return nil, nil
	})
	return target.Change{}, err
}

func (s *session) Differences(_ context.Context, name, _ string) ([]string, error) {
	v, err := s.call("differences", func() (any, error) {
		if !s.p.w.accounts[name].equal && s.p.w.off != ComparesPrivileges {
			return []string{"privileges"}, nil
		}
		return []string(nil), nil
	})
	d, _ := v.([]string)
	return d, err
}

func (s *session) Drop(_ context.Context, name string) error {
	_, err := s.call("drop "+name, func() (any, error) {
		if _, exists := s.p.w.accounts[name]; exists {
			delete(s.p.w.accounts, name)
			s.p.touched()
		}
		return nil, nil
	})
	return err
}

func (s *session) Close() {
	if s.p.stopped || s.free {
		return
	}
	_, _ = s.p.call("unlock", false, func() (any, error) {
		if s.p.w.lock == s.p.a.number {
			s.p.w.lock = 0
		}
		return nil, nil
	})
}
