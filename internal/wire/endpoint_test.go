package wire_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/wire"
)

func TestParseEndpoint(t *testing.T) {
	for text, c := range map[string]struct {
		allowHTTP bool
		want      wire.Endpoint
		words     string
	}{
		"https://kms.example.com":            {want: wire.Endpoint{Host: "kms.example.com"}},
		"https://kms.example.com:8443/":      {want: wire.Endpoint{Host: "kms.example.com:8443"}},
		"HTTPS://kms.example.com":            {want: wire.Endpoint{Host: "kms.example.com"}},
		"http://127.0.0.1:80":                {want: wire.Endpoint{Host: "127.0.0.1:80", Plain: true}},
		"http://127.8.9.1":                   {want: wire.Endpoint{Host: "127.8.9.1", Plain: true}},
		"http://[::1]:80":                    {want: wire.Endpoint{Host: "[::1]:80", Plain: true}},
		"http://[::ffff:127.0.0.1]":          {want: wire.Endpoint{Host: "[::ffff:127.0.0.1]", Plain: true}},
		"http://LocalHost:80":                {want: wire.Endpoint{Host: "LocalHost:80", Plain: true}},
		"http://10.0.0.1":                    {words: "ROTOR_ALLOW_HTTP=1"},
		"http://0.0.0.0":                     {words: "ROTOR_ALLOW_HTTP=1"},
		"http://localhost.example.com":       {words: "ROTOR_ALLOW_HTTP=1"},
		"http://127.0.0.1.example.com":       {words: "ROTOR_ALLOW_HTTP=1"},
		"http://kms.example.com":             {allowHTTP: true, want: wire.Endpoint{Host: "kms.example.com", Plain: true}},
		"ftp://kms.example.com":              {words: "neither https:// nor http://"},
		"kms.example.com":                    {words: "not a URL with a host"},
		"kms.example.com:443":                {words: "not a URL with a host"},
		"":                                   {words: "not a URL with a host"},
		"https://":                           {words: "not a URL with a host"},
		"https://:443":                       {words: "not a URL with a host"},
		"https://%zz":                        {words: "not a URL with a host"},
		"https://me:hush@kms.example.com":    {words: "more than scheme, host and port"},
		"https://kms.example.com/path":       {words: "more than scheme, host and port"},
		"https://kms.example.com?Action=Get": {words: "more than scheme, host and port"},
		"https://kms.example.com#x":          {words: "more than scheme, host and port"},
	} {
		t.Run(text, func(t *testing.T) {
			got, err := wire.ParseEndpoint("ROTOR_X_ENDPOINT", text, c.allowHTTP)
			require.Equal(t, c.want, got)
			if c.words == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "ROTOR_X_ENDPOINT: ")
			require.ErrorContains(t, err, c.words)
			require.NotContains(t, err.Error(), "hush")
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
		})
	}
}
