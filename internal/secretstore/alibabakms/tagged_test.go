package alibabakms_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/alibabakms"
	"rotor/internal/rotation"
	"rotor/internal/secretstore/alibabakms"
)

// tag adds secrets with tags.
func (b bench) tag(tags map[string]string, names ...string) {
	for _, name := range names {
		b.secrets.Put(sim.Secret{Name: name, Tags: tags, Versions: []sim.Version{current("v1", "d")}})
	}
}

// numbered are names.
func numbered(prefix string, n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("%s%04d", prefix, i))
	}
	return names
}

// tagged lists all pages.
func (b bench) tagged(t *testing.T, tags map[string]string) (names []string, pages int) {
	t.Helper()
	for after := ""; ; pages++ {
		page, err := b.Tagged(t.Context(), ref.Region, tags, after)
		require.NoError(t, err)
		names = append(names, page.Names...)
		if after = page.Next; after == "" {
			return names, pages + 1
		}
	}
}

func TestTagged(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.tag(map[string]string{"team": "orders", "env": "prod"}, "a", "c")
	b.tag(map[string]string{"team": "orders", "env": "dev"}, "b")
	b.tag(map[string]string{"team": "orders2", "teams": "orders", "other": "orders"}, "d")
	b.tag(map[string]string{"team": ""}, "e")
	b.tag(nil, "f")
	b.secrets.Put(sim.Secret{Name: "g", Tags: map[string]string{"team": "orders"}, PlannedDelete: time.Now().Add(time.Hour), Versions: []sim.Version{current("v1", "d")}})
	b.cloud.KMS().In(cloudsim.DefaultCredential.Account, "cn-beijing").Put(sim.Secret{Name: "h", Tags: map[string]string{"team": "orders"}, Versions: []sim.Version{current("v1", "d")}})
	for name, tc := range map[string]struct {
		tags map[string]string
		want []string
	}{
		"a tag":      {map[string]string{"team": "orders"}, []string{"a", "b", "c"}},
		"two tags":   {map[string]string{"team": "orders", "env": "prod"}, []string{"a", "c"}},
		"no value":   {map[string]string{"team": ""}, []string{"e"}},
		"no such":    {map[string]string{"team": "order"}, nil},
		"swapped":    {map[string]string{"orders": "team"}, nil},
		"not a pair": {map[string]string{"team": "prod"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			names, _ := b.tagged(t, tc.tags)
			require.Equal(t, tc.want, names)
		})
	}
	for _, r := range b.cloud.Requests() {
		require.Equal(t, "ListSecrets", r.Action, "no value is read")
	}
}

func TestTaggedPageByPage(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.tag(map[string]string{"team": "orders"}, numbered("o", 230)...)
	b.tag(map[string]string{"team": "carts"}, numbered("c", 30)...)
	names, pages := b.tagged(t, map[string]string{"team": "orders"})
	require.Equal(t, numbered("o", 230), names)
	require.Equal(t, 3, pages)

	first, err := b.Tagged(t.Context(), ref.Region, map[string]string{"team": "orders"}, "")
	require.NoError(t, err)
	b.secrets.Remove("o0000")
	_, err = b.Tagged(t.Context(), ref.Region, map[string]string{"team": "orders"}, first.Next)
	requireKind(t, err, rotation.Conflict, "", "cannot list the secrets in cn-hangzhou", "list anew")
}

// A filter by tags finds so many at most, so beyond them all secrets are listed.
func TestTaggedBeyondWhatAFilterFinds(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.tag(map[string]string{"team": "orders"}, numbered("o", 4100)...)
	b.tag(nil, numbered("x", 50)...)
	names, pages := b.tagged(t, map[string]string{"team": "orders"})
	require.Len(t, names, 4100)
	require.Equal(t, 42, pages)
	filtered := 0
	for _, r := range b.cloud.Requests() {
		if r.Params["Filters"] != "" {
			filtered++
		}
	}
	require.Equal(t, 1, filtered)
}

func TestTaggedRefused(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Action: "ListSecrets"})
	_, err := b.Tagged(t.Context(), ref.Region, map[string]string{"team": "orders"}, "")
	requireKind(t, err, rotation.Permanent, "Forbidden.NoPermission", "allow kms:ListSecrets on acs:kms:cn-hangzhou:*:secret to the worker's RAM identity")
	for name, tc := range map[string]struct {
		region, after string
		tags          map[string]string
	}{
		"no region": {"CN", "", map[string]string{"a": ""}}, "no tags": {ref.Region, "", nil}, "no place": {ref.Region, "else", map[string]string{"a": ""}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Tagged(t.Context(), tc.region, tc.tags, tc.after)
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
		})
	}
}
