package workflows_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"rotor/activities"
	"rotor/internal/rotation"
	"rotor/workflows"
)

var everyAttribute = []string{rotation.AttributeFleet, rotation.AttributeOutcome, rotation.AttributeSecret, rotation.AttributeStuck}

// upsert is one that a rotation made, and when after its start.
type upsert struct {
	after  time.Duration
	values map[string]any
}

// upserts are those that the rotation makes.
func (s *stage) upserts() *[]upsert {
	seen, begin := &[]upsert{}, s.Now()
	s.OnUpsertTypedSearchAttributes(mock.Anything).Run(func(args mock.Arguments) {
		values := map[string]any{}
		for key, value := range args.Get(0).(temporal.SearchAttributes).GetUntypedValues() {
			values[key.GetName()] = value
		}
		*seen = append(*seen, upsert{s.Now().Sub(begin), values})
	}).Return(nil).Maybe()
	return seen
}

func TestOutcomeIsUpsertedOnceAtTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		has  []string
		want []upsert
	}{
		"all":               {everyAttribute, []upsert{{0, map[string]any{"RotorOutcome": "Rotated", "RotorSecret": "orders/db"}}}},
		"without the name":  {[]string{rotation.AttributeOutcome}, []upsert{{0, map[string]any{"RotorOutcome": "Rotated"}}}},
		"without outcome":   {[]string{rotation.AttributeStuck, rotation.AttributeSecret}, []upsert{}},
		"nothing is there":  {nil, []upsert{}},
		"others' than ours": {[]string{"CustomKeyword"}, []upsert{}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, script{has: test.has})
			upserts := s.upserts()
			s.run()
			require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
			require.Equal(t, test.want, *upserts)
		})
	}
}

func TestRefusedIsUpserted(t *testing.T) {
	s := newStage(t, script{has: everyAttribute, look: func(int) (rotation.Plan, error) { return rotation.Plan{}, permanent }})
	upserts := s.upserts()
	s.run()
	require.Equal(t, rotation.Refused, s.outcome(t).Outcome)
	require.Equal(t, []upsert{{0, map[string]any{"RotorOutcome": "Refused", "RotorSecret": "orders/db"}}}, *upserts)
}

func TestParkedIsStuckUntilItGoesOn(t *testing.T) {
	for name, test := range map[string]struct {
		choice string
		want   []map[string]any
	}{
		rotation.UpdateRetry: {rotation.UpdateRetry, []map[string]any{
			{"RotorStuck": true, "RotorSecret": "orders/db"}, {"RotorStuck": false}, {"RotorOutcome": "Rotated"}}},
		rotation.UpdateRollback: {rotation.UpdateRollback, []map[string]any{
			{"RotorStuck": true, "RotorSecret": "orders/db"}, {"RotorStuck": false}, {"RotorOutcome": "RolledBack"}}},
		rotation.UpdateAbandon: {rotation.UpdateAbandon, []map[string]any{
			{"RotorStuck": true, "RotorSecret": "orders/db"}, {"RotorStuck": false, "RotorOutcome": "Abandoned"}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, script{has: everyAttribute, set: conflictOnce})
			upserts := s.upserts()
			s.decide(time.Hour, test.choice, "looked at it")
			s.run()
			require.True(t, s.IsWorkflowCompleted())
			var values []map[string]any
			for _, u := range *upserts {
				values = append(values, u.values)
			}
			require.Equal(t, test.want, values)
		})
	}
}

// A step that fails is no reason to be looked at, one that has failed for ten minutes is: then, and not at the end of a long wait.
func TestStepThatFailsForLongIsStuck(t *testing.T) {
	for name, test := range map[string]struct {
		recovers time.Duration
		stuck    bool
	}{
		"a moment":     {5 * time.Minute, false},
		"half an hour": {30 * time.Minute, true},
	} {
		t.Run(name, func(t *testing.T) {
			var s *stage
			var begin time.Time
			s = newStage(t, script{has: everyAttribute, end: func(int, activities.EndInput) (activities.EndResult, error) {
				if s.Now().Sub(begin) < test.recovers {
					return activities.EndResult{}, retryable
				}
				return activities.EndResult{}, nil
			}})
			upserts := s.upserts()
			begin = s.Now()
			s.run()
			require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
			end := (*upserts)[len(*upserts)-1]
			require.Equal(t, "Rotated", end.values["RotorOutcome"])
			require.NotContains(t, end.values, "RotorStuck")
			if !test.stuck {
				require.Len(t, *upserts, 1)
				return
			}
			require.Len(t, *upserts, 3)
			require.Equal(t, upsert{workflows.DefaultStuckAfter, map[string]any{"RotorStuck": true, "RotorSecret": "orders/db"}}, (*upserts)[0])
			require.Equal(t, map[string]any{"RotorStuck": false}, (*upserts)[1].values)
			require.GreaterOrEqual(t, (*upserts)[1].after, test.recovers)
		})
	}
}

func TestNameThatIsTooLongForAKeywordIsCut(t *testing.T) {
	long := rotation.Request{SecretName: strings.Repeat("n", 400), RegionId: "cn-hangzhou"}
	attributes := workflows.StartAttributes(everyAttribute, long)
	name, ok := attributes.GetKeyword(temporal.NewSearchAttributeKeyKeyword(rotation.AttributeSecret))
	require.True(t, ok)
	require.Len(t, name, 255)
	require.Zero(t, workflows.StartAttributes([]string{rotation.AttributeStuck}, long).Size())
}

// The rotation that another one starts bears the fleet of that one, and its secret's name from the beginning.
func TestStartedRotationBearsNameAndFleet(t *testing.T) {
	s := newStage(t, script{has: everyAttribute}).startedAs("by-hand")
	upserts := s.upserts()
	fleet := temporal.NewSearchAttributeKeyKeyword(rotation.AttributeFleet)
	require.NoError(t, s.SetTypedSearchAttributesOnStart(temporal.NewSearchAttributes(fleet.ValueSet("tonight"))))
	s.run()
	require.Equal(t, rotation.Rotated, s.outcome(t).Outcome)
	require.Equal(t, []upsert{{0, map[string]any{"RotorOutcome": "Rotated"}}}, *upserts, "the name was there from the start")
}

// watched notes what a Watcher is told.
type watched struct{ said []string }

func (w *watched) Parked(req rotation.Request, f rotation.Failure) {
	w.said = append(w.said, "parked "+req.Name()+" "+string(f.Kind))
}
func (w *watched) Ended(r rotation.Result) { w.said = append(w.said, "ended "+string(r.Outcome)) }

func TestWatcherIsToldOfTheCanonicalRotationOnly(t *testing.T) {
	for _, id := range []string{canonical, "by-hand"} {
		t.Run(id, func(t *testing.T) {
			w := &watched{}
			s := newStage(t, script{watcher: w, look: func(int) (rotation.Plan, error) { return rotation.Plan{}, permanent }}).startedAs(id)
			s.run()
			require.Equal(t, rotation.Refused, s.outcome(t).Outcome)
			require.Equal(t, []string{"ended Refused"}, w.said)
		})
	}
}

func TestWatcherIsToldOfParking(t *testing.T) {
	w := &watched{}
	s := newStage(t, script{watcher: w, set: conflictOnce})
	s.decide(time.Hour, rotation.UpdateRetry, "mended")
	s.run()
	require.Equal(t, []string{"parked orders/db conflict", "ended Rotated"}, w.said)
}

func conflictOnce(n int) error {
	if n == 1 {
		return conflict
	}
	return nil
}
