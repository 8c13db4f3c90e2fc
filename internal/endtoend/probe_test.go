package endtoend

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"

	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/rotation"
)

// start starts the rotation of a secret under its canonical id.
func start(t *testing.T, taskQueue string, secret devstack.Secret, ask func(*rotation.Request)) client.WorkflowRun {
	t.Helper()
	req := requestFor(secret, ask)
	valid, _ := req.Validate() // what is wrong with it is the workflow's to say
	id := valid.WorkflowID()
	// A worker that is killed is to be noticed soon. Else a busy machine may take its time.
	taskTimeout := 10 * time.Second
	if taskQueue != queue && taskQueue != expressQueue {
		taskTimeout = 2 * time.Second
	}
	run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: taskQueue, WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_FAIL, WorkflowExecutionErrorWhenAlreadyStarted: true,
		WorkflowTaskTimeout: taskTimeout,
	}, rotation.WorkflowType, req)
	require.NoError(t, err)
	return run
}

// requestFor asks for a rotation of the secret, whatever its grace time.
func requestFor(secret devstack.Secret, ask func(*rotation.Request)) rotation.Request {
	req := rotation.Request{SecretName: secret.Name, RegionId: secret.Region, InstanceId: secret.Instance, Now: true}
	if secret.Store != rotation.StoreAlibabaKMS {
		req.Store = secret.Store
	}
	if ask != nil {
		ask(&req)
	}
	return req
}

func canonicalID(secret devstack.Secret) string {
	return "rotate/" + secret.Store + "/" + secret.Region + "/" + secret.Name
}

// startAs starts the rotation of a secret under another id.
func startAs(t *testing.T, id string, secret devstack.Secret) client.WorkflowRun {
	t.Helper()
	run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: queue}, rotation.WorkflowType,
		rotation.Request{SecretName: secret.Name, RegionId: secret.Region, Now: true})
	require.NoError(t, err)
	return run
}

// rotate runs one rotation to its outcome, express where nothing keeps it from that.
func rotate(t *testing.T, secret devstack.Secret, ask func(*rotation.Request)) rotation.Result {
	t.Helper()
	return outcome(t, start(t, expressQueue, secret, ask))
}

func outcome(t *testing.T, run client.WorkflowRun) rotation.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	var result rotation.Result
	err := run.Get(ctx, &result)
	if err == nil {
		return result
	}
	if app, ok := errors.AsType[*sdktemporal.ApplicationError](err); ok {
		require.NoError(t, app.Details(&result), err)
		return result
	}
	status, _ := query(run)
	require.NoError(t, err, "the rotation has no outcome; it says: %s (%+v)", status.Doing, status.Failure)
	return result
}

func query(run client.WorkflowRun) (rotation.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var status rotation.Status
	value, err := temporal.QueryWorkflow(ctx, run.GetID(), run.GetRunID(), rotation.QueryStatus)
	if err == nil {
		err = value.Get(&status)
	}
	return status, err
}

// parked waits until the rotation is parked, and gives its status.
func parked(t *testing.T, run client.WorkflowRun) (status rotation.Status) {
	t.Helper()
	eventually(t, 2*time.Minute, "parked", func() bool {
		var err error
		status, err = query(run)
		return err == nil && status.State == rotation.StateParked
	})
	return status
}

func kms() alibabakms.Region {
	return stack.Cloud.KMS().In(stack.Cloud.Credential().Account, devstack.Region)
}

func stored(t *testing.T, name string) alibabakms.Secret {
	t.Helper()
	secret, ok := kms().Secret(name)
	require.True(t, ok)
	return secret
}

// credential is what a document says.
type credential struct{ AccountName, AccountPassword string }

func credentialOf(t *testing.T, v *alibabakms.Version) credential {
	t.Helper()
	require.NotNil(t, v)
	var c credential
	require.NoError(t, json.Unmarshal([]byte(v.Data), &c))
	return c
}

func holder(t *testing.T, secret devstack.Secret, stage string) credential {
	t.Helper()
	s := stored(t, secret.Name)
	return credentialOf(t, s.Holder(stage))
}

// logsIn says whether the server lets a credential in; anything but a clear answer fails the test.
func logsIn(t *testing.T, c credential) bool {
	t.Helper()
	return logsInAt(t, stack.MySQL, c)
}

func logsInAt(t *testing.T, server *mysqld.Server, c credential) bool {
	t.Helper()
	db, err := server.Open(c.AccountName, c.AccountPassword, "")
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	err = db.PingContext(t.Context())
	if refused, ok := errors.AsType[*mysql.MySQLError](err); ok && refused.Number == 1045 {
		return false
	}
	require.NoError(t, err)
	return true
}

// picture is everything that a rotation could change, as text: stages, values, accounts, grants and password hashes.
func picture(t *testing.T, secret devstack.Secret) string {
	t.Helper()
	var b strings.Builder
	for _, name := range []string{secret.Name, secret.AdminSecret} {
		s, ok := kms().Secret(name)
		fmt.Fprintf(&b, "%s %t\n", name, ok)
		for _, v := range s.Versions {
			fmt.Fprintf(&b, "%s %v %s\n", v.ID, v.Stages, v.Data)
		}
		other, ok := secretsManager().Secret(name)
		fmt.Fprintf(&b, "%s %t\n", name, ok)
		for _, v := range other.Versions {
			fmt.Fprintf(&b, "%s %v %s\n", v.ID, v.Stages, v.String)
		}
	}
	for _, account := range []string{secret.Account, secret.Account + rotation.SuffixAlibaba, secret.Account + rotation.SuffixAWS, secret.AdminAccount} {
		b.WriteString(strings.Join(grants(t, account), "\n"))
		b.WriteString(strings.Join(rows(t, account), "\n"))
	}
	return b.String()
}

// rows are all that the server keeps of an account beside its privileges: hashes, attributes, states.
func rows(t *testing.T, account string) (lines []string) {
	t.Helper()
	found, err := stack.MySQL.DB().QueryContext(t.Context(), "SELECT * FROM mysql.user WHERE User = '"+account+"' ORDER BY Host")
	require.NoError(t, err)
	defer func() { require.NoError(t, found.Close()) }()
	columns, err := found.Columns()
	require.NoError(t, err)
	for found.Next() {
		values, into := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, found.Scan(into...))
		lines = append(lines, fmt.Sprintf("%+v", values))
	}
	require.NoError(t, found.Err())
	return lines
}

// grants are the grants of an account, its password's hash among them where the server shows it; none if it does not exist.
func grants(t *testing.T, account string) (lines []string) {
	t.Helper()
	rows, err := stack.MySQL.DB().QueryContext(t.Context(), "SHOW GRANTS FOR '"+account+"'@'%'")
	if missing(err) {
		return nil
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var line string
		require.NoError(t, rows.Scan(&line))
		lines = append(lines, line)
	}
	if missing(rows.Err()) {
		return nil
	}
	require.NoError(t, rows.Err())
	slices.Sort(lines)
	return lines
}

func missing(err error) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && e.Number == 1141
}

func execute(t *testing.T, statement string) {
	t.Helper()
	_, err := stack.MySQL.DB().ExecContext(t.Context(), statement)
	require.NoError(t, err)
}
