package awssecretsmanager_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/secretstore/awssecretsmanager"
)

var ref = secretstore.Ref{Region: "eu-central-1", Name: "db/app"}

// bench is a store in front of a simulated Secrets Manager.
type bench struct {
	*awssecretsmanager.Store
	cloud   *cloudsim.Cloud
	secrets sim.Region
	// address is the cloud's.
	address string
}

func start(t *testing.T, o awssecretsmanager.Options) bench {
	t.Helper()
	cloud := cloudsim.New(cloudsim.Options{})
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	o.Endpoint = address
	store, err := awssecretsmanager.New(o)
	require.NoError(t, err)
	return bench{store, cloud, cloud.SecretsManager().In(cloudsim.DefaultCredential.Account, ref.Region), address}
}

// id makes a version id of the length that the API wants.
func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func version(n int, value string, stages ...string) sim.Version {
	return sim.Version{ID: id(n), String: value, Stages: stages}
}

func (b bench) seed(versions ...sim.Version) string {
	return b.secrets.Put(sim.Secret{Name: ref.Name, Versions: versions})
}

// stages describes the secret as "1[AWSPREVIOUS] 2[AWSCURRENT]".
func (b bench) stages(t *testing.T) string {
	t.Helper()
	secret, ok := b.secrets.Secret(ref.Name)
	require.True(t, ok)
	var all []string
	for _, v := range secret.Versions {
		all = append(all, strings.TrimLeft(v.ID[24:], "0")+fmt.Sprint(v.Stages))
	}
	return strings.Join(all, " ")
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
	store, err := awssecretsmanager.New(awssecretsmanager.Options{})
	require.NoError(t, err)
	require.Equal(t, secretstore.Traits{Dialect: rotation.AWSDialect}, store.Traits())
}

func TestVersions(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	day := func(n int) time.Time { return time.Date(2026, 1, n, 3, 4, 5, 0, time.UTC) }
	b.seed(
		sim.Version{ID: id(1), String: "a", Created: day(1)},
		sim.Version{ID: id(2), String: "b", Created: day(2), Stages: []string{sim.Previous, "Blue"}},
		sim.Version{ID: id(4), String: "d", Created: day(4), Stages: []string{sim.Pending}},
		sim.Version{ID: id(3), String: "c", Created: day(3), Stages: []string{"Green", sim.Current}},
	)
	versions, err := b.Versions(t.Context(), ref)
	require.NoError(t, err)
	for i := range versions {
		versions[i].Created = versions[i].Created.UTC()
	}
	require.Equal(t, rotation.Versions{
		{ID: id(4), Stages: []rotation.Stage{rotation.Pending}, Created: day(4)},
		{ID: id(3), Stages: []rotation.Stage{rotation.Current}, Labels: []string{"Green"}, Created: day(3)},
		{ID: id(2), Stages: []rotation.Stage{rotation.Previous}, Labels: []string{"Blue"}, Created: day(2)},
		{ID: id(1), Created: day(1)},
	}, versions)
}

func TestVersionsReadsAllPages(t *testing.T) {
	for _, n := range []int{1, 99, 100, 101, 230} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			b := start(t, awssecretsmanager.Options{})
			var seeded []sim.Version
			for i := range n {
				seeded = append(seeded, sim.Version{ID: id(i), String: "x", Created: time.Unix(int64(1e9+i), 0)})
			}
			seeded[0].Stages = []string{sim.Current}
			b.seed(seeded...)
			versions, err := b.Versions(t.Context(), ref)
			require.NoError(t, err)
			require.Len(t, versions, n)
			for i, v := range versions {
				require.Equal(t, id(n-1-i), v.ID)
			}
			require.Equal(t, id(0), versions.Holder(rotation.Current))
		})
	}
}

// TestDescriptionLagsBehind has the description not know yet that a version has a label: it must not look as if somebody had taken it off.
func TestDescriptionLagsBehind(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current))
	require.NoError(t, b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("b")))
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: "DescribeSecret"})
	_, err := b.Versions(t.Context(), ref)
	requireKind(t, err, rotation.Retryable, "", "differ", "(yet)")
	versions, err := b.Versions(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, id(2), versions.Holder(rotation.Pending))
}

// TestListLagsBehind has the list not know yet the version that carries a label.
func TestListLagsBehind(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current))
	require.NoError(t, b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("b")))
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: list})
	_, err := b.Versions(t.Context(), ref)
	requireKind(t, err, rotation.Retryable, "", "not in the list (yet)")
	_, err = b.Versions(t.Context(), ref)
	require.NoError(t, err)
}

func TestRead(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	created := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	value := `{"password":"ä+ &=%\"\\","n":1.50}`
	b.seed(sim.Version{ID: id(1), String: value, Created: created}, version(2, "other", sim.Current))

	got, err := b.Read(t.Context(), ref, id(1))
	require.NoError(t, err)
	require.Equal(t, id(1), got.Version)
	require.Equal(t, value, got.Data.Reveal())
	require.True(t, got.Created.Equal(created))
	got, err = b.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, id(2), got.Version)
	require.Equal(t, "other", got.Data.Reveal())
}

func TestBinary(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(sim.Version{ID: id(1), Binary: []byte("x"), Stages: []string{sim.Current}})
	_, err := b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, "", "binary", "SecretString")
	_, err = b.Read(t.Context(), ref, id(1))
	requireKind(t, err, rotation.Permanent, "", "binary", "SecretString")
}

func TestMissing(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	const code = "ResourceNotFoundException"
	_, err := b.Versions(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code, "secret db/app in eu-central-1", "check name and region")
	_, err = b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code)
	_, err = b.Read(t.Context(), ref, id(1))
	requireKind(t, err, rotation.Permanent, code)
	requireKind(t, b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x")), rotation.Permanent, code)
	requireKind(t, b.RemovePending(t.Context(), ref, id(2)), rotation.Permanent, code)

	b.seed(version(1, "a", sim.Current))
	_, err = b.Read(t.Context(), ref, id(2))
	requireKind(t, err, rotation.Retryable, code, "(yet)")
	requireKind(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)), rotation.Retryable, code, "(yet)")
}

// TestPlaceholder has the empty version that RotateSecret leaves behind when nothing fills it.
func TestPlaceholder(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current),
		sim.Version{ID: id(2), Stages: []string{sim.Pending}, Created: time.Now().Add(-time.Hour)},
		sim.Version{ID: id(3)})
	versions, err := b.Versions(t.Context(), ref)
	require.NoError(t, err)
	require.Equal(t, id(2), versions.Holder(rotation.Pending))
	_, err = b.Read(t.Context(), ref, id(2))
	requireKind(t, err, rotation.Permanent, "ResourceNotFoundException", "no value", "RotateSecret")
	_, err = b.Read(t.Context(), ref, id(3))
	requireKind(t, err, rotation.Retryable, "ResourceNotFoundException", "(yet)")

	require.NoError(t, b.PutPending(t.Context(), ref, id(4), rotation.NewSecret("x")))
	require.Equal(t, "1[AWSCURRENT] 2[] 3[] 4[AWSPENDING]", b.stages(t))
	secret, _ := b.secrets.Secret(ref.Name)
	require.True(t, secret.Version(id(2)).Empty(), "a placeholder is never filled")
}

func TestRefusedSecrets(t *testing.T) {
	current := []sim.Version{version(1, "a", sim.Current)}
	function := "arn:aws:lambda:eu-central-1:123456789012:function:rotate"
	for name, c := range map[string]struct {
		secret sim.Secret
		words  []string
		// unread: the value can't be read either, for the same reason.
		unread bool
	}{
		"deleted": {sim.Secret{Name: ref.Name, Deletion: time.Now().Add(time.Hour), Versions: current},
			[]string{"scheduled for deletion", "RestoreSecret"}, true},
		"managed": {sim.Secret{Name: ref.Name, OwningService: "rds", Versions: current},
			[]string{"managed by rds", "rotates it itself"}, false},
		"lambda": {sim.Secret{Name: ref.Name, Rotation: &sim.Rotation{Enabled: true, LambdaARN: function}, Versions: current},
			[]string{function, "aws secretsmanager cancel-rotate-secret --region eu-central-1 --secret-id db/app"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, awssecretsmanager.Options{})
			b.secrets.Put(c.secret)
			_, err := b.Versions(t.Context(), ref)
			requireKind(t, err, rotation.Permanent, "", c.words...)
			require.Equal(t, name == "deleted", gone(err))
			_, err = b.ReadCurrent(t.Context(), ref)
			if c.unread {
				requireKind(t, err, rotation.Permanent, "", c.words...)
				requireKind(t, b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x")), rotation.Permanent, "", c.words...)
				requireKind(t, b.MoveCurrent(t.Context(), ref, id(1), id(1)), rotation.Permanent, "", c.words...)
			} else {
				require.NoError(t, err)
			}
		})
	}
	b := start(t, awssecretsmanager.Options{})
	b.secrets.Put(sim.Secret{Name: ref.Name, Rotation: &sim.Rotation{LambdaARN: function}, Versions: current})
	_, err := b.Versions(t.Context(), ref)
	require.NoError(t, err, "a rotation that was cancelled")
}

// gone says whether an error is that the secret itself is not there any more.
func gone(err error) bool {
	e, ok := errors.AsType[*rotation.Error](err)
	return ok && e.Gone
}

func TestASecretThatIsGone(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	_, err := b.Versions(t.Context(), ref)
	require.True(t, gone(err), err)
	b.secrets.Put(sim.Secret{Name: ref.Name, Versions: []sim.Version{version(1, "a", sim.Current)}})
	_, err = b.Read(t.Context(), ref, id(2))
	require.Error(t, err)
	require.False(t, gone(err), "a version that is not there says nothing of the secret")
}

func TestRefsAreChecked(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	for name, c := range map[string]struct {
		ref   secretstore.Ref
		field string
	}{
		"no name":        {secretstore.Ref{Region: "eu-central-1"}, "SecretName"},
		"long name":      {secretstore.Ref{Region: "eu-central-1", Name: strings.Repeat("a", 1025)}, "SecretName"},
		"name with line": {secretstore.Ref{Region: "eu-central-1", Name: "a\nb"}, "SecretName"},
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

// TestARNs names secrets by ARN, with and without the six characters, also one in another region.
func TestARNs(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	arn := b.seed(version(1, "a", sim.Current))
	elsewhere := b.cloud.SecretsManager().In(cloudsim.DefaultCredential.Account, "us-east-1").
		Put(sim.Secret{Name: "admin", Versions: []sim.Version{version(7, "b", sim.Current)}})
	for name, want := range map[string]string{arn: id(1), arn[:len(arn)-7]: id(1), elsewhere: id(7)} {
		got, err := b.ReadCurrent(t.Context(), secretstore.Ref{Region: ref.Region, Name: name})
		require.NoError(t, err)
		require.Equal(t, want, got.Version)
	}
}

// TestARNThatOnlyLooksWhole names a secret whose name ends like an ARN does: it was read as that of another name.
func TestARNThatOnlyLooksWhole(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	arn := b.secrets.Put(sim.Secret{Name: "shop-orders", Versions: []sim.Version{version(1, "a", sim.Current)}})
	for name, ask := range map[string]func(secretstore.Ref) error{
		"value": func(r secretstore.Ref) error {
			_, err := b.ReadCurrent(t.Context(), r)
			return err
		},
		"version": func(r secretstore.Ref) error {
			_, err := b.Read(t.Context(), r, id(1))
			return err
		},
		"versions": func(r secretstore.Ref) error {
			_, err := b.Versions(t.Context(), r)
			return err
		},
	} {
		require.NoError(t, ask(secretstore.Ref{Region: ref.Region, Name: arn}), name)
		requireKind(t, ask(secretstore.Ref{Region: ref.Region, Name: arn[:len(arn)-7]}), rotation.Permanent, "", "six characters")
	}
}

func TestDeniedNamesWhatIsMissing(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	arn := b.seed(version(1, "a", sim.Current))
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Times: cloudsim.Always})
	const code = "AccessDeniedException"
	_, err := b.Versions(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code, "secretsmanager:DescribeSecret on arn:aws:secretsmanager:eu-central-1:*:secret:db/app-*")
	_, err = b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, code, "secretsmanager:GetSecretValue", "kms:Decrypt")
	err = b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x"))
	requireKind(t, err, rotation.Permanent, code, "secretsmanager:PutSecretValue", "kms:GenerateDataKey")
	requireKind(t, b.MoveCurrent(t.Context(), ref, id(1), id(2)), rotation.Permanent, code, "secretsmanager:UpdateSecretVersionStage")
	requireKind(t, b.RemovePending(t.Context(), ref, id(1)), rotation.Permanent, code, "secretsmanager:UpdateSecretVersionStage")
	_, err = b.ReadCurrent(t.Context(), secretstore.Ref{Region: ref.Region, Name: arn})
	requireKind(t, err, rotation.Permanent, code, "on "+arn)
	_, err = b.ReadCurrent(t.Context(), secretstore.Ref{Region: "cn-north-1", Name: "a"})
	requireKind(t, err, rotation.Permanent, code, "arn:aws-cn:secretsmanager:cn-north-1")
}

func TestUnusableKey(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.secrets.Put(sim.Secret{Name: ref.Name, KeyID: "k", Versions: []sim.Version{version(1, "a", sim.Current)}})
	b.secrets.DisableKey("k")
	_, err := b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, "DecryptionFailure", "kms:Decrypt", "enabled")
	err = b.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x"))
	requireKind(t, err, rotation.Permanent, "EncryptionFailure", "kms:GenerateDataKey", "kms:DescribeKey")
}

func TestManyAtOnce(t *testing.T) {
	b := start(t, awssecretsmanager.Options{Timeout: time.Minute})
	var group errgroup.Group
	for i := range 50 {
		secret := secretstore.Ref{Region: ref.Region, Name: fmt.Sprintf("db/%d", i)}
		b.secrets.Put(sim.Secret{Name: secret.Name, Versions: []sim.Version{version(1, "old "+secret.Name, sim.Current)}})
		group.Go(func() error {
			if err := b.PutPending(t.Context(), secret, id(2), rotation.NewSecret("new "+secret.Name)); err != nil {
				return err
			}
			if err := b.MoveCurrent(t.Context(), secret, id(1), id(2)); err != nil {
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
