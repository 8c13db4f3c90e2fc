package rotation_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

var aPlan = rotation.Plan{Secret: "s", Version: "v1", Base: "v0", Standby: "app_rt", StandbyExists: true, Restore: "v-1"}

// seen is a secret's versions with the ids that carry current and pending.
func seen(current, pending string, ids ...string) rotation.Versions {
	var vs rotation.Versions
	for i, id := range ids {
		v := rotation.Version{ID: id, Created: time.Unix(int64(-i), 0)}
		if id == current {
			v.Stages = append(v.Stages, rotation.Current)
		}
		if id == pending {
			v.Stages = append(v.Stages, rotation.Pending)
		}
		vs = append(vs, v)
	}
	return vs
}

func TestDecisions(t *testing.T) {
	for name, test := range map[string]struct {
		seen                rotation.Versions
		new, set, end, back string
		backWithoutSet      string
	}{
		"untouched":                     {seen("v0", "", "v0"), "put", "retryable", "retryable", "conflict", "nothing"},
		"pending is ours":               {seen("v0", "v1", "v1", "v0"), "keep", "act", "move", "target", "stage"},
		"current is ours":               {seen("v1", "v1", "v1", "v0"), "done", "done", "finish", "forward", "forward"},
		"pending was taken off":         {seen("v0", "", "v1", "v0"), "keep", "conflict", "conflict", "prove", "prove"},
		"pending is on another":         {seen("v0", "v2", "v2", "v1", "v0"), "keep", "conflict", "conflict", "prove", "prove"},
		"another is current":            {seen("v2", "v1", "v2", "v1", "v0"), "keep", "conflict", "conflict", "conflict", "conflict"},
		"another is current, no ours":   {seen("v2", "", "v2", "v0"), "conflict", "conflict", "conflict", "conflict", "nothing"},
		"nothing is current (not seen)": {seen("", "", "v0"), "retryable", "retryable", "retryable", "retryable", "nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			said := func(action any, err error) string {
				if err != nil {
					return string(rotation.KindOf(err))
				}
				return fmt.Sprint(action)
			}
			newAction, err := rotation.DecideNew(aPlan, test.seen, 10)
			require.Equal(t, test.new, said(newAction, err), "new")
			act, err := rotation.DecideSet(aPlan, test.seen)
			require.Equal(t, test.set, said(map[bool]string{true: "act", false: "done"}[act], err), "set")
			endAction, err := rotation.DecideEnd(aPlan, test.seen)
			require.Equal(t, test.end, said(endAction, err), "end")
			back, err := rotation.DecideRollback(aPlan, test.seen, true)
			require.Equal(t, test.back, said(back, err), "rollback")
			back, err = rotation.DecideRollback(aPlan, test.seen, false)
			require.Equal(t, test.backWithoutSet, said(back, err), "rollback, set never started")
		})
	}
}

// What a list from before the move says is no reason to leave the former credential usable; what somebody has moved is.
func TestDecideRetire(t *testing.T) {
	movedBack := seen("v0", "v1", "v1", "v0")
	movedBack[0].Stages = append(movedBack[0].Stages, rotation.Previous)
	for name, test := range map[string]struct {
		seen rotation.Versions
		says string
	}{
		"ours is current":                    {seen("v1", "", "v1", "v0"), "retire"},
		"ours is current, and pending":       {seen("v1", "v1", "v1", "v0"), "retire"},
		"another is pending":                 {seen("v1", "v2", "v2", "v1", "v0"), "retryable"},
		"another is current":                 {seen("v2", "", "v2", "v1", "v0"), "superseded"},
		"somebody has moved it back":         {movedBack, "superseded"},
		"and has taken all other stages off": {seen("v0", "", "v1", "v0"), "superseded"},
		"a list from before the move":        {seen("v0", "v1", "v1", "v0"), "retryable"},
		"a list from before there was ours":  {seen("v0", "", "v0"), "retryable"},
		"nothing is current (not seen)":      {seen("", "", "v1", "v0"), "retryable"},
	} {
		t.Run(name, func(t *testing.T) {
			superseded, err := rotation.DecideRetire(aPlan, test.seen)
			says := map[bool]string{true: "superseded", false: "retire"}[superseded]
			if err != nil {
				says = string(rotation.KindOf(err))
			}
			require.Equal(t, test.says, says)
		})
	}
}

// A pending stage that the rotation's own rollback has taken off was not taken off by somebody else.
func TestWhoTookThePendingStageOff(t *testing.T) {
	off := seen("v0", "", "v1", "v0")
	_, err := rotation.DecideSet(aPlan, off)
	require.ErrorContains(t, err, "by somebody else")
	begun := aPlan
	begun.RollbackBegun = true
	_, err = rotation.DecideSet(begun, off)
	require.Equal(t, rotation.Conflict, rotation.KindOf(err))
	require.ErrorContains(t, err, "the rollback that this rotation has begun takes it off")
	require.NotContains(t, err.Error(), "somebody else")
}

func TestDecideStandby(t *testing.T) {
	const yes, no, unknown = rotation.Accepted, rotation.RefusedLogin, rotation.Unknown
	created := aPlan
	created.StandbyExists, created.Restore = false, ""
	adopted := aPlan
	adopted.Restore = ""
	for name, test := range map[string]struct {
		plan             rotation.Plan
		exists           bool
		restore, pending rotation.Answer
		want             string
	}{
		"created by us":               {created, true, no, yes, "drop"},
		"not created yet":             {created, false, no, no, "leave"},
		"created by somebody else":    {created, true, no, no, "conflict"},
		"created, by whom is unknown": {created, true, no, unknown, "retryable"},
		"has our password":            {aPlan, true, no, yes, "restore"},
		"has its own":                 {aPlan, true, yes, no, "restore"},
		"has a third":                 {aPlan, true, no, no, "conflict"},
		"unknown":                     {aPlan, true, no, unknown, "retryable"},
		"restore is unknown":          {aPlan, true, unknown, no, "retryable"},
		"dropped by somebody else":    {aPlan, false, no, no, "conflict"},
		"adopted, set":                {adopted, true, no, yes, "disable"},
		"adopted, not set":            {adopted, true, no, no, "leave"},
		"adopted, unknown":            {adopted, true, no, unknown, "retryable"},
	} {
		t.Run(name, func(t *testing.T) {
			action, err := rotation.DecideStandby(test.plan, test.exists, test.restore, test.pending)
			if err != nil {
				require.Equal(t, test.want, string(rotation.KindOf(err)))
				return
			}
			require.Equal(t, test.want, string(action))
		})
	}
}

func TestRoomForOneMoreVersion(t *testing.T) {
	ten := func(change func(rotation.Versions)) rotation.Versions {
		vs := seen("n0", "", "n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9")
		change(vs)
		return vs
	}
	for name, test := range map[string]struct {
		versions rotation.Versions
		needed   []string
		problem  string
	}{
		"nine":                        {seen("n0", "", "n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8"), nil, ""},
		"ten, the oldest is free":     {ten(func(rotation.Versions) {}), nil, ""},
		"ten, the oldest is previous": {ten(func(vs rotation.Versions) { vs[9].Stages = []rotation.Stage{rotation.Previous} }), nil, "stage previous"},
		"ten, the oldest has a label": {ten(func(vs rotation.Versions) { vs[9].Labels = []string{"audit"} }), nil, "label audit"},
		"ten, a rollback needs it":    {ten(func(rotation.Versions) {}), []string{"n9"}, "a rollback restores"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.versions.CheckRoom(10, test.needed...)
			if test.problem == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.problem)
		})
	}
}
