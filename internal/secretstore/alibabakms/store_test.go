package alibabakms_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/secretstore/alibabakms"
)

var ref = secretstore.Ref{Region: "cn-hangzhou", Name: "db/app"}

// bench is a store in front of a simulated KMS.
type bench struct {
	*alibabakms.Store
	cloud   *cloudsim.Cloud
	secrets sim.Region
}

func start(t *testing.T, o alibabakms.Options) bench {
	t.Helper()
	cloud := cloudsim.New(cloudsim.Options{})
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	o.Endpoint = address
	store, err := alibabakms.New(o)
	require.NoError(t, err)
	return bench{store, cloud, cloud.KMS().In(cloudsim.DefaultCredential.Account, ref.Region)}
}

func (b bench) seed(versions ...sim.Version) {
	b.secrets.Put(sim.Secret{Name: ref.Name, Versions: versions})
}

// stages describes the secret as "v1[ACSPrevious] v2[ACSCurrent]".
func (b bench) stages(t *testing.T) string {
	t.Helper()
	secret, ok := b.secrets.Secret(ref.Name)
	require.True(t, ok)
	var all []string
	for _, v := range secret.Versions {
		all = append(all, v.ID+fmt.Sprint(v.Stages))
	}
	return strings.Join(all, " ")
}

func current(id, data string) sim.Version {
	return sim.Version{ID: id, Data: data, Stages: []string{sim.Current}}
}

func requireKind(t *testing.T, err error, kind rotation.Kind, code string, words ...string) {
	t.Helper()
	var ours *rotation.Error
	require.ErrorAs(t, err, &ours)
	require.Equal(t, kind, ours.Kind, err)
	require.Equal(t, code, ours.Code, err)
	for _, w := range words {
		require.ErrorContains(t, err, w)
	}
}

func TestTraits(t *testing.T) {
	store, err := alibabakms.New(alibabakms.Options{})
	require.NoError(t, err)
	require.Equal(t, secretstore.Traits{
		Dialect: rotation.AlibabaDialect, KeepsVersions: 10, ClearsPending: true, UncertainFor: 15 * time.Minute,
	}, store.Traits())
	store, err = alibabakms.New(alibabakms.Options{SignatureValidity: time.Minute})
	require.NoError(t, err)
	require.Equal(t, time.Minute, store.Traits().UncertainFor)
}

func TestNewRefusesSettings(t *testing.T) {
	for name, c := range map[string]struct {
		options alibabakms.Options
		words   []string
	}{
		"network":    {alibabakms.Options{Network: "wan"}, []string{"ROTOR_ALIBABA_NETWORK", `"wan"`, "vpc, public"}},
		"plain http": {alibabakms.Options{Endpoint: "http://kms.example.com"}, []string{"ROTOR_ALIBABA_KMS_ENDPOINT", "ROTOR_ALLOW_HTTP=1"}},
		"no url":     {alibabakms.Options{Endpoint: "kms.example.com"}, []string{"ROTOR_ALIBABA_KMS_ENDPOINT", "https://"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := alibabakms.New(c.options)
			requireKind(t, err, rotation.Permanent, "", c.words...)
		})
	}
	_, err := alibabakms.New(alibabakms.Options{Endpoint: "http://kms.example.com", AllowHTTP: true})
	require.NoError(t, err)
}

func TestVersions(t *testing.T) {
	b := start(t, alibabakms.Options{})
	day := func(n int) time.Time { return time.Date(2026, 1, n, 3, 4, 5, 0, time.UTC) }
	b.seed(
		sim.Version{ID: "v1", Data: "a", Created: day(1)},
		sim.Version{ID: "v2", Data: "b", Created: day(2), Stages: []string{sim.Previous, "Blue"}},
		sim.Version{ID: "v4", Data: "d", Created: day(4), Stages: []string{"ACSPending"}},
		sim.Version{ID: "v3", Data: "c", Created: day(3), Stages: []string{"Green", sim.Current}},
	)
	versions, err := b.Versions(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, rotation.Versions{
		{ID: "v4", Stages: []rotation.Stage{rotation.Pending}, Created: day(4)},
		{ID: "v3", Stages: []rotation.Stage{rotation.Current}, Labels: []string{"Green"}, Created: day(3)},
		{ID: "v2", Stages: []rotation.Stage{rotation.Previous}, Labels: []string{"Blue"}, Created: day(2)},
		{ID: "v1", Created: day(1)},
	}, versions)
}

func TestVersionsReadsAllPages(t *testing.T) {
	for _, n := range []int{0, 1, 19, 20, 21, 40, 45} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := start(t, alibabakms.Options{})
			var seeded []sim.Version
			for i := range n {
				seeded = append(seeded, sim.Version{ID: fmt.Sprintf("v%02d", i), Created: time.Unix(int64(1e9+i), 0)})
			}
			b.seed(seeded...)
			versions, err := b.Versions(t.Context(), ref)
			require.NoError(t, err)
			require.Len(t, versions, n)
			for i, v := range versions {
				require.Equal(t, fmt.Sprintf("v%02d", n-1-i), v.ID)
			}
		})
	}
}

func TestRead(t *testing.T) {
	b := start(t, alibabakms.Options{})
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	value := `{"AccountPassword":"ä+ &=%\"\\","n":1.50}`
	b.seed(sim.Version{ID: "v1", Data: value, Created: created}, current("v2", "other"))

	got, err := b.Read(t.Context(), ref, "v1")
	require.NoError(t, err)
	require.Equal(t, secretstore.Value{Version: "v1", Data: rotation.NewSecret(value), Created: created}, got)
	got, err = b.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, "v2", got.Version)
	require.Equal(t, "other", got.Data.Reveal())
}

func TestReadRefusesWhatIsNoText(t *testing.T) {
	for name, c := range map[string]struct {
		secret sim.Secret
		words  []string
	}{
		"managed": {sim.Secret{Name: ref.Name, Type: "Rds", Versions: []sim.Version{current("v1", "x")}},
			[]string{"type Rds", "Generic", "KMS rotates the others itself"}},
		"binary": {sim.Secret{Name: ref.Name, Versions: []sim.Version{{ID: "v1", Data: "eA==", DataType: "binary", Stages: []string{sim.Current}}}},
			[]string{"type binary", "as text"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, alibabakms.Options{})
			b.secrets.Put(c.secret)
			_, err := b.ReadCurrent(t.Context(), ref)
			requireKind(t, err, rotation.Permanent, "", c.words...)
			_, err = b.Read(t.Context(), ref, "v1")
			requireKind(t, err, rotation.Permanent, "", c.words...)
		})
	}
}

func TestMissing(t *testing.T) {
	b := start(t, alibabakms.Options{})
	const code = "Forbidden.ResourceNotFound"
	_, err := b.Versions(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code, "list the versions of secret db/app in cn-hangzhou", "check name and region")
	_, err = b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code)
	requireKind(t, b.PutPending(t.Context(), ref, "v2", rotation.NewSecret("x")), rotation.Permanent, code)
	requireKind(t, b.RemovePending(t.Context(), ref, "v2"), rotation.Permanent, code)

	b.seed(current("v1", "a"))
	_, err = b.Read(t.Context(), ref, "v2")
	requireKind(t, err, rotation.Retryable, code, "no version v2 (yet)")
	requireKind(t, b.MoveCurrent(t.Context(), ref, "v1", "v2"), rotation.Retryable, code, "no version v2 (yet)")
}

func TestRefsAreChecked(t *testing.T) {
	b := start(t, alibabakms.Options{})
	for name, c := range map[string]struct {
		ref   secretstore.Ref
		field string
	}{
		"no name":        {secretstore.Ref{Region: "cn-hangzhou"}, "SecretName"},
		"name with line": {secretstore.Ref{Region: "cn-hangzhou", Name: "a\nb"}, "SecretName"},
		"no region":      {secretstore.Ref{Name: "a"}, "RegionId"},
		"region as host": {secretstore.Ref{Region: "x.example.com/", Name: "a"}, "RegionId"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Versions(t.Context(), c.ref)
			requireKind(t, err, rotation.Permanent, "", c.field)
		})
	}
	require.Empty(t, b.cloud.Requests())
}

func TestARNNamesASecret(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"))
	got, err := b.ReadCurrent(t.Context(), secretstore.Ref{Region: ref.Region, Name: b.secrets.ARN(ref.Name)})
	require.NoError(t, err)
	require.Equal(t, "v1", got.Version)
}

func TestDeniedNamesWhatIsMissing(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"))
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Times: cloudsim.Always})
	const code = "Forbidden.NoPermission"
	_, err := b.Versions(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code, "kms:ListSecretVersionIds on acs:kms:cn-hangzhou:*:secret/db/app")
	_, err = b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code, "kms:GetSecretValue", "kms:Decrypt")
	err = b.PutPending(t.Context(), ref, "v2", rotation.NewSecret("x"))
	requireKind(t, err, rotation.Permanent, code, "kms:PutSecretValue", "kms:GenerateDataKey")
	requireKind(t, b.RemovePending(t.Context(), ref, "v1"), rotation.Permanent, code, "kms:UpdateSecretVersionStage")
	_, err = b.ReadCurrent(t.Context(), secretstore.Ref{Region: ref.Region, Name: b.secrets.ARN(ref.Name)})
	requireKind(t, err, rotation.Permanent, code, "on "+b.secrets.ARN(ref.Name))
}

func TestScheduledForDeletion(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.secrets.Put(sim.Secret{Name: ref.Name, PlannedDelete: time.Now().Add(time.Hour), Versions: []sim.Version{current("v1", "a")}})
	const code = "Rejected.ResourceInDeleteWindow"
	_, err := b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code, "scheduled for deletion", "RestoreSecret")
	require.True(t, gone(err))
	requireKind(t, b.PutPending(t.Context(), ref, "v2", rotation.NewSecret("x")), rotation.Permanent, code)
}

// gone says whether an error is that the secret itself is not there any more.
func gone(err error) bool {
	e, ok := errors.AsType[*rotation.Error](err)
	return ok && e.Gone
}

func TestASecretThatIsGone(t *testing.T) {
	b := start(t, alibabakms.Options{})
	_, err := b.Versions(t.Context(), ref)
	require.True(t, gone(err), err)
	b.secrets.Put(sim.Secret{Name: ref.Name, Versions: []sim.Version{current("v1", "a")}})
	_, err = b.Read(t.Context(), ref, "v2")
	require.Error(t, err)
	require.False(t, gone(err), "a version that is not there says nothing of the secret")
}

// TestManyAtOnce is for the race detector: the SDK's clients and credential providers may not be shared.
func TestManyAtOnce(t *testing.T) {
	b := start(t, alibabakms.Options{Timeout: time.Minute})
	var group errgroup.Group
	for i := range 50 {
		secret := secretstore.Ref{Region: ref.Region, Name: fmt.Sprintf("db/%d", i)}
		b.secrets.Put(sim.Secret{Name: secret.Name, Versions: []sim.Version{current("v1", "old "+secret.Name)}})
		group.Go(func() error {
			if err := b.PutPending(t.Context(), secret, "v2", rotation.NewSecret("new "+secret.Name)); err != nil {
				return err
			}
			if err := b.MoveCurrent(t.Context(), secret, "v1", "v2"); err != nil {
				return err
			}
			if err := b.RemovePending(t.Context(), secret, "v2"); err != nil {
				return err
			}
			got, err := b.ReadCurrent(t.Context(), secret)
			if err == nil && got.Data.Reveal() != "new "+secret.Name {
				return fmt.Errorf("%s has the value of another secret", secret.Name)
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
}
