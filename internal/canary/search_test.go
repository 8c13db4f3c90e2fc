package canary_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/canary"
	"rotor/internal/rotation"
)

// hard has characters that every encoding writes in its own way.
const hard = `p'a"s\s<&>w o+r/d%é-Zx`

func secrets(values ...string) (list []rotation.Secret) {
	for _, v := range values {
		list = append(list, rotation.NewSecret(v))
	}
	return list
}

func TestSearchFindsEveryForm(t *testing.T) {
	inJSON, err := json.Marshal(map[string]string{"AccountPassword": hard})
	require.NoError(t, err)
	nested, err := json.Marshal(map[string]string{"Document": `{"AccountPassword":"` + "Tr1ckyButLongEnough" + `"}`})
	require.NoError(t, err)
	cut := strings.Repeat("x", 4090) + "Tr1ckyBut" + "\x0d\x00\x00page" + "LongEnough"
	for name, test := range map[string]struct{ password, text, form string }{
		"plain":                  {hard, "login with " + hard + " failed", "plain"},
		"json":                   {hard, string(inJSON), "json (html)"},
		"json in json":           {"Tr1ckyButLongEnough", string(nested), "plain"},
		"query of a url":         {hard, "https://kms/?SecretData=" + url.QueryEscape(hard), "url-query"},
		"path of a url":          {hard, "https://kms/" + url.PathEscape(hard), "url-path"},
		"signed query":           {hard, "GET&%2F&" + url.QueryEscape(url.QueryEscape(hard)), "url twice"},
		"go syntax":              {hard, fmt.Sprintf("%+q", hard), "quoted"},
		"statement":              {hard, `ALTER USER a IDENTIFIED BY '` + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(hard) + `'`, "sql"},
		"ansi statement":         {hard, `ALTER USER a IDENTIFIED BY '` + strings.ReplaceAll(hard, "'", "''") + `'`, "sql quotes"},
		"hex":                    {hard, fmt.Sprintf("%x", hard), "hex"},
		"upper-case hex":         {hard, fmt.Sprintf("0x%X", hard), "HEX"},
		"base64":                 {hard, base64.StdEncoding.EncodeToString([]byte(hard)), "base64, shifted by 0"},
		"base64 after one byte":  {hard, base64.StdEncoding.EncodeToString([]byte("{" + hard + "}")), "base64, shifted by 1"},
		"base64 after two bytes": {hard, base64.StdEncoding.EncodeToString([]byte(`{"` + hard + `"}`)), "base64, shifted by 2"},
		"base64url":              {strings.Repeat("?>~", 4), base64.URLEncoding.EncodeToString([]byte("abc" + strings.Repeat("?>~", 4))), "base64url, shifted by 0"},
		"cut by a page":          {"Tr1ckyButLongEnough", cut, "part 1"},
	} {
		t.Run(name, func(t *testing.T) {
			clean := canary.Text("clean", "nothing to see here "+strings.Repeat("y", 100))
			found, err := canary.Search(secrets("another-password", test.password), clean, canary.Text("dirty", "before "+test.text+" after"))
			require.NoError(t, err)
			require.Len(t, found, 1)
			require.Equal(t, 1, found[0].Password)
			require.Equal(t, "dirty", found[0].Source)
			require.Equal(t, test.form, found[0].Form)
			require.NotContains(t, found[0].String(), test.password)
		})
	}
}

// Every alignment within a longer text is found, not only those of the table above.
func TestSearchFindsBase64AnywhereInAText(t *testing.T) {
	for length := 8; length < 40; length++ {
		password := strings.Repeat("Ab3_xY-9", 5)[:length]
		for before := range 6 {
			for after := range 6 {
				text := strings.Repeat("<", before) + password + strings.Repeat(">", after)
				found, err := canary.Search(secrets(password), canary.Text("payload", base64.StdEncoding.EncodeToString([]byte(text))))
				require.NoError(t, err)
				require.Len(t, found, 1, "%d before, %d long, %d after", before, length, after)
			}
		}
	}
}

func TestSearchThatProvesNothingIsAnError(t *testing.T) {
	text := canary.Text("text", "text")
	broken := canary.Source{Name: "broken", Read: func() ([]byte, error) { return nil, errors.New("gone") }}
	for name, search := range map[string]func() error{
		"no passwords":   func() error { _, err := canary.Search(nil, text); return err },
		"no sources":     func() error { _, err := canary.Search(secrets("long-enough")); return err },
		"empty password": func() error { _, err := canary.Search(secrets(""), text); return err },
		"short password": func() error { _, err := canary.Search(secrets("1234567"), text); return err },
		"broken source":  func() error { _, err := canary.Search(secrets("long-enough"), broken); return err },
	} {
		require.Error(t, search(), name)
	}
}
