package alibabacloud

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A role is taken on with the identity that the chain finds; the SDK's provider speaks https to the token service only.
func TestIdentityWithARole(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "worker")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "hush")
	var asked []string
	status := http.StatusOK
	service := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("AccessKeyId")+" "+r.FormValue("RoleArn")+" "+r.FormValue("ExternalId")+" "+r.FormValue("RoleSessionName"))
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"Credentials":{"AccessKeyId":"STS.role","AccessKeySecret":"s","SecurityToken":"token","Expiration":"` +
			time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05Z") + `"}}`))
	}))
	t.Cleanup(service.Close)
	// The provider makes its transport from the process's.
	transport := http.DefaultTransport.(*http.Transport)
	former := transport.TLSClientConfig
	transport.TLSClientConfig = service.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	t.Cleanup(func() { transport.TLSClientConfig = former })

	i := Identity{RoleARN: "acs:ram::1234:role/rotor", ExternalID: "agreed", STSEndpoint: strings.TrimPrefix(service.URL, "https://")}
	c := &chain{identity: i}
	for range 2 {
		held, failure := c.get(t.Context())
		require.Nil(t, failure)
		require.Equal(t, "STS.role", held.AccessKeyId)
	}
	require.Equal(t, []string{"worker acs:ram::1234:role/rotor agreed rotor"}, asked)

	status = http.StatusForbidden
	_, failure := (&chain{identity: i}).get(t.Context())
	require.NotNil(t, failure)
	require.Contains(t, failure.What(), "the role that is to be taken on")
	require.NotContains(t, failure.What(), "hush")
}

func TestIdentityOfAProfile(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	_, failure := (&chain{identity: Identity{Profile: "of-nobody"}}).get(t.Context())
	require.NotNil(t, failure)
	require.Contains(t, failure.What(), "profile")
}
