package apsarards

import (
	"context"
	"strconv"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/rds"

	"rotor/internal/rotation"
)

// account is an account of an instance as the API shows it.
type account struct {
	name, status, kind, description string
	// privileges are the API's names of what it holds, by database.
	privileges map[string]string
	// incomplete: it holds privileges on more databases than the API lists.
	incomplete bool
}

// States and types of accounts. The only other state is Unavailable.
const (
	statusAvailable = "Available"
	kindNormal      = "Normal"
	kindSuper       = "Super"
)

// pageSize is the largest that DescribeAccounts takes.
const pageSize = 200

// account gives one account; false if there is none.
func (t *Target) account(ctx context.Context, place rotation.Place, name string) (account, bool, error) {
	all, _, err := t.page(ctx, place, name, 1)
	if err != nil {
		return account{}, false, err
	}
	for _, a := range all {
		if a.name == name {
			return a, true, nil
		}
	}
	return account{}, false, nil
}

// accounts gives all of an instance's.
func (t *Target) accounts(ctx context.Context, place rotation.Place) ([]account, error) {
	var all []account
	for page := 1; ; page++ {
		some, total, err := t.page(ctx, place, "", page)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		switch {
		case len(all) >= total:
			return all, nil
		case len(some) == 0:
			return nil, describing("list the accounts of", place).unreadable()
		}
	}
}

func describing(doing string, place rotation.Place) attempt {
	return attempt{doing: doing, action: "DescribeAccounts", place: place}
}

// page gives one page of the accounts, or of those of a name, and how many there are.
func (t *Target) page(ctx context.Context, place rotation.Place, name string, number int) ([]account, int, error) {
	a := describing("list the accounts of", place)
	request, response := rds.CreateDescribeAccountsRequest(), rds.CreateDescribeAccountsResponse()
	request.DBInstanceId, request.AccountName = place.Instance, name
	request.PageNumber, request.PageSize = requests.NewInteger(number), requests.NewInteger(pageSize)
	if name != "" {
		a.doing = "look at account " + name + " of"
	}
	if err := t.call(ctx, a, request, response); err != nil {
		if rotation.CodeOf(err) == codeNoAccount {
			return nil, 0, nil
		}
		return nil, 0, err
	}
	var found []account
	for _, one := range response.Accounts.DBInstanceAccount {
		if one.AccountName == "" || one.AccountStatus == "" || one.AccountType == "" {
			return nil, 0, a.unreadable()
		}
		described := account{
			name: one.AccountName, status: one.AccountStatus, kind: one.AccountType, description: one.AccountDescription,
			incomplete: one.PrivExceeded == "1", privileges: map[string]string{},
		}
		for _, p := range one.DatabasePrivileges.DatabasePrivilege {
			described.privileges[p.DBName] = p.AccountPrivilege
		}
		found = append(found, described)
	}
	return found, response.TotalRecordCount, nil
}

// instance is what a rotation wants to know of one.
type instance struct {
	engine, version, status, kind, lock, primary string
	// most is how many accounts it takes, 0 if that is not known.
	most int
}

const statusRunning = "Running"

func (t *Target) instance(ctx context.Context, place rotation.Place) (instance, error) {
	a := attempt{doing: "look at", action: "DescribeDBInstanceAttribute", place: place}
	request, response := rds.CreateDescribeDBInstanceAttributeRequest(), rds.CreateDescribeDBInstanceAttributeResponse()
	request.DBInstanceId = place.Instance
	if err := t.call(ctx, a, request, response); err != nil {
		return instance{}, err
	}
	if len(response.Items.DBInstanceAttribute) != 1 {
		return instance{}, a.unreadable()
	}
	one := response.Items.DBInstanceAttribute[0]
	if one.Engine == "" || one.EngineVersion == "" || one.DBInstanceStatus == "" {
		return instance{}, a.unreadable()
	}
	return instance{
		engine: one.Engine, version: one.EngineVersion, status: one.DBInstanceStatus, kind: one.DBInstanceType, lock: one.LockMode,
		primary: one.MasterInstanceId, most: one.AccountMaxQuantity,
	}, nil
}

// addresses are those of an instance that lead to the server that takes changes, the one to try first in front.
func (t *Target) addresses(ctx context.Context, place rotation.Place) ([]rotation.Place, error) {
	a := attempt{doing: "list the addresses of", action: "DescribeDBInstanceNetInfo", place: place}
	request, response := rds.CreateDescribeDBInstanceNetInfoRequest(), rds.CreateDescribeDBInstanceNetInfoResponse()
	request.DBInstanceId = place.Instance
	if err := t.call(ctx, a, request, response); err != nil {
		return nil, err
	}
	var inside, outside []rotation.Place
	for _, one := range response.DBInstanceNetInfos.DBInstanceNetInfo {
		port, err := strconv.Atoi(one.Port)
		if one.ConnectionString == "" || err != nil {
			return nil, a.unreadable()
		}
		if one.ConnectionStringType == "ReadWriteSplitting" {
			continue
		}
		at := place
		at.Host, at.Port = one.ConnectionString, port
		if one.IPType == "Public" {
			outside = append(outside, at)
		} else {
			inside = append(inside, at)
		}
	}
	if t.route.Public() {
		return append(outside, inside...), nil
	}
	return append(inside, outside...), nil
}
