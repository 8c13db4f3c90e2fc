package trial_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"rotor/internal/rotation"
	"rotor/internal/trial"
	"rotor/workflows"
)

// interruptions are what somebody sends to a rotation that is at work.
var interruptions = map[string]func(context.Context, client.WorkflowRun) error{
	"a cancel": func(ctx context.Context, run client.WorkflowRun) error {
		return bench.Temporal.CancelWorkflow(ctx, run.GetID(), run.GetRunID())
	},
	"a signal": func(ctx context.Context, run client.WorkflowRun) error {
		return bench.Temporal.SignalWorkflow(ctx, run.GetID(), run.GetRunID(), "hurry", "please")
	},
	"retry":    premature(rotation.UpdateRetry),
	"rollback": premature(rotation.UpdateRollback),
	"abandon":  premature(rotation.UpdateAbandon),
}

// premature is a decision about a rotation that is not parked. It must be turned away.
func premature(choice string) func(context.Context, client.WorkflowRun) error {
	return func(ctx context.Context, run client.WorkflowRun) error {
		handle, err := bench.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: run.GetID(), RunID: run.GetRunID(), UpdateName: choice, Args: []any{workflows.Decide{Reason: "too early"}},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		if err == nil {
			err = handle.Get(ctx, nil)
		}
		if err == nil {
			return fmt.Errorf("%s was taken, and the rotation is not parked", choice)
		}
		bench.Heard(err.Error())
		if !strings.Contains(err.Error(), notParked) && !strings.Contains(err.Error(), completed) {
			return fmt.Errorf("%s was turned away, but not because the rotation is not parked: %w", choice, err)
		}
		return nil
	}
}

// notParked is how the product turns a decision away, and completed how Temporal does where the rotation, express, has ended in the same workflow task.
const (
	notParked = "the rotation is not parked"
	completed = "workflow execution already completed"
)

// A signal, a decision or a cancel that arrives during a step leaves nothing half done, and none but a cancel stops a rotation.
func TestRotationIsInterrupted(t *testing.T) {
	t.Parallel()
	type interruption struct {
		what   string
		effect trial.Effect
	}
	for i, kind := range kinds(t, 1) {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			var cases []interruption
			steps := map[string]bool{}
			for _, effect := range effectsOf(t, kind) {
				if effect.Source == trial.Temporal || effect.Step == "" || !ofItsOwn(kind, effect) {
					continue
				}
				step := effect.Step
				if kind.Express && effect.Changes() { // what it changes tells its steps apart
					step = effect.Source
					if effect.Source == trial.Store {
						step = effect.Name
					}
				}
				// Cancels come before every change, too.
				if first := !steps[step]; first || effect.Changes() {
					for _, what := range []string{"a cancel", "a signal", "retry", "rollback", "abandon"} {
						if first || what == "a cancel" {
							cases = append(cases, interruption{what, effect})
						}
					}
				}
				steps[step] = true
			}
			t.Logf("%d interruptions", len(cases))
			some := sample(cases, 1, uint64(i)+100)
			var stopped atomic.Int64
			t.Cleanup(func() {
				t.Logf("%d rotations were stopped by a cancel", stopped.Load())
				// Express it has mostly ended before the cancel is heard.
				early := !kind.Express && slices.ContainsFunc(some, func(c interruption) bool { return c.what == "a cancel" && c.effect.Step == "Set" })
				require.True(t, !*full || t.Failed() || !early || stopped.Load() > 0, "no cancel stopped anything")
			})
			for _, c := range some {
				t.Run(fmt.Sprintf("%s before %s", c.what, c.effect), func(t *testing.T) {
					t.Parallel()
					untilMet(t, c.effect.String(), func() bool { return interrupt(t, kind, c.what, c.effect, &stopped) })
				})
			}
		})
	}
}

// errUnanswered is of what was sent on a busy machine: whether it arrived is not known.
var errUnanswered = errors.New("no answer in time")

func interrupt(t *testing.T, kind trial.Kind, what string, at trial.Effect, stopped *atomic.Int64) (met bool) {
	tr := newTrial(t, kind)
	started, sent := make(chan client.WorkflowRun, 1), make(chan error, 1)
	var once sync.Once
	tr.Hook(func(e trial.Effect, m trial.Moment) trial.Verdict {
		if e == at && m == trial.Before {
			once.Do(func() {
				run := <-started
				ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second) // less than an attempt may take
				defer cancel()
				err := interruptions[what](ctx, run)
				if ctx.Err() != nil {
					err = errUnanswered
				}
				sent <- err
			})
		}
		return trial.Pass
	})
	startWorker(t, tr)
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	started <- run
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	select {
	case err := <-sent:
		if errors.Is(err, errUnanswered) {
			return false
		}
		require.NoError(t, err)
	default:
		return false
	}
	if what != "a cancel" {
		requireRotated(t, tr, ended)
		return true
	}
	require.Equal(t, ended.Result.Outcome != rotation.Rotated, ended.Canceled, "what a cancel stopped ends as cancelled")
	if ended.Canceled {
		stopped.Add(1)
	}
	requireSound(t, tr, ended)
	return true
}
