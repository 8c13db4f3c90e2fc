package trial_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/trial"
	"rotor/internal/trial/sqlrelay"
)

// cloudFaults are what a request to the cloud can meet. A slow answer takes longer than an attempt of a step may.
var cloudFaults = []cloudsim.Fault{
	{Kind: cloudsim.Throttle}, {Kind: cloudsim.ErrorBefore}, {Kind: cloudsim.ErrorAfter}, {Kind: cloudsim.CloseBefore}, {Kind: cloudsim.CloseAfter},
	{Kind: cloudsim.Malformed}, {Kind: cloudsim.SlowAnswer, Hold: 7 * time.Second}, {Kind: cloudsim.Stale, Lag: lag},
}

// lag is how old a stale answer is.
const lag = 2 * time.Second

// Whatever a request to the store or to the RDS API meets, the rotation gets there, writes one version, and locks nobody out.
func TestCloudFaults(t *testing.T) {
	t.Parallel()
	type faulty struct {
		fault  cloudsim.Fault
		effect trial.Effect
	}
	for i, kind := range kinds(t, 0) {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			var cases []faulty
			for _, effect := range effectsOf(t, kind) {
				for _, fault := range cloudFaults {
					if cloud := effect.Source == trial.Store || effect.Source == trial.RDS; cloud && ofItsOwn(kind, effect) && (fault.Kind != cloudsim.Stale || !effect.Changes()) {
						cases = append(cases, faulty{fault, effect})
					}
				}
			}
			cases = halfExpress(kind, cases, uint64(i)+200)
			t.Logf("%d faults", len(cases))
			inRows(t, kind, sample(cases, 1, uint64(i)+200), func(c faulty) string { return fmt.Sprintf("%s at %s", c.fault.Kind, c.effect) },
				func(t *testing.T, tr *trial.Trial, c faulty) (met bool) {
					fault := c.fault
					fault.If = tr.At(c.effect)
					if fault.Kind == cloudsim.Stale {
						<-time.After(time.Until(tr.Settled.Add(lag))) // what was there before the rotation is visible
					}
					injected := bench.Stack.Cloud.Inject(fault)
					defer injected.Remove()
					rotateThrough(t, tr)
					return injected.Hits() == 1
				})
		})
	}
}

// Where a rotation of the kind leaves things as it found them, the same secret, on the same worker, is rotated through some faults, one after the
// other: as many as leave the store the versions that were there before.
const (
	longestRow    = 4
	mostRotations = 6
)

// inRows tries cases, several in a row.
func inRows[C any](t *testing.T, kind trial.Kind, cases []C, name func(C) string, try func(*testing.T, *trial.Trial, C) (met bool)) {
	length := 1
	if kind.Again() {
		length = longestRow
	}
	for row := range slices.Chunk(cases, length) {
		t.Run(name(row[0]), func(t *testing.T) {
			t.Parallel()
			var tr *trial.Trial
			rotations := 0
			for _, c := range row {
				t.Log(name(c))
				untilMet(t, name(c), func() bool {
					if rotations++; tr == nil || !kind.Again() || rotations > mostRotations {
						tr, rotations = newTrial(t, kind), 1
						startWorker(t, tr)
					} else {
						require.NoError(t, tr.Again(t.Context()))
					}
					return try(t, tr, c)
				})
			}
		})
	}
}

// rotateThrough rotates, and requires that it gets there.
func rotateThrough(t *testing.T, tr *trial.Trial) {
	t.Helper()
	run, err := tr.Rotate(t.Context())
	require.NoError(t, err)
	ended, err := tr.Outcome(t.Context(), run)
	require.NoError(t, err)
	requireRotated(t, tr, ended)
}

// sqlFault is what a statement can meet on its way to the database or back.
type sqlFault struct {
	moment trial.Moment
	meet   func(*testing.T, *trial.Trial) trial.Verdict
	// at says which statements can meet it; nil: all.
	at func(trial.Effect) bool
}

// always is a fault that needs nothing but its verdict.
func always(v trial.Verdict) func(*testing.T, *trial.Trial) trial.Verdict {
	return func(*testing.T, *trial.Trial) trial.Verdict { return v }
}

func isLogin(e trial.Effect) bool {
	return e.Source == trial.SQL && strings.HasPrefix(e.Name, sqlrelay.Login)
}

var sqlFaults = map[string]sqlFault{
	"the connection breaks before it":    {moment: trial.Before, meet: always(trial.Drop)},
	"the connection breaks after it":     {moment: trial.After, meet: always(trial.Drop)},
	"it hangs on the way there":          {moment: trial.Before, meet: always(trial.Hang)},
	"its answer hangs":                   {moment: trial.After, meet: always(trial.Hang)},
	"the server is read-only (1290)":     {moment: trial.Before, meet: always(1290), at: trial.Effect.Changes},
	"the server has no room (1040)":      {moment: trial.Before, meet: always(1040), at: isLogin},
	"the account has no room (1226)":     {moment: trial.Before, meet: always(1226), at: isLogin},
	"the server is shutting down (1053)": {moment: trial.Before, meet: always(1053)},
	"it takes a second": {moment: trial.Before, meet: func(*testing.T, *trial.Trial) trial.Verdict {
		<-time.After(time.Second)
		return trial.Pass
	}},
	"nobody listens for 2 seconds": {moment: trial.Before, meet: func(t *testing.T, tr *trial.Trial) trial.Verdict {
		if err := tr.RefuseDatabase(); err != nil {
			t.Error(err)
		}
		time.AfterFunc(2*time.Second, func() {
			if err := tr.AcceptDatabase(); err != nil {
				t.Error(err)
			}
		})
		return trial.Drop
	}},
}

// Whatever a statement meets, the rotation gets there.
func TestConnectionFaults(t *testing.T) {
	t.Parallel()
	type faulty struct {
		fault  string
		effect trial.Effect
	}
	for i, kind := range kinds(t, 1) {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			var cases []faulty
			for n, effect := range toTry(kind, effectsOf(t, kind)) {
				for name, fault := range sqlFaults {
					// Of what only reads, every fourth breaks, and every twentieth meets the rest, too.
					reads := !effect.Changes() && !isLogin(effect)
					if effect.Source == trial.SQL && (fault.at == nil || fault.at(effect)) && (!reads || n%20 == 0 || n%4 == 0 && name == "the connection breaks before it") &&
						(fault.moment == trial.Before || effect.Changes()) {
						cases = append(cases, faulty{name, effect})
					}
				}
			}
			sortByName(cases, func(c faulty) string { return c.fault + c.effect.String() })
			cases = halfExpress(kind, cases, uint64(i)+300)
			t.Logf("%d faults", len(cases))
			inRows(t, kind, sample(cases, 1, uint64(i)+300), func(c faulty) string { return fmt.Sprintf("%s, at %s", c.fault, c.effect) },
				func(t *testing.T, tr *trial.Trial, c faulty) (met bool) {
					var once sync.Once
					tr.Hook(func(e trial.Effect, m trial.Moment) (verdict trial.Verdict) {
						if e == c.effect && m == sqlFaults[c.fault].moment {
							once.Do(func() {
								met = true
								verdict = sqlFaults[c.fault].meet(t, tr)
							})
						}
						return verdict
					})
					rotateThrough(t, tr)
					tr.Hook(nil)
					return met
				})
		})
	}
}
