package rotation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

func TestParseTags(t *testing.T) {
	for name, tc := range map[string]struct {
		words []string
		want  string
		wrong string
	}{
		"one":              {words: []string{"team=orders"}, want: "team=orders"},
		"by key":           {words: []string{"team=orders", "env=prod"}, want: "env=prod, team=orders"},
		"no value":         {words: []string{"legacy="}, want: "legacy="},
		"an equals sign":   {words: []string{"filter=a=b"}, want: "filter=a=b"},
		"no equals sign":   {words: []string{"team"}, wrong: `"team" is no tag`},
		"no key":           {words: []string{"=orders"}, wrong: `"=orders" is no tag`},
		"negated":          {words: []string{"team=!orders"}, wrong: `"team=!orders" is no tag`},
		"two values":       {words: []string{"team=a", "team=b"}, wrong: "tag team is given twice"},
		"more than filter": {words: []string{"a=", "b=", "c=", "d=", "e=", "f="}, wrong: "6 tags; wanted: 5 at most"},
	} {
		t.Run(name, func(t *testing.T) {
			tags, err := rotation.ParseTags(tc.words)
			if tc.wrong != "" {
				require.ErrorContains(t, err, tc.wrong)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, tags.String())
		})
	}
}
