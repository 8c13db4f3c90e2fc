package webui_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"rotor/internal/cloudsim"
	"rotor/internal/config"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/wiring"
	"rotor/workflows"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := ensure(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// quick are settings that make a failing step be seen soon, and stay so for long enough to be looked at.
var quick = map[string]string{"ROTOR_STEP_BURST": "1s", "ROTOR_FIRST_PAUSE": "5m", "ROTOR_STOP_TIMEOUT": "2s", "ROTOR_STUCK_AFTER": "1s"}

// bench is the stack with its Web UI, a worker, and a browser.
type bench struct {
	*testing.T
	stack  *devstack.Stack
	client client.Client
	page   *page
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s, err := devstack.Start(t.Context(), devstack.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	for name, value := range s.Env() {
		t.Setenv(name, value)
	}
	options := client.Options{HostPort: s.Temporal.Address, Namespace: s.Temporal.Namespace, Logger: log.NewStructuredLogger(slog.New(slog.DiscardHandler))}
	c, err := client.Dial(options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	var w config.Worker
	require.NoError(t, w.Settings().Load(func(name string) (string, bool) {
		if value, set := quick[name]; set {
			return value, true
		}
		return os.LookupEnv(name)
	}))
	ctx, cancel := context.WithCancel(context.Background())
	polling, served := make(chan struct{}), make(chan error, 1)
	go func() { served <- wiring.Serve(ctx, options, w, sync.OnceFunc(func() { close(polling) })) }()
	select {
	case err := <-served:
		cancel()
		require.NoError(t, err)
	case <-polling:
	}
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-served)
	})
	return &bench{t, s, c, open(t)}
}

func (b *bench) secret(name string) devstack.Secret {
	b.Helper()
	secret, err := b.stack.AddKMSMySQLPair(b.Context(), name)
	require.NoError(b, err)
	return secret
}

func (b *bench) sql(statement string) {
	b.Helper()
	_, err := b.stack.MySQL.DB().Exec(statement)
	require.NoError(b, err)
}

func canonical(secret devstack.Secret) string {
	return "rotate/" + secret.Store + "/" + secret.Region + "/" + secret.Name
}

// start starts a rotation as the starter does.
func (b *bench) start(secret devstack.Secret) client.WorkflowRun {
	b.Helper()
	req, err := rotation.Request{SecretName: secret.Name, RegionId: secret.Region}.Validate()
	require.NoError(b, err)
	run, err := b.client.ExecuteWorkflow(b.Context(), client.StartWorkflowOptions{ID: canonical(secret), TaskQueue: config.DefaultTaskQueue,
		StaticSummary: workflows.Summary(req), StaticDetails: workflows.Details(req)}, rotation.WorkflowType, req)
	require.NoError(b, err)
	return run
}

// becomes waits until a rotation says that it is in a state.
func (b *bench) becomes(run client.WorkflowRun, state rotation.State) {
	b.Helper()
	require.Eventually(b, func() bool {
		value, err := b.client.QueryWorkflow(b.Context(), run.GetID(), run.GetRunID(), rotation.QueryStatus)
		var status rotation.Status
		return err == nil && value.Get(&status) == nil && status.State == state
	}, patience, 50*time.Millisecond)
}

func (b *bench) at(run client.WorkflowRun, tab string) string {
	return b.stack.Temporal.WebUI + "/namespaces/default/workflows/" + url.PathEscape(run.GetID()) + "/" + run.GetRunID() + "/" + tab
}

// ended waits for a rotation's outcome.
func (b *bench) ended(run client.WorkflowRun, wanted rotation.Outcome) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), patience)
	defer cancel()
	err := run.Get(ctx, nil)
	if wanted == rotation.Rotated {
		require.NoError(b, err)
		return
	}
	require.ErrorContains(b, err, string(wanted))
}

// A person finds in the Web UI what a rotation did, does and waits for, starts one from its form, and decides about one there.
func TestWebUIExplainsRotations(t *testing.T) {
	b := newBench(t)
	b.startsFromTheForm(b.secret("orders"))
	b.seesARetryingOne(b.secret("billing"))
	b.decidesAboutAParkedOne(b.secret("carts"))
	b.seesOneThatWasRolledBack(b.secret("reports"))
}

// startsFromTheForm types the payload that schedules of Alibaba's recipe have into the form, and sees the rotation that comes of it.
func (b *bench) startsFromTheForm(secret devstack.Secret) {
	p := b.page
	p.goTo(b.stack.Temporal.WebUI + "/namespaces/default/workflows/start-workflow")
	p.typeInto("#workflowId", "by-hand")
	p.typeInto("#taskQueue", config.DefaultTaskQueue)
	p.typeInto("#workflowType", rotation.WorkflowType)
	p.typeInto(".cm-content", `{"SecretName": "`+secret.Name+`", "RegionId": "`+secret.Region+`"}`)
	p.picture("start")
	p.click("[data-testid=start-workflow-button]", "")
	require.Eventually(b, func() bool {
		_, err := b.client.DescribeWorkflowExecution(b.Context(), "by-hand", "")
		return err == nil
	}, patience, 50*time.Millisecond, "the form has started it")
	b.ended(b.client.GetWorkflow(b.Context(), "by-hand", ""), rotation.Rotated)

	d, err := b.client.DescribeWorkflowExecution(b.Context(), canonical(secret), "")
	require.NoError(b, err)
	run := b.client.GetWorkflow(b.Context(), canonical(secret), d.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	p.goTo(b.at(run, "user-metadata"))
	p.sees("Completed", "rotate secret orders of alibaba-kms in cn-hangzhou", "Target: mysql", "If it fails before its test has passed: rollback", "look at secret orders and its database",
		"put a pending version for account orders_rt", "set standby account orders_rt on "+b.stack.MySQL.Address(), "log in as orders_rt on",
		"make version "+run.GetRunID()+" current", "Rotated: version "+run.GetRunID()+" of secret orders is current and logs in as orders_rt.")
	p.picture("rotated")
	p.goTo(b.at(run, "search-attributes"))
	p.sees("RotorOutcome", "Rotated", "RotorSecret", "orders")
}

// seesARetryingOne sees what fails, until when it is tried, and what happens then.
func (b *bench) seesARetryingOne(secret devstack.Secret) {
	p := b.page
	throttled := b.stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Resource: secret.Name, Action: "PutSecretValue", Times: cloudsim.Always})
	run := b.start(secret)
	b.becomes(run, rotation.StateWaiting)
	p.goTo(b.at(run, "user-metadata"))
	p.sees("Running", "Step new does not succeed.", "It is tried again after 5m0s, at ", "and given up at ", "Then it is rolled back.", "try new again")
	p.picture("retrying")
	throttled.Remove()
	require.NoError(b, b.client.CancelWorkflow(b.Context(), run.GetID(), run.GetRunID()))
}

// decidesAboutAParkedOne finds it by its search attribute, reads what is wrong, mends it, and sends the update.
func (b *bench) decidesAboutAParkedOne(secret devstack.Secret) {
	p := b.page
	held := b.stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	run := b.start(secret)
	<-held.Reached()
	b.sql("CREATE USER '" + secret.Account + "_rt'@'%' IDENTIFIED BY 'theirs-0815'")
	held.Release()
	b.becomes(run, rotation.StateParked)
	p.goTo(b.stack.Temporal.WebUI + "/namespaces/default/workflows?query=" + url.QueryEscape("RotorStuck = true AND RotorSecret = '"+secret.Name+"'"))
	p.sees(canonical(secret), "RotateSecret", "1 Running", "RotorStuck")
	p.picture("stuck")
	p.goTo(b.at(run, "user-metadata"))
	p.sees("Parked: a person has to decide", "met a conflict in step set", "Nothing is undone beside somebody else.", "Store alibaba-kms", "Login carts_rt",
		"Clients: the current version logs in, as carts", "Find out who else changes this secret or these accounts", "retry: go on from what there is",
		"rollback: ", "abandon: give up")
	p.picture("parked")

	b.sql("DROP USER '" + secret.Account + "_rt'@'%'")
	p.click("button", "More Actions")
	p.click("[role=menuitem]", "Send an Update")
	p.click("[data-testid=update-select-button]", "")
	p.click("[role=option]", "retry")
	p.typeInto(".cm-content", `{"Reason": "their account is gone", "By": "ann"}`)
	p.picture("deciding")
	p.click("[data-testid=confirm-modal-button]", "Submit")
	b.ended(run, rotation.Rotated)
	var result rotation.Result
	require.NoError(b, run.Get(b.Context(), &result))
	require.Equal(b, "their account is gone", result.Decision.Reason)
	require.Equal(b, "ann", result.Decision.By)
}

// seesOneThatWasRolledBack sees why.
func (b *bench) seesOneThatWasRolledBack(secret devstack.Secret) {
	p := b.page
	held := b.stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "PutSecretValue"})
	run := b.start(secret)
	<-held.Reached()
	b.sql("REVOKE CREATE USER ON *.* FROM '" + secret.AdminAccount + "'@'%'")
	require.NoError(b, b.stack.MySQL.EndSessions(b.Context(), secret.AdminAccount))
	held.Release()
	b.ended(run, rotation.RolledBack)
	p.goTo(b.at(run, "user-metadata"))
	p.sees("Failed", "RolledBack: ", "bring reports_rt on "+b.stack.MySQL.Address()+" and the secret's stages back")
	p.picture("rolled-back")
}
