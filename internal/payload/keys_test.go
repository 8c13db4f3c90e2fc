package payload_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/payload"
	"rotor/internal/payload/payloadtest"
)

func TestReadNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	ids, first := payloadtest.Line("ids"), payloadtest.Line("2026-11")
	_, key, _ := strings.Cut(first, " ")
	for name, test := range map[string]struct {
		lines []string
		says  []string
	}{
		"nothing in it":           {[]string{"# keys"}, []string{"no key named ids"}},
		"no key of ids":           {[]string{first}, []string{"no key named ids"}},
		"no key to encrypt with":  {[]string{ids}, []string{"no key beside ids"}},
		"a name alone":            {[]string{ids, "2026-11"}, []string{":2: 1 words; wanted: NAME KEY"}},
		"a third word":            {[]string{ids, first + " x"}, []string{":2: 3 words"}},
		"no Base64":               {[]string{ids, "2026-11 !!"}, []string{":2: key 2026-11: wanted: 32 random bytes in Base64", "openssl rand -base64 32"}},
		"a short key":             {[]string{ids, "2026-11 " + key[:24]}, []string{":2: key 2026-11: wanted: 32 random bytes"}},
		"a long key":              {[]string{ids, "2026-11 " + key[:43] + key}, []string{":2: key 2026-11: wanted: 32 random bytes"}},
		"a name twice":            {[]string{ids, first, payloadtest.Line("2026-11")}, []string{":3: key 2026-11 stands on line 2 already"}},
		"a name that is no name":  {[]string{ids, "a/b " + key}, []string{":2: a name has"}},
		"a key under two names":   {[]string{ids, first, "again " + key}, []string{":3: key again has the value of the one on line 2"}},
		"all problems are named":  {[]string{"a", "", "b c d"}, []string{":1: 1 words", ":3: 3 words"}},
		"the key of ids encrypts": {[]string{"ids " + key, "2026-11 " + key}, []string{":2: key 2026-11 has the value of the one on line 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := payloadtest.File(t, test.lines...)
			_, err := payload.Read(file)
			require.Error(t, err)
			for _, says := range test.says {
				require.ErrorContains(t, err, says)
			}
			require.ErrorContains(t, err, file)
			require.NotContains(t, err.Error(), key[:24], "no key is told")
		})
	}
	_, err := payload.Read(filepath.Join(t.TempDir(), "missing"))
	require.ErrorContains(t, err, "ROTOR_PAYLOAD_KEYS: ")
	require.ErrorContains(t, err, "can't be read")
	keys, err := payload.Read("")
	require.NoError(t, err)
	require.Nil(t, keys)
}

func TestHide(t *testing.T) {
	t.Parallel()
	ids, first := payloadtest.Line("ids"), payloadtest.Line("first")
	keys := payloadtest.Keys(t, ids, first)
	const id = "rotate/alibaba-kms/cn-hangzhou/orders"
	hidden := keys.Hide(id)
	require.Regexp(t, `^rotate/[0-9a-f]{32}$`, hidden)
	require.Equal(t, strings.TrimPrefix(hidden, "rotate/"), strings.TrimPrefix(keys.Hide("rotor/alibaba-kms/cn-hangzhou/orders"), "rotor/"), "what is of one secret is seen to be")
	require.NotEqual(t, hidden, keys.Hide(id+"2"))
	require.Equal(t, hidden, payloadtest.Keys(t, payloadtest.Line("second"), first, ids).Hide(id), "ids outlive the keys that encrypt")
	require.NotEqual(t, hidden, payloadtest.Keys(t, payloadtest.Line("ids"), first).Hide(id))
	var none *payload.Keys
	require.Equal(t, id, none.Hide(id))
}
