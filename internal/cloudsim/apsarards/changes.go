package apsarards

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
)

// required checks that the parameters are there.
func required(c *cloudapi.Call, names ...string) *alibaba.Error {
	for _, name := range names {
		if c.Params[name] == "" {
			return alibaba.Missing(name)
		}
	}
	return nil
}

// available finds an account that can be changed now. s.mu is held.
func (s *Service) available(i *instance, name string) (Account, *alibaba.Error) {
	a, ok := (*i.state.Now())[name]
	if !ok {
		return a, alibaba.NewError(404, "InvalidAccountName.NotFound", "Specified account name does not exist.")
	}
	if a.Status != Available {
		return a, alibaba.NewError(400, "IncorrectAccountStatus", "Current account status does not support this operation.")
	}
	return a, nil
}

// changing finds the account that a call is to change. s.mu is held.
func (s *Service) changing(c *cloudapi.Call, k key) (*instance, Account, *alibaba.Error) {
	i, failure := s.writable(k)
	if failure != nil {
		return nil, Account{}, failure
	}
	a, failure := s.available(i, c.Params["AccountName"])
	return i, a, failure
}

func unchanged(a Account) (Account, bool) { return a, true }

func (s *Service) createAccount(c *cloudapi.Call, k key) (fields, *alibaba.Error) {
	if failure := required(c, "AccountName", "AccountPassword"); failure != nil {
		return nil, failure
	}
	a := Account{Name: c.Params["AccountName"], Type: cmp.Or(c.Params["AccountType"], Normal),
		Description: c.Params["AccountDescription"], Privileges: map[string]string{}}
	password := c.Params["AccountPassword"]
	s.mu.Lock()
	defer s.mu.Unlock()
	i, failure := s.writable(k)
	if failure != nil {
		return nil, failure
	}
	for _, failure := range []*alibaba.Error{
		i.checkName(a.Name), checkPassword(password), checkDescription(a.Description), i.checkType(a.Type),
	} {
		if failure != nil {
			return nil, failure
		}
	}
	s.later(i, a, func(ctx context.Context, server Server) error {
		withPassword := a
		withPassword.Password = password
		return create(ctx, server, withPassword)
	}, unchanged)
	return nil, nil
}

// checkType lets one privileged account in, and no more accounts than the instance takes.
func (i *instance) checkType(kind string) *alibaba.Error {
	all := i.state.Now().list()
	switch {
	case kind != Normal && kind != Super:
		return alibaba.NewError(400, "InvalidAccountType.Malformed", "The specified parameter AccountType is not valid.")
	case len(all) >= i.MaxAccounts:
		return alibaba.NewError(403, "AccountLimitExceeded", "Exceeding the allowed amount of accounts.")
	case kind == Super && slices.ContainsFunc(all, func(a Account) bool { return a.Type == Super }):
		return alibaba.NewError(403, "IncorrectAccountType", "The instance has a privileged account already.")
	}
	return nil
}

func (s *Service) resetPassword(c *cloudapi.Call, k key) (fields, *alibaba.Error) {
	if failure := required(c, "AccountName", "AccountPassword"); failure != nil {
		return nil, failure
	}
	password := c.Params["AccountPassword"]
	if failure := checkPassword(password); failure != nil {
		return nil, failure
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, a, failure := s.changing(c, k)
	if failure != nil {
		return nil, failure
	}
	s.later(i, a, func(ctx context.Context, server Server) error {
		return server.SetPassword(ctx, a.Name, password)
	}, unchanged)
	return nil, nil
}

func (s *Service) deleteAccount(c *cloudapi.Call, k key) (fields, *alibaba.Error) {
	if failure := required(c, "AccountName"); failure != nil {
		return nil, failure
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, a, failure := s.changing(c, k)
	if failure != nil {
		return nil, failure
	}
	s.later(i, a, func(ctx context.Context, server Server) error {
		if err := server.DropAccount(ctx, a.Name); !errors.Is(err, ErrNoAccount) {
			return err
		}
		return nil
	}, func(a Account) (Account, bool) { return a, false })
	return nil, nil
}

func (s *Service) grantPrivilege(c *cloudapi.Call, k key) (fields, *alibaba.Error) {
	if failure := required(c, "AccountName", "DBName", "AccountPrivilege"); failure != nil {
		return nil, failure
	}
	databases, names := list(c.Params["DBName"]), list(c.Params["AccountPrivilege"])
	if len(databases) != len(names) {
		return nil, alibaba.NewError(400, "InvalidDBNameOrAccountPrivilege",
			"The specified parameters DBName and AccountPrivilege have different counts.")
	}
	asked := map[string]string{}
	for n, name := range names {
		if onDatabase[name] == nil {
			return nil, alibaba.NewError(400, "InvalidAccountPrivilege.Malformed",
				"The specified parameter AccountPrivilege is not valid.")
		}
		asked[databases[n]] = name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i, a, failure := s.grantable(c, k, databases)
	if failure != nil {
		return nil, failure
	}
	s.later(i, a, func(ctx context.Context, server Server) error {
		return grant(ctx, server, a.Name, asked)
	}, func(a Account) (Account, bool) {
		a.Privileges = maps.Clone(a.Privileges)
		if a.Privileges == nil {
			a.Privileges = map[string]string{}
		}
		maps.Copy(a.Privileges, asked)
		return a, true
	})
	return nil, nil
}

func (s *Service) revokePrivilege(c *cloudapi.Call, k key) (fields, *alibaba.Error) {
	if failure := required(c, "AccountName", "DBName"); failure != nil {
		return nil, failure
	}
	databases := list(c.Params["DBName"])
	s.mu.Lock()
	defer s.mu.Unlock()
	i, a, failure := s.grantable(c, k, databases)
	if failure != nil {
		return nil, failure
	}
	s.later(i, a, func(ctx context.Context, server Server) error {
		for _, database := range databases {
			if err := server.Revoke(ctx, a.Name, database); err != nil {
				return err
			}
		}
		return nil
	}, func(a Account) (Account, bool) {
		a.Privileges = maps.Clone(a.Privileges)
		for _, database := range databases {
			delete(a.Privileges, database)
		}
		return a, true
	})
	return nil, nil
}

// grantable finds the account whose privileges on the databases a call is to change. The privileged account has them
// all, always. s.mu is held.
func (s *Service) grantable(c *cloudapi.Call, k key, databases []string) (*instance, Account, *alibaba.Error) {
	i, a, failure := s.changing(c, k)
	if failure != nil {
		return nil, a, failure
	}
	if a.Type == Super {
		return nil, a, alibaba.NewError(400, "IncorrectAccount", "The privileges of a privileged account can't be changed.")
	}
	for _, database := range databases {
		if !slices.Contains(i.Databases, database) {
			return nil, a, alibaba.NewError(404, "InvalidDBName.NotFound", "Specified one or more DB name does not exist or DB status does not support.")
		}
	}
	return i, a, nil
}

func list(text string) []string {
	items := strings.Split(text, ",")
	for n := range items {
		items[n] = strings.TrimSpace(items[n])
	}
	return items
}
