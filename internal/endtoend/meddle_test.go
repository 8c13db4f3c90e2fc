package endtoend

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// inStep says whether the rotation is at a step now.
func inStep(run client.WorkflowRun, step rotation.Step) bool {
	status, err := query(run)
	return err == nil && lastStep(status) == step
}

// denyAt denies the rotation one look at the versions of its secret, at a step.
func denyAt(t *testing.T, secret devstack.Secret, run client.WorkflowRun, step rotation.Step) *cloudsim.Injected {
	t.Helper()
	denied := stack.Cloud.Inject(cloudsim.Fault{
		Kind: cloudsim.Deny, Resource: secret.Name, Action: "ListSecretVersionIds",
		If: func(cloudsim.Request) bool { return inStep(run, step) },
	})
	t.Cleanup(denied.Remove)
	return denied
}

// meddle lets somebody else act right before the rotation's first request about its secret in a step, and waits until that has happened.
// What it returns takes away what they did, as far as undo says how.
func meddle(t *testing.T, run client.WorkflowRun, step rotation.Step, act func() (undo func())) (undo func()) {
	t.Helper()
	acted := make(chan struct{})
	var once sync.Once
	stop := stack.Cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if canonicalIDOf(r) == run.GetID() && inStep(run, step) {
			once.Do(func() {
				undo = act()
				close(acted)
			})
		}
		return cloudsim.Apply
	})
	t.Cleanup(stop)
	select {
	case <-acted:
	case <-time.After(2 * time.Minute):
		t.Fatalf("the rotation did not come to step %s", step)
	}
	return undo
}

func canonicalIDOf(r cloudsim.Request) string {
	return "rotate/" + rotation.StoreAlibabaKMS + "/" + r.Region + "/" + r.Resource
}

// makeCurrent writes a version with the current value and makes it current, as a person does; undo gives the stages back.
func makeCurrent(t *testing.T, secret devstack.Secret, id string) (undo func()) {
	t.Helper()
	s := stored(t, secret.Name)
	before := slices.Clone(s.Versions)
	version := *s.Holder(alibabakms.Current)
	version.ID, version.Stages = id, []string{alibabakms.Current}
	for i := range s.Versions {
		s.Versions[i].Stages = slices.DeleteFunc(slices.Clone(s.Versions[i].Stages), func(stage string) bool { return stage == alibabakms.Current })
	}
	s.Versions = append(s.Versions, version)
	kms().Put(s)
	return func() {
		s := stored(t, secret.Name)
		s.Versions = before
		kms().Put(s)
	}
}

// cancelled waits for a rotation that was cancelled, and gives its result.
func cancelled(t *testing.T, run client.WorkflowRun) (result rotation.Result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err := run.Get(ctx, nil)
	canceled, ok := errors.AsType[*sdktemporal.CanceledError](err)
	require.True(t, ok, "%v", err)
	require.NoError(t, canceled.Details(&result))
	return result
}
