package rotation_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

// Whatever prints, formats, encodes or logs a Secret, or something that holds one in any field, does not get its value.
func TestSecretShowsNothing(t *testing.T) {
	secret := rotation.NewSecret(canary)
	doc, err := document(t, `{"AccountName":"orders","AccountPassword":"`+canary+`","Endpoint":"db"}`)
	require.NoError(t, err)
	holders := map[string]any{
		"itself": secret, "pointer": &secret, "slice": []rotation.Secret{secret}, "map": map[string]rotation.Secret{"p": secret},
		"exported field": struct{ Password rotation.Secret }{secret}, "unexported field": struct{ password rotation.Secret }{secret},
		"pointer to a struct": &struct{ password rotation.Secret }{secret}, "interface": struct{ v any }{secret},
		"document": doc, "document by value": *doc,
	}
	for name, v := range holders {
		t.Run(name, func(t *testing.T) {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%T", "%10s", "%p"} {
				require.NotContains(t, fmt.Sprintf(verb, v), canary, verb)
				require.NotContains(t, fmt.Sprintf(verb, v), fmt.Sprintf("%x", canary), verb)
			}
			require.NotContains(t, fmt.Sprint(v)+fmt.Sprintln(v)+fmt.Errorf("wrapped: %v", v).Error()+errors.New(fmt.Sprint(v)).Error(), canary)
			if text, err := json.Marshal(v); err == nil {
				require.NotContains(t, string(text), canary)
			}
			if text, err := xml.Marshal(v); err == nil {
				require.NotContains(t, string(text), canary)
			}
			var logs strings.Builder
			slog.New(slog.NewTextHandler(&logs, nil)).Info("text", "v", v)
			slog.New(slog.NewJSONHandler(&logs, nil)).Info("json", "v", v, slog.Any("any", v))
			require.NotContains(t, logs.String(), canary)
		})
	}
	require.Equal(t, "***", secret.String())
	require.Equal(t, "***", secret.GoString())
	text, err := json.Marshal(secret)
	require.NoError(t, err)
	require.Equal(t, `"***"`, string(text))
}

func TestSecretHoldsItsValue(t *testing.T) {
	require.Equal(t, canary, rotation.NewSecret(canary).Reveal())
	require.Empty(t, rotation.Secret{}.Reveal())
	require.True(t, rotation.Secret{}.Empty())
	require.True(t, rotation.NewSecret("").Empty())
	require.False(t, rotation.NewSecret(canary).Empty())
	for name, test := range map[string]struct {
		a, b  rotation.Secret
		equal bool
	}{
		"same value":        {rotation.NewSecret(canary), rotation.NewSecret(canary), true},
		"another value":     {rotation.NewSecret(canary), rotation.NewSecret("other"), false},
		"none and none":     {rotation.Secret{}, rotation.Secret{}, true},
		"none and empty":    {rotation.Secret{}, rotation.NewSecret(""), true},
		"none and some":     {rotation.Secret{}, rotation.NewSecret(canary), false},
		"some and no value": {rotation.NewSecret(canary), rotation.Secret{}, false},
	} {
		require.Equal(t, test.equal, test.a.Equal(test.b), name)
	}
}
