package apsarards_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/apsarards"
	"rotor/internal/wire/wiretest"
)

// answering is a target in front of a server that answers each action in one way.
func answering(t *testing.T, bodies map[string]string) *apsarards.Target {
	t.Helper()
	return answeringBy(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(bodies[r.URL.Query().Get("Action")]))
	})
}

func answeringBy(t *testing.T, handler http.HandlerFunc) *apsarards.Target {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	answers, err := apsarards.New(apsarards.Options{Endpoint: server.URL, Wait: 300 * time.Millisecond})
	require.NoError(t, err)
	return answers
}

func TestCodes(t *testing.T) {
	const (
		retryable = rotation.Retryable
		permanent = rotation.Permanent
	)
	for _, c := range []struct {
		status int
		code   string
		kind   rotation.Kind
		words  string
	}{
		{400, "OperationDenied.DBInstanceStatus", retryable, "busy"},
		{403, "OperationDenied.DBInstanceStatus", retryable, "busy"},
		{403, "OperationDenied.DBClusterStatus", retryable, "busy"},
		{403, "OperationDenied.DBStatus", retryable, "busy"},
		{403, "OperationDenied.OutofUsage", retryable, "busy"},
		{403, "IncorrectDBInstanceState", retryable, "busy"},
		{400, "GeneralIns.Creating", retryable, "busy"},
		{400, "GeneralIns.Maintaining", retryable, "busy"},
		{400, "GeneralIns.Switching", retryable, "busy"},
		{400, "DbRestoring", retryable, "restored"},
		{400, "IncorrectAccountStatus", retryable, "another change"},
		{400, "InvalidAccountStatus", retryable, "another change"},
		{400, "AccountActionForbidden", retryable, "another change"},
		{404, "InvalidAccountName.NotFound", retryable, "does not exist"},
		{400, "Account.AddError", retryable, "could not carry it out"},
		{400, "Account.UpdateError", retryable, "could not carry it out"},
		{400, "Database.ConnectError", retryable, "can't connect"},
		{400, "SqlExecuteFailedOrTimeout", retryable, "could not carry it out"},
		{400, "SqlExcutionFailed", retryable, "could not carry it out"},
		{500, "ExternalFailure", retryable, "could not carry it out"},
		{500, "RequestMetaDataFailed", retryable, "could not carry it out"},
		{500, "InvokeProxyFailure", retryable, "could not carry it out"},
		{400, "Throttling", retryable, "no more requests"},
		{400, "Throttling.User", retryable, "no more requests"},
		{400, "Throttling.Api", retryable, "no more requests"},
		{500, "InternalError", retryable, "failed inside"},
		{503, "ServiceUnavailable", retryable, "not available"},
		{404, "InvalidDBInstanceName.NotFound", permanent, "no such instance"},
		{400, "InvalidDBInstanceId.NotFound", permanent, "no such instance"},
		{404, "InvalidDBInstanceId.Malformed", permanent, "no such instance"},
		{400, "InvalidRegionId.NotFound", permanent, "region"},
		{404, "IncorrectDBInstanceLockMode", permanent, "locked"},
		{403, "IncorrectDBInstanceType", permanent, "read-only"},
		{403, "IncorrectDBInstanceCharacterType", permanent, "type"},
		{403, "OperationDenied.AccountMode", permanent, "account mode"},
		{403, "IncorrectAccountType", permanent, "one privileged account"},
		{400, "IncorrectAccount", permanent, "can't be changed through the API"},
		{403, "AccountLimitExceeded", permanent, "as many accounts"},
		{403, "IncorrectMinorVersion", permanent, "update"},
		{400, "Api.NotSupport", permanent, "this kind"},
		{400, "GdnRole.NotSupport", permanent, "primary"},
		{400, "InvalidAccountName.Forbid", permanent, "reserved"},
		{400, "InvalidAccountName.Malformed", permanent, "name"},
		{400, "InvalidAccountPassword.Format", permanent, "8 to 32"},
		{400, "InvalidAccountDescription.Format", permanent, "description"},
		{404, "InvalidDBName.NotFound", permanent, "database"},
		{400, "InvalidAccountPrivilege.Malformed", permanent, "ReadWrite, ReadOnly, DDLOnly, DMLOnly"},
		{400, "InvalidDBNameOrAccountPrivilege", permanent, "databases and privileges"},
		{403, "Forbidden.RAM", permanent, "rds:ResetAccountPassword on acs:rds:cn-hangzhou:*:dbinstance/rm-1"},
		{403, "NoPermission", permanent, "rds:ResetAccountPassword"},
		{403, "Forbidden.NoPermission", permanent, "rds:ResetAccountPassword"},
		{403, "Something.New", permanent, "forbids"},
		{400, "MissingParameter", permanent, "parameter"},
		{400, "InvalidParameter", permanent, "parameter"},
		{400, "SignatureDoesNotMatch", permanent, "access key secret"},
		{400, "InvalidAccessKeyId.NotFound", permanent, "access key id"},
		{404, "InvalidApi.NotFound", permanent, "endpoint"},
		{418, "Something.New", retryable, "does not know (status 418)"},
		{502, "Something.New", retryable, "failed inside"},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.code), func(t *testing.T) {
			const id = "5B75D8B1-5B6A-4EC0-8E0C-C08BEFDFAD47"
			answers := answeringBy(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("Action") == "DescribeAccounts" {
					_, _ = w.Write([]byte(`{"RequestId":"x"}`))
					return
				}
				w.WriteHeader(c.status)
				_, _ = fmt.Fprintf(w, `{"Code":%q,"Message":"server string to sign is:POST&%%2F","RequestId":%q,"HostId":"rds","Recommend":"x"}`, c.code, id)
			})
			session, err := answers.Lock(t.Context(), target.Login{Place: place}, pair)
			require.NoError(t, err)
			err = session.SetPassword(t.Context(), "app", newPassword)
			ours := failureOf(t, err, c.kind, c.code, "cannot reset the password of account app of instance rm-1 in cn-hangzhou", c.words, id)
			require.Equal(t, c.status >= 500, ours.Unanswered)
			require.NotContains(t, err.Error(), "string to sign")
		})
	}
}

func TestAnswersThatAreNotOfTheAPI(t *testing.T) {
	const (
		good    = `{"RequestId":"x","TotalRecordCount":1,"Accounts":{"DBInstanceAccount":[{"AccountName":"app","AccountStatus":"Available","AccountType":"Normal"}]}}`
		running = `{"RequestId":"x","Items":{"DBInstanceAttribute":[{"Engine":"MySQL","EngineVersion":"8.0","DBInstanceStatus":"Running"}]}}`
	)
	for name, bodies := range map[string]map[string]string{
		"no account name":    {"DescribeAccounts": `{"RequestId":"x","Accounts":{"DBInstanceAccount":[{"AccountStatus":"Available","AccountType":"Normal"}]}}`},
		"no account status":  {"DescribeAccounts": `{"RequestId":"x","Accounts":{"DBInstanceAccount":[{"AccountName":"app","AccountType":"Normal"}]}}`},
		"no account type":    {"DescribeAccounts": `{"RequestId":"x","Accounts":{"DBInstanceAccount":[{"AccountName":"app","AccountStatus":"Available"}]}}`},
		"fewer than counted": {"DescribeAccounts": `{"RequestId":"x","TotalRecordCount":3}`},
		"no JSON":            {"DescribeAccounts": "<html>"},
		"no instance":        {"DescribeDBInstanceAttribute": `{"RequestId":"x"}`},
		"no engine":          {"DescribeDBInstanceAttribute": `{"RequestId":"x","Items":{"DBInstanceAttribute":[{"EngineVersion":"8.0","DBInstanceStatus":"Running"}]}}`},
		"no status":          {"DescribeDBInstanceAttribute": `{"RequestId":"x","Items":{"DBInstanceAttribute":[{"Engine":"MySQL","EngineVersion":"8.0"}]}}`},
		"no port":            {"DescribeDBInstanceNetInfo": `{"RequestId":"x","DBInstanceNetInfos":{"DBInstanceNetInfo":[{"ConnectionString":"a"}]}}`},
		"no host":            {"DescribeDBInstanceNetInfo": `{"RequestId":"x","DBInstanceNetInfos":{"DBInstanceNetInfo":[{"Port":"3306"}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{"DescribeAccounts": good, "DescribeDBInstanceAttribute": running, "DescribeDBInstanceNetInfo": `{"RequestId":"x"}`}
			q := question(rotation.SingleUser, "app")
			q.Client.Place.Host, q.Client.Place.Port = "db.example", 3306
			_, err := answering(t, all).Survey(t.Context(), q)
			require.NoError(t, err)
			for action, body := range bodies {
				all[action] = body
			}
			_, err = answering(t, all).Survey(t.Context(), q)
			requireError(t, err, rotation.Retryable, "malformed")
		})
	}
}

// What the API says of states and types is repeated only where it can be a word of its own.
func TestStrangeWordsAreNotRepeated(t *testing.T) {
	_, err := answering(t, map[string]string{
		"DescribeDBInstanceAttribute": `{"RequestId":"x","Items":{"DBInstanceAttribute":[{"Engine":"MySQL","EngineVersion":"8.0","DBInstanceStatus":"<b>&pass=word"}]}}`,
	}).Survey(t.Context(), question(rotation.SingleUser, "app"))
	requireError(t, err, rotation.Retryable, "busy", "something else")
	require.NotContains(t, err.Error(), "pass=word")
}

// TestAccountsArePaged has more accounts than a page takes.
func TestAccountsArePaged(t *testing.T) {
	var pages []string
	answers := answeringBy(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("Action") == "DescribeDBInstanceAttribute" {
			_, _ = w.Write([]byte(`{"RequestId":"x","Items":{"DBInstanceAttribute":[{"Engine":"MySQL","EngineVersion":"8.0","DBInstanceStatus":"Running"}]}}`))
			return
		}
		pages = append(pages, q.Get("PageNumber")+" of "+q.Get("PageSize"))
		name := map[string]string{"1": "one", "2": "app"}[q.Get("PageNumber")]
		_, _ = fmt.Fprintf(w, `{"RequestId":"x","TotalRecordCount":2,"Accounts":{"DBInstanceAccount":[{"AccountName":%q,"AccountStatus":"Available","AccountType":"Normal"}]}}`, name)
	})
	_, err := answers.Survey(t.Context(), question(rotation.SingleUser, "app"))
	require.NoError(t, err)
	require.Equal(t, []string{"1 of 200", "2 of 200"}, pages)
}

// TestReadWriteSplittingAddressesAreLeftOut: a login there may be answered by a server that does not take changes yet.
func TestReadWriteSplittingAddressesAreLeftOut(t *testing.T) {
	var seen string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"RequestId":"x","DBInstanceNetInfos":{"DBInstanceNetInfo":[` +
			`{"ConnectionString":"rw.example","Port":"3306","ConnectionStringType":"ReadWriteSplitting","IPType":"Private"},` +
			`{"ConnectionString":"rm.example","Port":"3307","ConnectionStringType":"Normal","IPType":"Private"}]}}`))
	}))
	t.Cleanup(server.Close)
	answers, err := apsarards.New(apsarards.Options{Endpoint: server.URL, Logins: proberFunc(func(l target.Login) target.Proof {
		seen = l.Place.Address()
		return target.Proof{Answer: rotation.Accepted}
	})})
	require.NoError(t, err)
	answers.Probe(t.Context(), login("app", oldWord))
	require.Equal(t, "rm.example:3307", seen)
}

func TestNothingWasSent(t *testing.T) {
	nowhere, err := apsarards.New(apsarards.Options{Endpoint: wiretest.Nobody})
	require.NoError(t, err)
	ours := failureOf(t, apsarards.SessionOf(nowhere, place, version).SetPassword(t.Context(), "app", newPassword), rotation.Retryable, "refused",
		"nothing was sent, so nothing has changed")
	require.False(t, ours.Unanswered)
}
