package apsarards

import (
	"context"
	"strings"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/rds"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// session changes accounts. It holds no lock; see the package's comment.
type session struct {
	target *Target
	place  rotation.Place
	// version is what the changes are for.
	version string
	// script is where a rehearsal writes what it would ask for; nil where it asks.
	script *target.Script
}

var _ target.Session = (*session)(nil)

// Lock waits until no change of either account is under way. Of the login, only place and version count.
func (t *Target) Lock(ctx context.Context, by target.Login, pair rotation.Pair) (target.Session, error) {
	for _, name := range []string{pair.Base, pair.Suffixed} {
		a, exists, err := t.account(ctx, by.Place, name)
		if err == nil && exists && busy(by.Place, name, a, true) != nil {
			_, err = t.available(ctx, by.Place, name)
		}
		if err != nil {
			return nil, err
		}
	}
	return &session{target: t, place: by.Place, version: by.Version}, nil
}

// Close implements target.Session. There is nothing to give back.
func (s *session) Close() {}

func (s *session) changing(doing, action string) attempt {
	return attempt{doing: doing, action: action, place: s.place, writes: true}
}

// Exists implements target.Session. An account that is being created or deleted is neither there nor not: a retryable error.
func (s *session) Exists(ctx context.Context, name string) (bool, error) {
	a, exists, err := s.target.account(ctx, s.place, name)
	if err != nil || !exists {
		return false, err
	}
	return true, busy(s.place, name, a, true)
}

// Create implements target.Session. The account is marked as created for the session's version.
func (s *session) Create(ctx context.Context, name, like string, password rotation.Secret) (target.Change, error) {
	current, err := s.described(ctx, like)
	if err != nil {
		return target.Change{}, err
	}
	if reason := unlevellable(current); reason != "" {
		return target.Change{}, rotation.Errorf(rotation.Permanent, "instance %s: %s", s.place.Instance, reason)
	}
	err = s.create(ctx, name, password)
	if rotation.CodeOf(err) == codeDuplicate {
		err = s.explainDuplicate(ctx, name, err)
	}
	if err != nil {
		return target.Change{}, err
	}
	if err := s.done(ctx, name); err != nil {
		return target.Change{}, underWay(err)
	}
	return s.Level(ctx, name, like, password)
}

func (s *session) create(ctx context.Context, name string, password rotation.Secret) error {
	request := rds.CreateCreateAccountRequest()
	request.DBInstanceId, request.AccountName, request.AccountType, request.AccountDescription = s.place.Instance, name, kindNormal, markOf(s.version)
	return s.change(ctx, s.changing("create account "+name+" of", "CreateAccount"), request, rds.CreateCreateAccountResponse(), password)
}

// explainDuplicate looks at the account that was in the way. Another attempt of this rotation may have created it: then nothing is wrong.
func (s *session) explainDuplicate(ctx context.Context, name string, refusal error) error {
	all, err := s.target.accounts(ctx, s.place)
	if err != nil {
		return err
	}
	if there, exists := find(all, name); exists {
		if there.description == markOf(s.version) {
			return nil
		}
		return rotation.Errorf(rotation.Conflict, "account %s of instance %s appeared while this rotation ran, and it does not bear this rotation's mark: "+
			"somebody else created it", name, s.place.Instance).WithCode(codeDuplicate)
	}
	for _, a := range all {
		if strings.EqualFold(a.name, name) {
			return rotation.Errorf(rotation.Permanent, "account %s of instance %s can't be created, because %s exists, which differs in nothing but case",
				name, s.place.Instance, a.name).WithCode(codeDuplicate)
		}
	}
	return rotation.Errorf(rotation.Retryable, "account %s of instance %s exists, and is not visible yet", name, s.place.Instance).WithCode(rotation.CodeOf(refusal))
}

// SetPassword implements target.Session. The API has accepted the change when it returns; most often it is made then, too. Who must know
// probes: a refusal does not count while the change is under way.
func (s *session) SetPassword(ctx context.Context, name string, password rotation.Secret) error {
	request := rds.CreateResetAccountPasswordRequest()
	request.DBInstanceId, request.AccountName = s.place.Instance, name
	err := s.change(ctx, s.changing("reset the password of account "+name+" of", "ResetAccountPassword"), request,
		rds.CreateResetAccountPasswordResponse(), password)
	if err == nil {
		// An error here would lead to another attempt, and that to another change of the password.
		_ = s.done(ctx, name)
	}
	return err
}

// Renew implements target.Session. The API goes on with a change after it has answered, and whether it did can't be seen where nobody can log in.
// What is looked at before it is done comes first, so that an attempt that waited in vain is not followed by another change of the password.
func (s *session) Renew(ctx context.Context, name, like string, password rotation.Secret) (target.Change, error) {
	change, err := s.Level(ctx, name, like, password)
	if err == nil {
		err = s.SetPassword(ctx, name, password)
	}
	return change, err
}

// SetOwnPassword implements target.Session. Nobody asks for it where the API is the admin.
func (s *session) SetOwnPassword(context.Context, rotation.Secret, rotation.Secret) error {
	return rotation.Errorf(rotation.Permanent, "instance %s: its accounts are changed through the API, and none changes itself", s.place.Instance)
}

// Drop implements target.Session.
func (s *session) Drop(ctx context.Context, name string) error {
	request := rds.CreateDeleteAccountRequest()
	request.DBInstanceId, request.AccountName = s.place.Instance, name
	err := s.change(ctx, s.changing("delete account "+name+" of", "DeleteAccount"), request, rds.CreateDeleteAccountResponse(), rotation.Secret{})
	if err != nil && rotation.CodeOf(err) != codeNoAccount || s.script != nil {
		return err
	}
	return underWay(s.target.gone(ctx, s.place, name))
}
