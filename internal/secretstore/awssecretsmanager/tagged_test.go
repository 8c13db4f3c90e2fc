package awssecretsmanager_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/rotation"
	"rotor/internal/secretstore/awssecretsmanager"
)

// tag adds secrets with tags.
func (b bench) tag(tags map[string]string, names ...string) {
	for _, name := range names {
		b.secrets.Put(sim.Secret{Name: name, Tags: tags, Versions: []sim.Version{version(1, "d", sim.Current)}})
	}
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

// Secrets Manager's filters find beginnings, and a key of one tag with the value of another.
func TestTagged(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.tag(map[string]string{"team": "orders", "env": "prod"}, "a", "c")
	b.tag(map[string]string{"team": "orders", "env": "dev"}, "b")
	b.tag(map[string]string{"team": "orders2"}, "d")
	b.tag(map[string]string{"teams": "orders"}, "e")
	b.tag(map[string]string{"team": "carts", "other": "orders"}, "f")
	b.tag(map[string]string{"team": ""}, "g")
	b.secrets.Put(sim.Secret{Name: "h", Tags: map[string]string{"team": "orders"}, Deletion: time.Now().Add(time.Hour), Versions: []sim.Version{version(1, "d", sim.Current)}})
	for name, tc := range map[string]struct {
		tags map[string]string
		want []string
	}{
		"a tag":             {map[string]string{"team": "orders"}, []string{"a", "b", "c"}},
		"two tags":          {map[string]string{"team": "orders", "env": "prod"}, []string{"a", "c"}},
		"no value":          {map[string]string{"team": ""}, []string{"g"}},
		"no such":           {map[string]string{"team": "order"}, nil},
		"swapped":           {map[string]string{"orders": "team"}, nil},
		"more than filters": {map[string]string{"a": "1", "b": "2", "c": "3", "d": "4", "e": "5", "team": "orders"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			names, _ := b.tagged(t, tc.tags)
			require.ElementsMatch(t, tc.want, names)
		})
	}
	for _, r := range b.cloud.Requests() {
		require.Equal(t, "ListSecrets", r.Action, "no value is read")
		require.Empty(t, r.Code)
	}
}

func TestTaggedPageByPage(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	var want []string
	for i := range 230 {
		want = append(want, fmt.Sprintf("o%04d", i))
	}
	b.tag(map[string]string{"team": "orders"}, want...)
	b.tag(map[string]string{"team": "carts"}, "c")
	names, pages := b.tagged(t, map[string]string{"team": "orders"})
	require.ElementsMatch(t, want, names)
	require.Equal(t, 3, pages)
}

func TestTaggedRefused(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Action: "ListSecrets"})
	_, err := b.Tagged(t.Context(), ref.Region, map[string]string{"team": "orders"}, "")
	requireKind(t, err, rotation.Permanent, "AccessDeniedException", "cannot list the secrets in eu-central-1", "allow secretsmanager:ListSecrets on * to the worker's identity")
	_, err = b.Tagged(t.Context(), ref.Region, nil, "")
	require.Equal(t, rotation.Permanent, rotation.KindOf(err))
}
