package apsarards

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
)

// Version2014 is the API's version.
const Version2014 = "2014-08-15"

// Service is the simulated ApsaraDB RDS of all accounts and regions. It is safe for concurrent use.
type Service struct {
	clock   func() time.Time
	running context.Context // ends when the service is closed
	stop    context.CancelFunc

	mu        sync.Mutex
	instances map[key]*instance
	errors    []error
}

type key struct{ account, region, id string }

func (k key) arn() string {
	return fmt.Sprintf("acs:rds:%s:%s:dbinstance/%s", k.region, k.account, k.id)
}

// New makes an RDS without instances.
func New(clock func() time.Time) *Service {
	ctx, cancel := context.WithCancel(context.Background())
	return &Service{clock: clock, running: ctx, stop: cancel, instances: map[key]*instance{}}
}

// fields is the document of an answer.
type fields = map[string]any

type action struct {
	run func(*Service, *cloudapi.Call, key) (fields, *alibaba.Error)
	// on is true for operations on one instance, which is named by DBInstanceId.
	on bool
}

var actions = map[string]action{
	"CreateAccount":               {(*Service).createAccount, true},
	"DeleteAccount":               {(*Service).deleteAccount, true},
	"DescribeAccounts":            {(*Service).describeAccounts, true},
	"DescribeDBInstanceAttribute": {(*Service).describeAttribute, true},
	"DescribeDBInstanceNetInfo":   {(*Service).describeNetInfo, true},
	"DescribeDBInstances":         {(*Service).describeInstances, false},
	"GrantAccountPrivilege":       {(*Service).grantPrivilege, true},
	"ResetAccountPassword":        {(*Service).resetPassword, true},
	"RevokeAccountPrivilege":      {(*Service).revokePrivilege, true},
}

// Serve implements cloudapi.API.
func (s *Service) Serve(c *cloudapi.Call) cloudapi.Reply {
	a, ok := actions[c.Action]
	if !ok {
		return alibaba.UnknownAPI().Reply(c.RequestID)
	}
	k := key{c.Account, c.Region, c.Params["DBInstanceId"]}
	resource := k
	switch {
	case a.on && k.id == "":
		return alibaba.Missing("DBInstanceId").Reply(c.RequestID)
	case !a.on:
		resource.id = "*"
	}
	if !c.May("rds:"+c.Action, resource.arn()) {
		return denied().Reply(c.RequestID)
	}
	answer, failure := a.run(s, c, k)
	if failure != nil {
		return failure.Reply(c.RequestID)
	}
	return alibaba.Answer(c.RequestID, answer)
}

// Fail implements cloudapi.API. Throttling has HTTP status 400 here.
func (s *Service) Fail(c *cloudapi.Call, f cloudapi.Failure) cloudapi.Reply {
	return alibaba.Failure(f,
		alibaba.NewError(400, "Throttling.User", "Request was denied due to user flow control."),
		alibaba.NewError(500, "InternalError", "The request processing has failed due to some unknown error."),
		denied(), c.RequestID)
}

func denied() *alibaba.Error {
	return alibaba.NewError(403, "Forbidden.RAM",
		"User not authorized to operate on the specified resource, or this API doesn't support RAM.")
}

// Resource implements cloudapi.API: "instance/account", or the instance where no account is named.
func (s *Service) Resource(c *cloudapi.Call) string {
	if account := c.Params["AccountName"]; account != "" {
		return c.Params["DBInstanceId"] + "/" + account
	}
	return c.Params["DBInstanceId"]
}

// Value implements cloudapi.API.
func (s *Service) Value(c *cloudapi.Call) string { return c.Params["AccountPassword"] }

// Shown implements cloudapi.API.
func (s *Service) Shown(c *cloudapi.Call) map[string]string {
	shown := maps.Clone(c.Params)
	if _, ok := shown["AccountPassword"]; ok {
		shown["AccountPassword"] = "***"
	}
	return shown
}

// find gives an instance. s.mu is held.
func (s *Service) find(k key) (*instance, *alibaba.Error) {
	i := s.instances[k]
	if i == nil {
		return nil, alibaba.NewError(404, "InvalidDBInstanceName.NotFound", "The database instance does not exist.")
	}
	return i, nil
}

// writable finds an instance whose accounts can be changed now. s.mu is held.
func (s *Service) writable(k key) (*instance, *alibaba.Error) {
	i, failure := s.find(k)
	switch {
	case failure != nil:
		return nil, failure
	case i.Type != "Primary":
		return nil, alibaba.NewError(403, "IncorrectDBInstanceType", "Current DB instance type does not support this operation.")
	case i.LockMode != "Unlock":
		return nil, alibaba.NewError(404, "IncorrectDBInstanceLockMode", "Current DB instance lock mode does not support this operation.")
	case i.Status != "Running":
		return nil, alibaba.NewError(403, "OperationDenied.DBInstanceStatus", "The operation is not permitted due to status of instance.")
	}
	return i, nil
}
