package alibabakms_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
	"rotor/internal/secretstore/alibabakms"
	"rotor/internal/wire/wiretest"
)

const (
	put    = "PutSecretValue"
	update = "UpdateSecretVersionStage"
	list   = "ListSecretVersionIds"
)

// applied lists the parameters of the requests of an action that were carried out.
func (b bench) applied(action string) []map[string]string {
	var params []map[string]string
	for _, r := range b.cloud.Requests() {
		if r.Action == action && r.Applied {
			params = append(params, r.Params)
		}
	}
	return params
}

func TestPutPending(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"), sim.Version{ID: "stale", Data: "s", Stages: []string{"ACSPending"}})
	value := rotation.NewSecret("{\"p\":\"ä+ &=%~*\\\"'\"}")

	require.NoError(t, b.PutPending(t.Context(), ref, "v2", value))
	require.Equal(t, "v1[ACSCurrent] stale[] v2[ACSPending]", b.stages(t))
	got, err := b.Read(t.Context(), ref, "v2")
	require.NoError(t, err)
	require.True(t, got.Data.Equal(value))

	require.NoError(t, b.RemovePending(t.Context(), ref, "v2"))
	require.NoError(t, b.PutPending(t.Context(), ref, "v2", value), "a repeat")
	require.Equal(t, "v1[ACSCurrent] stale[] v2[]", b.stages(t), "a stage that was taken off stays off")

	err = b.PutPending(t.Context(), ref, "v2", rotation.NewSecret("different"))
	requireKind(t, err, rotation.Conflict, "Rejected.ResourceExist", "write version v2 of secret db/app in cn-hangzhou", "another value")
	got, err = b.Read(t.Context(), ref, "v2")
	require.NoError(t, err)
	require.True(t, got.Data.Equal(value))
}

func TestPutPendingNeedsAValue(t *testing.T) {
	b := start(t, alibabakms.Options{})
	requireKind(t, b.PutPending(t.Context(), ref, "v2", rotation.NewSecret("")), rotation.Permanent, "")
	requireKind(t, b.PutPending(t.Context(), ref, "", rotation.NewSecret("x")), rotation.Permanent, "")
	require.Empty(t, b.cloud.Requests())
}

func TestLostAnswers(t *testing.T) {
	for kind, code := range map[cloudsim.Kind]string{
		cloudsim.CloseAfter: "reset", cloudsim.ErrorAfter: "InternalFailure", cloudsim.Malformed: "malformed",
	} {
		t.Run(string(kind), func(t *testing.T) {
			b := start(t, alibabakms.Options{})
			b.seed(current("v1", "a"))
			value := rotation.NewSecret("x")
			requireUnknown := func(err error) {
				t.Helper()
				requireKind(t, err, rotation.Retryable, code, "whether it took effect is not known")
				var ours *rotation.Error
				require.ErrorAs(t, err, &ours)
				require.True(t, ours.Unanswered)
			}

			b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: put})
			requireUnknown(b.PutPending(t.Context(), ref, "v2", value))
			require.NoError(t, b.PutPending(t.Context(), ref, "v2", value))
			require.Equal(t, "v1[ACSCurrent] v2[ACSPending]", b.stages(t))

			b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: update})
			requireUnknown(b.MoveCurrent(t.Context(), ref, "v1", "v2"))
			require.NoError(t, b.MoveCurrent(t.Context(), ref, "v1", "v2"))
			require.Equal(t, "v1[ACSPrevious] v2[ACSPending ACSCurrent]", b.stages(t))

			b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: update})
			requireUnknown(b.RemovePending(t.Context(), ref, "v2"))
			require.NoError(t, b.RemovePending(t.Context(), ref, "v2"))
			require.Equal(t, "v1[ACSPrevious] v2[ACSCurrent]", b.stages(t))
		})
	}
}

// TestAnsweredChanges has requests refused, or never sent: nothing has changed for certain.
func TestAnsweredChanges(t *testing.T) {
	for name, f := range map[string]cloudsim.Fault{
		"throttled": {Kind: cloudsim.Throttle, Action: update}, "denied": {Kind: cloudsim.Deny, Action: update},
		"read only": {Kind: cloudsim.ErrorBefore, Action: list},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, alibabakms.Options{})
			b.seed(current("v1", "a"), sim.Version{ID: "v2", Data: "b"})
			b.cloud.Inject(f)
			var ours *rotation.Error
			require.ErrorAs(t, b.MoveCurrent(t.Context(), ref, "v1", "v2"), &ours)
			require.False(t, ours.Unanswered)
		})
	}
	store, err := alibabakms.New(alibabakms.Options{Endpoint: wiretest.Nobody})
	require.NoError(t, err)
	var ours *rotation.Error
	require.ErrorAs(t, store.PutPending(t.Context(), ref, "v2", rotation.NewSecret("x")), &ours)
	require.Equal(t, "refused", ours.Code)
	require.False(t, ours.Unanswered)
	require.ErrorContains(t, ours, "nothing was sent, so nothing has changed")
}

func TestMoveCurrent(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"), sim.Version{ID: "v2", Data: "b"}, sim.Version{ID: "v3", Data: "c"})

	requireKind(t, b.MoveCurrent(t.Context(), ref, "v2", "v3"), rotation.Conflict, "", "on version v1, not on v2")
	require.Empty(t, b.applied(update))
	require.NoError(t, b.MoveCurrent(t.Context(), ref, "v1", "v2"))
	require.Equal(t, "v1[ACSPrevious] v2[ACSCurrent] v3[]", b.stages(t))
	require.NoError(t, b.MoveCurrent(t.Context(), ref, "v1", "v2"), "done already")

	moves := b.applied(update)
	require.Len(t, moves, 1)
	require.Equal(t, "v2", moves[0]["MoveToVersion"])
	require.NotContains(t, moves[0], "RemoveFromVersion")
}

// Whoever moves is asked about the list that is looked at right before, and about no other.
func TestMoveCurrentIf(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"), sim.Version{ID: "v2", Data: "b", Stages: []string{"ACSPending"}})
	no := rotation.Errorf(rotation.Conflict, "not now")
	var seen []string
	may := func(err error) func(rotation.Versions) error {
		return func(v rotation.Versions) error {
			seen = append(seen, v.Holder(rotation.Current)+" "+v.Holder(rotation.Pending))
			return err
		}
	}
	require.ErrorIs(t, b.MoveCurrentIf(t.Context(), ref, "v1", "v2", may(no)), no)
	require.Empty(t, b.applied(update))
	require.NoError(t, b.MoveCurrentIf(t.Context(), ref, "v1", "v2", may(nil)))
	require.Equal(t, []string{"v1 v2", "v1 v2"}, seen)
	require.Len(t, b.applied(update), 1)
}

func TestMoveCurrentOfASecretWithoutCurrent(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(sim.Version{ID: "v1", Data: "a"}, sim.Version{ID: "v2", Data: "b"})
	requireKind(t, b.MoveCurrent(t.Context(), ref, "v1", "v2"), rotation.Retryable, "", "no version is current")
	require.Empty(t, b.applied(update))
}

func TestRemovePending(t *testing.T) {
	for name, c := range map[string]struct {
		versions []sim.Version
		stages   string
	}{
		"there":      {[]sim.Version{current("v1", "a"), {ID: "v2", Data: "b", Stages: []string{"ACSPending"}}}, "v1[ACSCurrent] v2[]"},
		"off":        {[]sim.Version{current("v1", "a"), {ID: "v2", Data: "b"}}, "v1[ACSCurrent] v2[]"},
		"elsewhere":  {[]sim.Version{current("v1", "a"), {ID: "v2", Data: "b"}, {ID: "v3", Data: "c", Stages: []string{"ACSPending"}}}, "v1[ACSCurrent] v2[] v3[ACSPending]"},
		"no version": {[]sim.Version{current("v1", "a")}, "v1[ACSCurrent]"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, alibabakms.Options{})
			b.seed(c.versions...)
			require.NoError(t, b.RemovePending(t.Context(), ref, "v2"))
			require.Equal(t, c.stages, b.stages(t))
		})
	}
}

func TestRemovePendingDeniedIsNotDone(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"), sim.Version{ID: "v2", Data: "b", Stages: []string{"ACSPending"}})
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Action: update})
	requireKind(t, b.RemovePending(t.Context(), ref, "v2"), rotation.Permanent, "Forbidden.NoPermission")
}

// TestStaleReads has lists lag behind writes: nothing is then taken for done, and nothing done is taken for refused.
func TestStaleReads(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"))
	require.NoError(t, b.PutPending(t.Context(), ref, "v2", rotation.NewSecret("b")))

	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: "GetSecretValue"})
	_, err := b.Read(t.Context(), ref, "v2")
	requireKind(t, err, rotation.Retryable, "Forbidden.ResourceNotFound", "(yet)")

	require.NoError(t, b.RemovePending(t.Context(), ref, "v2"))
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: list})
	requireKind(t, b.RemovePending(t.Context(), ref, "v2"), rotation.Retryable, "Forbidden.ResourceNotFound")
	require.NoError(t, b.RemovePending(t.Context(), ref, "v2"))

	require.NoError(t, b.MoveCurrent(t.Context(), ref, "v1", "v2"))
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: list})
	require.NoError(t, b.MoveCurrent(t.Context(), ref, "v1", "v2"))
	require.Equal(t, "v1[ACSPrevious] v2[ACSCurrent]", b.stages(t))
}

// TestPutRefusedWithoutSayingWhy has KMS refuse an existing version with a code that could mean anything: which one it has
// for that is not documented.
func TestPutRefusedWithoutSayingWhy(t *testing.T) {
	for name, c := range map[string]struct {
		there string
		check func(*testing.T, error)
	}{
		"same value": {"x", func(t *testing.T, err error) { require.NoError(t, err) }},
		"another value": {"y", func(t *testing.T, err error) {
			requireKind(t, err, rotation.Conflict, "InvalidParameter", "another value")
		}},
		"no version": {"", func(t *testing.T, err error) {
			requireKind(t, err, rotation.Permanent, "InvalidParameter", "parameter")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			store := answering(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Query().Get("Action") == put:
					withBody(400, `{"Code":"InvalidParameter"}`)(w, r)
				case c.there == "":
					withBody(404, `{"Code":"Forbidden.ResourceNotFound"}`)(w, r)
				default:
					withBody(200, `{"RequestId":"r","VersionId":"v2","SecretData":"`+c.there+
						`","SecretType":"Generic","SecretDataType":"text","CreateTime":"2026-01-02T03:04:05Z"}`)(w, r)
				}
			}, alibabakms.Options{})
			c.check(t, store.PutPending(t.Context(), ref, "v2", rotation.NewSecret("x")))
		})
	}
}
