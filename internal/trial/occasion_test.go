package trial_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/trial"
)

// What a stranger does may be overwritten in the moment between a last look and a write, and in no other.
func TestOccasions(t *testing.T) {
	t.Parallel()
	store := func(name string) trial.Effect { return trial.Effect{Source: trial.Store, Step: "End", Name: name} }
	statement := func(text string) trial.Effect { return trial.Effect{Source: trial.SQL, Step: "Set", Name: text} }
	list, put, move := store("ListSecretVersionIds"), store("PutSecretValue"), store("UpdateSecretVersionStage")
	login, admin, alter, read := statement("login"), statement("login of the admin"), statement("ALTER USER IF EXISTS ?@? IDENTIFIED BY ?"), statement("SELECT #")
	retires := trial.Effect{Source: trial.Store, Step: trial.StepRetire, Name: "ListSecretVersionIds"}
	type seen struct{ current, swapped, pending, account, unlooked, unproven bool }
	for name, test := range map[string]struct {
		before, after []trial.Effect
		want          seen
	}{
		"nothing follows":                  {nil, nil, seen{unlooked: true, unproven: true}},
		"it looks, and moves":              {nil, []trial.Effect{list, move}, seen{unproven: true}},
		"it takes pending off, and looks":  {nil, []trial.Effect{store("UpdateSecretVersionStage, taking it off"), list}, seen{unproven: true}},
		"it moves, and looks":              {nil, []trial.Effect{move, list}, seen{current: true, unproven: true}},
		"it reads a value, and moves":      {nil, []trial.Effect{store("GetSecretValue"), move}, seen{current: true, unlooked: true, unproven: true}},
		"it puts":                          {nil, []trial.Effect{put, list, move}, seen{pending: true, unproven: true}},
		"it has moved":                     {[]trial.Effect{move}, []trial.Effect{login}, seen{unlooked: true}},
		"it logs in, and changes":          {nil, []trial.Effect{list, login, alter}, seen{}},
		"it grants, and logs in":           {nil, []trial.Effect{statement("GRANT ?"), login}, seen{unlooked: true}},
		"it changes":                       {nil, []trial.Effect{read, alter, login}, seen{account: true, unlooked: true}},
		"its admin logs in, and it sets":   {nil, []trial.Effect{admin, list, alter, login}, seen{account: true}},
		"it only looks for its retirement": {nil, []trial.Effect{retires}, seen{unlooked: true, unproven: true}},
	} {
		o := trial.Occasion{Effects: append(append([]trial.Effect{}, test.before...), test.after...), At: len(test.before)}
		require.Equal(t, test.want, seen{
			o.StageUnseen(rotation.Current, false), o.StageUnseen(rotation.Current, true), o.StageUnseen(rotation.Pending, false),
			o.AccountUnseen(), o.Unlooked(), o.Unproven(),
		}, name)
	}
}
