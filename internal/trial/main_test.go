package trial_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// full tries every case; else it is a sample, the same each time.
var full = flag.Bool("full", false, "try every case, which takes many minutes")

// only narrows down which kinds of secrets are tried.
var only = flag.String("only", "", "try kinds with this in their names only")

// kinds are those that are tried: each with its steps as activities and express, or, in a sample, one way and the next the other. Those of
// apsara-rds never go express.
func kinds(t *testing.T, salt int) []trial.Kind {
	t.Helper()
	var all []trial.Kind
	for i, k := range bench.Kinds() {
		express := (i+salt)%2 == 1
		switch {
		case strings.HasPrefix(k.Name, rotation.TargetApsaraRDS):
			all = append(all, k)
		case *full:
			all = append(all, k, k.AsExpress())
		case express:
			all = append(all, k.AsExpress())
		default:
			all = append(all, k)
		}
	}
	chosen := slices.DeleteFunc(all, func(k trial.Kind) bool { return !strings.Contains(k.Name, *only) })
	require.NotEmpty(t, chosen, "no kind has %q in its name, or this database server can't take it", *only)
	return chosen
}

// seed chooses the sample.
const seed = 20

// sideBySide is how many trials run at once: most of the time they wait, above all those that only -full has.
func sideBySide() int {
	if *full {
		return 48
	}
	return 16
}

var bench *trial.Bench

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", fmt.Sprint(sideBySide())); err != nil {
		panic(err)
	}
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "trial:", err)
		code = 1
	}
	os.Exit(code)
}

// run runs the tests on a bench, and searches what they have left behind.
func run(m *testing.M) (code int, err error) {
	ctx := context.Background()
	if bench, err = trial.Start(ctx, os.Stderr); err != nil {
		return 1, err
	}
	defer func() {
		if closing := bench.Close(); err == nil {
			err = closing
		}
	}()
	if code = m.Run(); !tried.Load() {
		return code, nil
	}
	aside, err := bench.Aside(ctx)
	if err != nil {
		return 1, err
	}
	for _, broken := range aside {
		fmt.Println("ASIDE:", broken)
		code = 1
	}
	began := time.Now()
	found, searched, err := bench.Leaks(ctx)
	fmt.Printf("searched for %s in %s\n", searched, time.Since(began).Round(time.Millisecond))
	for _, f := range found {
		fmt.Println("LEAK:", f)
		code = 1
	}
	return code, err
}

// newTrial makes a trial that ends with the test.
func newTrial(t *testing.T, kind trial.Kind) *trial.Trial {
	t.Helper()
	tried.Store(true)
	tr, err := bench.New(t.Context(), kind)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, tr.Close()) })
	return tr
}

// tries is how often a trial is made whose rotation did not come to what was to happen: on a machine that is busy, one that goes express can
// be too slow, and a report can come after what was given to the worker next.
const tries = 8

// untilMet makes a trial until it came to what was to happen.
func untilMet(t *testing.T, what string, try func() (met bool)) {
	t.Helper()
	for range tries {
		if try() {
			return
		}
	}
	t.Fatalf("it did not come to %s", what)
}

func startWorker(t *testing.T, tr *trial.Trial) *trial.Worker {
	t.Helper()
	w, err := tr.StartWorker(t.Context())
	require.NoError(t, err)
	return w
}

// requireSound requires that an outcome is as it says, and that nobody was locked out on the way.
func requireSound(t *testing.T, tr *trial.Trial, ended trial.Ended) {
	t.Helper()
	require.NotEqual(t, rotation.Abandoned, ended.Result.Outcome, "nobody else had come, and it was parked: %+v, %v", ended.Result.Reason, ended.Result.Notes)
	after, err := bench.Look(t.Context(), tr.Secret)
	require.NoError(t, err)
	require.Empty(t, trial.Audit(tr.Kind, tr.Secret, tr.Outset, after, ended), "%s: %+v", ended.Result.Outcome, ended.Result.Reason)
	require.Empty(t, tr.LockedOut())
}

func requireRotated(t *testing.T, tr *trial.Trial, ended trial.Ended) {
	t.Helper()
	require.Equal(t, rotation.Rotated, ended.Result.Outcome, "%+v", ended.Result.Reason)
	requireSound(t, tr, ended)
}
