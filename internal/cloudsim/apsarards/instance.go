// Package apsarards simulates the account part of ApsaraDB RDS (API version 2014-08-15). Accounts change
// asynchronously, as at the real one: a call returns at once, the account is Unavailable for a while, and only then
// the change is made on the database server behind the instance, which can be a real one.
package apsarards

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rotor/internal/cloudsim/cloudapi"
)

// Types and states of accounts.
const (
	Normal = "Normal"
	Super  = "Super"

	Available   = "Available"
	Unavailable = "Unavailable"
)

// Instance is a database instance.
type Instance struct {
	ID string
	// Engine is MySQL if empty; MariaDB, PostgreSQL and SQLServer have other rules for names.
	Engine string
	// Version is 8.0 if empty.
	Version string
	// Status is Running if empty. Accounts can be changed in no other state.
	Status string
	// Type is Primary if empty; Readonly instances take no account changes.
	Type string
	// LockMode is Unlock if empty.
	LockMode    string
	Description string
	// Host and Port are the address inside the cloud.
	Host string
	Port int
	// Public is the host name of the address from outside; there is none if empty. The port is the same.
	Public   string
	Master   string
	ReadOnly []string
	// MaxAccounts is 500 if zero.
	MaxAccounts int
	// Databases are those that privileges can be granted on.
	Databases []string
	// Delay is how long an account stays Unavailable after each change.
	Delay time.Duration
	// Server is where accounts really are; a MemoryServer if nil.
	Server Server
	// Accounts exist from the start.
	Accounts []Account
}

// Account is an account of an instance.
type Account struct {
	Name string
	// Type is Normal if empty.
	Type        string
	Description string
	// Status is what the API shows.
	Status string
	// Password makes PutInstance create the account on the server; without one it must be there already.
	Password string
	// Privileges are the API's names by database.
	Privileges map[string]string
}

// String leaves the password out.
func (a Account) String() string {
	return fmt.Sprintf("%s (%s, %s) %v", a.Name, a.Type, a.Status, a.Privileges)
}

// GoString leaves the password out.
func (a Account) GoString() string { return a.String() }

// accounts is the state of all accounts of an instance. It is replaced, never changed.
type accounts map[string]Account

type instance struct {
	Instance
	state   cloudapi.Timeline[accounts]
	pending map[string]*pending // by account
}

// Region is one account's instances in one region.
type Region struct {
	service         *Service
	account, region string
}

// In gives the instances of a cloud account in a region.
func (s *Service) In(account, region string) Region { return Region{s, account, region} }

func (r Region) key(id string) key { return key{r.account, r.region, id} }

// PutInstance registers an instance, replacing one of the same id. Accounts with a password are created on its server
// at once, with their privileges.
func (r Region) PutInstance(ctx context.Context, i Instance) error {
	i.Engine, i.Version = cmp.Or(i.Engine, "MySQL"), cmp.Or(i.Version, "8.0")
	i.Status, i.Type, i.LockMode = cmp.Or(i.Status, "Running"), cmp.Or(i.Type, "Primary"), cmp.Or(i.LockMode, "Unlock")
	i.MaxAccounts = cmp.Or(i.MaxAccounts, 500)
	if i.Server == nil {
		i.Server = &MemoryServer{}
	}
	state := accounts{}
	for _, a := range i.Accounts {
		a.Type, a.Status = cmp.Or(a.Type, Normal), cmp.Or(a.Status, Available)
		if a.Password != "" {
			if err := create(ctx, i.Server, a); err != nil {
				return fmt.Errorf("create account %s of instance %s: %w", a.Name, i.ID, err)
			}
		}
		a.Password = ""
		state[a.Name] = a
	}
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	added := &instance{Instance: i, pending: map[string]*pending{}}
	added.state.Set(&state, r.service.clock())
	r.service.instances[r.key(i.ID)] = added
	return nil
}

// create makes an account with its privileges.
func create(ctx context.Context, server Server, a Account) error {
	if err := server.CreateAccount(ctx, a.Name, a.Password); err != nil {
		return err
	}
	if a.Type == Super {
		return server.Grant(ctx, a.Name, Global, super)
	}
	return grant(ctx, server, a.Name, a.Privileges)
}

func grant(ctx context.Context, server Server, name string, privileges map[string]string) error {
	for _, database := range slices.Sorted(maps.Keys(privileges)) {
		set := privileges[database]
		if err := server.Revoke(ctx, name, database); err != nil {
			return err
		}
		if err := server.Grant(ctx, name, database, onDatabase[set]); err != nil {
			return err
		}
		if err := server.Grant(ctx, name, Global, onServer[set]); err != nil {
			return err
		}
	}
	return nil
}

// Change edits an instance's settings: its status, lock mode, delay and so on. Accounts and Server are not looked at.
// It is false if there is no such instance.
func (r Region) Change(id string, change func(*Instance)) bool {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	i := r.service.instances[r.key(id)]
	if i == nil {
		return false
	}
	next := i.Instance
	change(&next)
	next.ID, next.Server = i.ID, i.Server
	i.Instance = next
	return true
}

// Accounts lists the accounts of an instance by name, as the API would show them without asking the server.
func (r Region) Accounts(id string) []Account {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	i := r.service.instances[r.key(id)]
	if i == nil {
		return nil
	}
	return i.state.Now().list()
}

// Settle makes what is still pending on an instance's accounts happen now, and waits for it.
func (r Region) Settle(id string) {
	r.service.mu.Lock()
	i := r.service.instances[r.key(id)]
	var waiting []*pending
	if i != nil {
		waiting = slices.Collect(maps.Values(i.pending))
	}
	r.service.mu.Unlock()
	for _, p := range waiting {
		p.timer.Stop()
		p.run(false)
	}
}

func (a *accounts) list() []Account {
	if a == nil {
		return nil
	}
	list := slices.Collect(maps.Values(*a))
	slices.SortFunc(list, func(a, b Account) int { return strings.Compare(a.Name, b.Name) })
	return list
}
