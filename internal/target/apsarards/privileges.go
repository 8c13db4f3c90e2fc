package apsarards

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/rds"

	"rotor/internal/rotation"
	"rotor/internal/target"
)

// grantable are the sets of privileges that the API grants on a database of MySQL and MariaDB. It shows every other set as Custom.
var grantable = []string{"ReadWrite", "ReadOnly", "DDLOnly", "DMLOnly"}

// difference is what it takes to make an account equal to another.
type difference struct {
	// grant is by database what it should have; revoke lists the databases on which it must first have nothing.
	grant  map[string]string
	revoke []string
	// words say it for people.
	words []string
}

// compare says what the account lacks, and has too much, against the one that it should be equal to.
func compare(has, like account) difference {
	d := difference{grant: map[string]string{}}
	for _, database := range sortedKeys(like.privileges) {
		wanted, held := like.privileges[database], has.privileges[database]
		if wanted == held {
			continue
		}
		d.grant[database] = wanted
		d.words = append(d.words, fmt.Sprintf("%s lacks %s on %q", has.name, word(wanted), database))
		if held != "" && !slices.Contains(grantable, held) {
			// That a grant replaces what SQL has given is not documented.
			d.revoke = append(d.revoke, database)
		}
	}
	for _, database := range sortedKeys(has.privileges) {
		if like.privileges[database] == "" {
			d.revoke = append(d.revoke, database)
			d.words = append(d.words, fmt.Sprintf("%s has %s on %q, and %s has nothing there", has.name, word(has.privileges[database]), database, like.name))
		}
	}
	if has.kind != like.kind {
		d.words = append(d.words, fmt.Sprintf("%s is of type %s and %s of type %s", has.name, word(has.kind), like.name, word(like.kind)))
	}
	return d
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// both describes an account and the one that it should be equal to, when neither is being changed.
func (s *session) both(ctx context.Context, name, like string) (has, current account, err error) {
	if has, err = s.described(ctx, name); err != nil {
		return has, current, err
	}
	if current, err = s.described(ctx, like); err != nil {
		return has, current, err
	}
	if reason := unlevellable(current); reason != "" {
		return has, current, rotation.Errorf(rotation.Permanent, "instance %s: %s", s.place.Instance, reason)
	}
	return has, current, nil
}

// Level implements target.Session: databases that the account should have nothing on are revoked, then those that it lacks are granted.
func (s *session) Level(ctx context.Context, name, like string, _ rotation.Secret) (target.Change, error) {
	has, current, err := s.both(ctx, name, like)
	if err != nil {
		return target.Change{}, err
	}
	d := compare(has, current)
	var change target.Change
	if len(d.revoke) > 0 {
		if err := s.revoke(ctx, name, d.revoke); err != nil {
			return change, err
		}
		for _, database := range d.revoke {
			change.Taken = append(change.Taken, fmt.Sprintf("%s on %q", word(has.privileges[database]), database))
		}
	}
	if len(d.grant) > 0 {
		if err := s.grant(ctx, name, d.grant); err != nil {
			return change, err
		}
		for _, database := range sortedKeys(d.grant) {
			change.Given = append(change.Given, fmt.Sprintf("%s on %q", d.grant[database], database))
		}
	}
	return change, nil
}

// Differences implements target.Session.
func (s *session) Differences(ctx context.Context, name, like string) ([]string, error) {
	has, current, err := s.both(ctx, name, like)
	if err != nil {
		return nil, err
	}
	return compare(has, current).words, nil
}

func (s *session) grant(ctx context.Context, name string, wanted map[string]string) error {
	databases := sortedKeys(wanted)
	sets := make([]string, len(databases))
	for i, database := range databases {
		sets[i] = wanted[database]
	}
	request := rds.CreateGrantAccountPrivilegeRequest()
	request.DBInstanceId, request.AccountName = s.place.Instance, name
	request.DBName, request.AccountPrivilege = strings.Join(databases, ","), strings.Join(sets, ",")
	if err := s.change(ctx, s.changing("grant privileges to account "+name+" of", "GrantAccountPrivilege"), request,
		rds.CreateGrantAccountPrivilegeResponse(), rotation.Secret{}); err != nil {
		return err
	}
	return underWay(s.done(ctx, name))
}

func (s *session) revoke(ctx context.Context, name string, databases []string) error {
	request := rds.CreateRevokeAccountPrivilegeRequest()
	request.DBInstanceId, request.AccountName, request.DBName = s.place.Instance, name, strings.Join(databases, ",")
	if err := s.change(ctx, s.changing("revoke privileges of account "+name+" of", "RevokeAccountPrivilege"), request,
		rds.CreateRevokeAccountPrivilegeResponse(), rotation.Secret{}); err != nil {
		return err
	}
	return underWay(s.done(ctx, name))
}
