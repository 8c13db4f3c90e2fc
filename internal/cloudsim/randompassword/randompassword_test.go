package randompassword_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/randompassword"
)

func TestMake(t *testing.T) {
	all := []string{randompassword.Lowercase, randompassword.Uppercase, randompassword.Numbers, randompassword.Punctuation}
	for name, tc := range map[string]struct {
		length  int
		classes []string
		exclude string
		each    bool
		fails   bool
	}{
		"all classes":           {length: 4, classes: all, each: true},
		"long":                  {length: 4096, classes: all, each: true},
		"more classes than fit": {length: 3, classes: all, each: true, fails: true},
		"not each":              {length: 3, classes: all},
		"excluded":              {length: 50, classes: all, exclude: "aeiou0!", each: true},
		"a class excluded":      {length: 3, classes: all, exclude: randompassword.Numbers, each: true},
		"nothing left":          {length: 8, classes: []string{"01"}, exclude: "10", fails: true},
		"no classes":            {length: 8, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			for range 20 {
				got, err := randompassword.Make(tc.length, tc.classes, tc.exclude, tc.each)
				if tc.fails {
					require.ErrorIs(t, err, randompassword.ErrImpossible)
					continue
				}
				require.NoError(t, err)
				require.Len(t, got, tc.length)
				require.False(t, tc.exclude != "" && strings.ContainsAny(got, tc.exclude))
				for _, class := range tc.classes {
					if tc.each && strings.Trim(class, tc.exclude) != "" {
						require.True(t, strings.ContainsAny(got, class), "%q has nothing of %q", got, class)
					}
				}
			}
		})
	}
}
