package apsarards

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"rotor/internal/alibabacloud"
	"rotor/internal/rotation"
	"rotor/internal/wire"
)

// Codes that decide more than a text.
const (
	codeDuplicate = "InvalidAccountName.Duplicate"
	codeNoAccount = "InvalidAccountName.NotFound"
	// codeBusy is this program's word for an account that is not available, and for an instance that is not running.
	codeBusy = "busy"
)

// deniedCodes are RAM's word for an action that is not allowed.
var deniedCodes = []string{"Forbidden.RAM", "Forbidden.NoPermission", "NoPermission", "Forbidden"}

const (
	instanceBusy = "the instance is busy with something else; it can be changed when it is Running again"
	accountBusy  = "another change of the account is under way"
	serverFailed = "the instance could not carry it out at the moment"
)

// meanings are the codes of the RDS API, as its reference has them for accounts and instances. Those that its other clients (Terraform's
// and Crossplane's providers) try again are retryable.
var meanings = map[string]alibabacloud.Meaning{
	"OperationDenied.DBInstanceStatus": {Kind: rotation.Retryable, Text: instanceBusy},
	"OperationDenied.DBClusterStatus":  {Kind: rotation.Retryable, Text: instanceBusy},
	"OperationDenied.DBStatus":         {Kind: rotation.Retryable, Text: instanceBusy},
	"OperationDenied.OutofUsage":       {Kind: rotation.Retryable, Text: instanceBusy},
	"IncorrectDBInstanceState":         {Kind: rotation.Retryable, Text: instanceBusy},
	"GeneralIns.Creating":              {Kind: rotation.Retryable, Text: instanceBusy},
	"GeneralIns.Maintaining":           {Kind: rotation.Retryable, Text: instanceBusy},
	"GeneralIns.Switching":             {Kind: rotation.Retryable, Text: instanceBusy},
	"DbRestoring":                      {Kind: rotation.Retryable, Text: "a database of the instance is being restored"},

	"IncorrectAccountStatus": {Kind: rotation.Retryable, Text: accountBusy},
	"InvalidAccountStatus":   {Kind: rotation.Retryable, Text: accountBusy},
	"AccountActionForbidden": {Kind: rotation.Retryable, Text: accountBusy},
	codeNoAccount:            {Kind: rotation.Retryable, Text: "the account does not exist (any more)"},

	"Account.AddError":          {Kind: rotation.Retryable, Text: serverFailed},
	"Account.UpdateError":       {Kind: rotation.Retryable, Text: serverFailed},
	"Database.ConnectError":     {Kind: rotation.Retryable, Text: "the API can't connect to the database server of the instance at the moment"},
	"SqlExecuteFailedOrTimeout": {Kind: rotation.Retryable, Text: serverFailed},
	"SqlExcutionFailed":         {Kind: rotation.Retryable, Text: serverFailed},
	"ExternalFailure":           {Kind: rotation.Retryable, Text: serverFailed},
	"RequestMetaDataFailed":     {Kind: rotation.Retryable, Text: serverFailed},
	"InvokeProxyFailure":        {Kind: rotation.Retryable, Text: serverFailed},

	"IncorrectDBInstanceLockMode": {Kind: rotation.Permanent, Text: "the instance is locked; unlock it (a full disk and an unpaid bill lock it, too)"},
	"IncorrectDBInstanceType": {Kind: rotation.Permanent, Text: "instances of this type take no changes of accounts; " +
		"a read-only one has those of its primary instance"},
	"IncorrectDBInstanceCharacterType": {Kind: rotation.Permanent, Text: "instances of this type take no changes of accounts"},
	"OperationDenied.AccountMode":      {Kind: rotation.Permanent, Text: "the instance's account mode does not allow it; its accounts are managed by SQL"},
	"IncorrectAccountType":             {Kind: rotation.Permanent, Text: "the instance takes no account of this type; it can have one privileged account only"},
	"IncorrectAccount":                 {Kind: rotation.Permanent, Text: "the privileges of this account can't be changed through the API"},
	"AccountLimitExceeded":             {Kind: rotation.Permanent, Text: "the instance has as many accounts as it takes; delete one that nobody needs"},
	"IncorrectMinorVersion":            {Kind: rotation.Permanent, Text: "the instance's minor engine version is too old for it; update it"},
	"Api.NotSupport":                   {Kind: rotation.Permanent, Text: "the API does not do this for instances of this kind"},
	"GdnRole.NotSupport":               {Kind: rotation.Permanent, Text: "the instance is a secondary of a global database network; name the primary one"},

	codeDuplicate:               {Kind: rotation.Conflict, Text: "an account of that name exists already"},
	"InvalidAccountName.Forbid": {Kind: rotation.Permanent, Text: "the name is reserved; give the current account another one, whose partner's name is not"},
	"InvalidAccountName.Malformed": {Kind: rotation.Permanent, Text: "the API does not take the account's name: it begins with a letter, ends with a letter " +
		"or digit, and has letters, digits and underscores"},
	"InvalidAccountPassword.Format": {Kind: rotation.Permanent, Text: "the API does not take the password: it has 8 to 32 characters of three kinds " +
		"(upper-case and lower-case letters, digits, " + punctuation + ")"},
	"InvalidAccountDescription.Format": {Kind: rotation.Permanent, Text: "the API does not take the account's description"},
	"InvalidDBName.NotFound":           {Kind: rotation.Permanent, Text: "a database that the current account has privileges on does not exist (any more); revoke them"},
	"InvalidAccountPrivilege.Malformed": {Kind: rotation.Permanent, Text: "the API does not grant one of the current account's privileges; grant those that it " +
		"does: " + strings.Join(grantable, ", ")},
	"InvalidDBNameOrAccountPrivilege": {Kind: rotation.Permanent, Text: "the API does not take these databases and privileges"},
}

// classify is the one place that decides what a failure means.
func (t *Target) classify(a attempt, err error) *rotation.Error {
	var f *wire.Failure
	if !errors.As(err, &f) {
		return a.failed(rotation.Retryable, "the call failed")
	}
	failed := f.Judge(a.writes, t.route.Advice(f), func() (rotation.Kind, string) { return a.meaning(f) }).Error(a.failed)
	if slices.Contains(deniedCodes, f.Code) {
		failed.Finding = rotation.FindingPermission
	}
	if strings.HasPrefix(f.Code, "InvalidDBInstance") {
		failed.Field = "InstanceId"
	}
	return failed
}

// meaning tells what the API's answer means.
func (a attempt) meaning(f *wire.Failure) (rotation.Kind, string) {
	switch {
	case slices.Contains(deniedCodes, f.Code):
		return rotation.Permanent, "permission denied; allow " + a.permission() + " to the worker's RAM identity"
	case strings.HasPrefix(f.Code, "InvalidDBInstance"):
		return rotation.Permanent, "there is no such instance; check InstanceId and RegionId, and whether the worker's credentials are of the instance's account"
	}
	if m, known := meanings[f.Code]; known {
		return m.Kind, m.Text
	}
	if m, known := alibabacloud.GatewayMeaning(f.Code); known {
		return m.Kind, m.Text
	}
	switch {
	case f.Status >= 500:
		return rotation.Retryable, "the RDS API failed inside"
	case f.Code == "":
		return rotation.Retryable, "the answer is none of the RDS API's; is the endpoint the right one, and what stands before it?"
	case strings.HasPrefix(f.Code, "Missing"), strings.HasPrefix(f.Code, "InvalidParameter"):
		return rotation.Permanent, "the RDS API does not take a parameter"
	case f.Status == 403:
		return rotation.Permanent, "the RDS API forbids it"
	}
	return rotation.Retryable, fmt.Sprintf("the RDS API answered with an error that this program does not know (status %d)", f.Status)
}

// permission is what the worker's identity lacks.
func (a attempt) permission() string {
	return "rds:" + a.action + " on acs:rds:" + a.place.Region + ":*:dbinstance/" + a.place.Instance
}

// denied says whether the worker's identity may not do what it tried.
func denied(err error) bool { return slices.Contains(deniedCodes, rotation.CodeOf(err)) }

func (a attempt) failed(kind rotation.Kind, what string) *rotation.Error {
	return rotation.Errorf(kind, "cannot %s instance %s in %s: %s", a.doing, a.place.Instance, a.place.Region, what)
}

// unreadable is for an answer that lacks what a rotation must know.
func (a attempt) unreadable() *rotation.Error {
	return a.failed(rotation.Retryable, "the answer lacks what it should have; is the endpoint the right one?").WithCode(string(wire.Unreadable))
}
