package awssecretsmanager_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/rotation"
	"rotor/internal/secretstore/awssecretsmanager"
	"rotor/internal/wire/wiretest"
)

const (
	put    = "PutSecretValue"
	update = "UpdateSecretVersionStage"
	list   = "ListSecretVersionIds"
)

// count is how many requests of an action arrived.
func (b bench) count(action string) int {
	n := 0
	for _, r := range b.cloud.Requests() {
		if r.Action == action {
			n++
		}
	}
	return n
}

func TestPutPending(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current), version(2, "stale", sim.Pending))
	value := rotation.NewSecret("{\"p\":\"ä+ &=%~*\\\"'\"}")

	require.NoError(t, b.PutPending(t.Context(), ref, id(3), value))
	require.Equal(t, "1[AWSCURRENT] 2[] 3[AWSPENDING]", b.stages(t))
	got, err := b.Read(t.Context(), ref, id(3))
	require.NoError(t, err)
	require.True(t, got.Data.Equal(value))

	require.NoError(t, b.RemovePending(t.Context(), ref, id(3)))
	require.NoError(t, b.PutPending(t.Context(), ref, id(3), value), "a repeat")
	require.Equal(t, "1[AWSCURRENT] 2[] 3[]", b.stages(t), "a stage that was taken off stays off")

	err = b.PutPending(t.Context(), ref, id(3), rotation.NewSecret("different"))
	requireKind(t, err, rotation.Conflict, "ResourceExistsException", "write version", "of secret db/app in eu-central-1", "another value")
	got, err = b.Read(t.Context(), ref, id(3))
	require.NoError(t, err)
	require.True(t, got.Data.Equal(value))
}

func TestPutPendingNeedsAnIDAndAValue(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	requireKind(t, b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("")), rotation.Permanent, "")
	requireKind(t, b.PutPending(t.Context(), ref, "short", rotation.NewSecret("x")), rotation.Permanent, "", "32 to 64")
	require.Empty(t, b.cloud.Requests())
}

func TestLostAnswers(t *testing.T) {
	for kind, code := range map[cloudsim.Kind]string{
		cloudsim.CloseAfter: "reset", cloudsim.ErrorAfter: "InternalServiceError", cloudsim.Malformed: "malformed",
	} {
		t.Run(string(kind), func(t *testing.T) {
			b := start(t, awssecretsmanager.Options{})
			b.seed(version(1, "a", sim.Current))
			value := rotation.NewSecret("x")
			requireUnknown := func(err error) {
				t.Helper()
				requireKind(t, err, rotation.Retryable, code, "whether it took effect is not known")
				var ours *rotation.Error
				require.ErrorAs(t, err, &ours)
				require.True(t, ours.Unanswered)
			}

			b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: put})
			requireUnknown(b.PutPending(t.Context(), ref, id(2), value))
			require.NoError(t, b.PutPending(t.Context(), ref, id(2), value))
			require.Equal(t, "1[AWSCURRENT] 2[AWSPENDING]", b.stages(t))

			b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: update})
			requireUnknown(b.RemovePending(t.Context(), ref, id(2)))
			require.NoError(t, b.RemovePending(t.Context(), ref, id(2)))
			require.Equal(t, "1[AWSCURRENT] 2[]", b.stages(t))

			b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: update})
			requireUnknown(b.MoveCurrent(t.Context(), ref, id(1), id(2)))
			require.NoError(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)))
			require.Equal(t, "1[AWSPREVIOUS] 2[AWSCURRENT]", b.stages(t))
		})
	}
}

func TestAnsweredChanges(t *testing.T) {
	for _, kind := range []cloudsim.Kind{cloudsim.Throttle, cloudsim.Deny} {
		t.Run(string(kind), func(t *testing.T) {
			b := start(t, awssecretsmanager.Options{})
			b.seed(version(1, "a", sim.Current), version(2, "b"))
			b.cloud.Inject(cloudsim.Fault{Kind: kind, Action: update})
			var ours *rotation.Error
			require.ErrorAs(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)), &ours)
			require.False(t, ours.Unanswered)
		})
	}
	store, err := awssecretsmanager.New(awssecretsmanager.Options{Endpoint: wiretest.Nobody})
	require.NoError(t, err)
	var ours *rotation.Error
	require.ErrorAs(t, store.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x")), &ours)
	require.Equal(t, "refused", ours.Code)
	require.False(t, ours.Unanswered)
	require.ErrorContains(t, ours, "nothing was sent, so nothing has changed")
}

// TestOneRequestPerCall is about the SDK, which would repeat these on its own, LimitExceededException included.
func TestOneRequestPerCall(t *testing.T) {
	t.Setenv("AWS_MAX_ATTEMPTS", "5")
	for _, kind := range []cloudsim.Kind{cloudsim.Throttle, cloudsim.ErrorBefore} {
		b := start(t, awssecretsmanager.Options{})
		b.seed(version(1, "a", sim.Current))
		b.cloud.Inject(cloudsim.Fault{Kind: kind, Times: cloudsim.Always})
		require.Error(t, b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x")))
		require.Equal(t, 1, b.count(put))
	}
}

func TestTooManyLabels(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	labels := []string{sim.Current}
	for i := range 19 {
		labels = append(labels, string(rune('a'+i)))
	}
	b.seed(version(1, "a", labels...))
	err := b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x"))
	requireKind(t, err, rotation.Permanent, "LimitExceededException", "20 labels")
	require.Equal(t, 1, b.count(put))
}

func TestMoveCurrent(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current), version(2, "b", sim.Pending), version(3, "c"))

	requireKind(t, b.MoveCurrent(t.Context(), ref, id(2), id(3)), rotation.Conflict, "InvalidParameterException", "it is on version "+id(1))
	require.Equal(t, "1[AWSCURRENT] 2[AWSPENDING] 3[]", b.stages(t))
	require.NoError(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)))
	require.Equal(t, "1[AWSPREVIOUS] 2[AWSPENDING AWSCURRENT] 3[]", b.stages(t))
	require.NoError(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)), "done already")
	require.Equal(t, "1[AWSPREVIOUS] 2[AWSPENDING AWSCURRENT] 3[]", b.stages(t))
}

// The labels alone are one call.
func TestStaged(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current), version(2, "b", sim.Pending, "mine"), version(3, "c"))
	seen, err := b.Staged(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, rotation.Versions{
		{ID: id(1), Stages: []rotation.Stage{rotation.Current}}, {ID: id(2), Stages: []rotation.Stage{rotation.Pending}, Labels: []string{"mine"}},
	}, seen)
	require.Zero(t, b.count("ListSecretVersionIds"))
	require.Equal(t, 1, b.count("DescribeSecret"))
}

// TestLateMove has a move arrive when another rotator has been there: it is refused, without a look before it.
func TestLateMove(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current), version(2, "b"), version(3, "c"))
	remove := b.cloud.Before(func(r cloudsim.Request) cloudsim.Verdict {
		if r.Action == update {
			b.seed(version(1, "a", sim.Previous), version(2, "b"), version(3, "c", sim.Current))
		}
		return cloudsim.Apply
	})
	defer remove()
	requireKind(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)), rotation.Conflict, "InvalidParameterException", "it is on version "+id(3))
	require.Equal(t, "1[AWSPREVIOUS] 2[] 3[AWSCURRENT]", b.stages(t))
}

func TestRemovePending(t *testing.T) {
	for name, c := range map[string]struct {
		versions []sim.Version
		stages   string
	}{
		"there":      {[]sim.Version{version(1, "a", sim.Current), version(2, "b", sim.Pending)}, "1[AWSCURRENT] 2[]"},
		"off":        {[]sim.Version{version(1, "a", sim.Current), version(2, "b")}, "1[AWSCURRENT] 2[]"},
		"elsewhere":  {[]sim.Version{version(1, "a", sim.Current), version(2, "b"), version(3, "c", sim.Pending)}, "1[AWSCURRENT] 2[] 3[AWSPENDING]"},
		"no version": {[]sim.Version{version(1, "a", sim.Current)}, "1[AWSCURRENT]"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, awssecretsmanager.Options{})
			b.seed(c.versions...)
			require.NoError(t, b.RemovePending(t.Context(), ref, id(2)))
			require.Equal(t, c.stages, b.stages(t))
		})
	}
}

// TestStaleReads has answers lag behind writes: nothing is then taken for done, and nothing done is taken for refused.
func TestStaleReads(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current))
	require.NoError(t, b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("b")))

	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: "GetSecretValue"})
	_, err := b.Read(t.Context(), ref, id(2))
	requireKind(t, err, rotation.Retryable, "ResourceNotFoundException", "(yet)")

	const differ = "it says that the stage is not on the version which its list has it on"
	lag := func() {
		for _, action := range []string{"DescribeSecret", list} {
			b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: action})
		}
	}
	require.NoError(t, b.RemovePending(t.Context(), ref, id(2)))
	lag()
	requireKind(t, b.RemovePending(t.Context(), ref, id(2)), rotation.Retryable, "InvalidParameterException", differ)
	require.NoError(t, b.RemovePending(t.Context(), ref, id(2)))

	require.NoError(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)))
	lag()
	requireKind(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)), rotation.Retryable, "InvalidParameterException", differ)
	require.NoError(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)))
	require.Equal(t, "1[AWSPREVIOUS] 2[AWSCURRENT]", b.stages(t))
}
