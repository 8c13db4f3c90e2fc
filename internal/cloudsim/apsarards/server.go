package apsarards

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// Server is the database server behind an instance. Hosts of accounts are '%'. Privileges are written as MySQL's GRANT
// statement has them; the database Global stands for *.*. Errors reach whoever reads Service.Errors, so their text must
// not quote a statement or a password.
type Server interface {
	// CreateAccount makes an account with nothing but the right to log in.
	CreateAccount(ctx context.Context, name, password string) error
	SetPassword(ctx context.Context, name, password string) error
	// Grant adds privileges on a database.
	Grant(ctx context.Context, name, database string, privileges []string) error
	// Revoke takes everything on a database away; nothing to take is no error.
	Revoke(ctx context.Context, name, database string) error
	DropAccount(ctx context.Context, name string) error
	// Privileges lists what an account holds, by database; ErrNoAccount if there is no such account.
	Privileges(ctx context.Context, name string) (map[string][]string, error)
}

// Global is the database name that means every database.
const Global = "*"

// ErrNoAccount says that an account does not exist on the server.
var ErrNoAccount = errors.New("no such account")

// MemoryServer is a Server that only remembers. The zero value has no accounts.
type MemoryServer struct {
	mu       sync.Mutex
	accounts map[string]memoryAccount
}

type memoryAccount struct {
	password   string
	privileges map[string][]string
}

// Login tells whether the password is the account's.
func (m *MemoryServer) Login(name, password string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	account, ok := m.accounts[name]
	return ok && account.password == password
}

// CreateAccount implements Server.
func (m *MemoryServer) CreateAccount(_ context.Context, name, password string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.accounts[name]; ok {
		return fmt.Errorf("account %s exists", name)
	}
	if m.accounts == nil {
		m.accounts = map[string]memoryAccount{}
	}
	m.accounts[name] = memoryAccount{password, map[string][]string{}}
	return nil
}

// SetPassword implements Server.
func (m *MemoryServer) SetPassword(_ context.Context, name, password string) error {
	return m.edit(name, func(a *memoryAccount) { a.password = password })
}

// Grant implements Server.
func (m *MemoryServer) Grant(_ context.Context, name, database string, privileges []string) error {
	return m.edit(name, func(a *memoryAccount) {
		all := append(slices.Clone(a.privileges[database]), privileges...)
		slices.Sort(all)
		a.privileges[database] = slices.Compact(all)
	})
}

// Revoke implements Server.
func (m *MemoryServer) Revoke(_ context.Context, name, database string) error {
	return m.edit(name, func(a *memoryAccount) { delete(a.privileges, database) })
}

// DropAccount implements Server.
func (m *MemoryServer) DropAccount(_ context.Context, name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.accounts[name]; !ok {
		return ErrNoAccount
	}
	delete(m.accounts, name)
	return nil
}

// Privileges implements Server.
func (m *MemoryServer) Privileges(_ context.Context, name string) (map[string][]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	account, ok := m.accounts[name]
	if !ok {
		return nil, ErrNoAccount
	}
	return maps.Clone(account.privileges), nil
}

func (m *MemoryServer) edit(name string, change func(*memoryAccount)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	account, ok := m.accounts[name]
	if !ok {
		return ErrNoAccount
	}
	change(&account)
	m.accounts[name] = account
	return nil
}
