package alibabacloud_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"rotor/internal/alibabacloud"
	"rotor/internal/wire"
)

// TestPanicsEndInAFailure has the SDK panic, here for want of a response to fill.
func TestPanicsEndInAFailure(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "id")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"RequestId":"x"}`)
	}))
	t.Cleanup(server.Close)
	_, err := alibabacloud.NewCaller(alibabacloud.Options{}).Do(t.Context(), alibabacloud.Call{
		Endpoint: wire.Endpoint{Host: strings.TrimPrefix(server.URL, "http://"), Plain: true}, Region: "cn-hangzhou",
		Request: kms.CreateGetSecretValueRequest(),
	})
	var failure *wire.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, &wire.Failure{Cause: wire.Panicked, Sent: true}, failure)
	require.Equal(t, "the SDK panicked on the answer", err.Error())
}

func TestWhatTheSDKRefuses(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "id")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret")
	_, err := alibabacloud.NewCaller(alibabacloud.Options{}).Do(t.Context(), alibabacloud.Call{
		Endpoint: wire.Endpoint{Host: "127.0.0.1:1", Plain: true}, Region: "not a region",
		Request: kms.CreateGetSecretValueRequest(), Response: kms.CreateGetSecretValueResponse(),
	})
	var failure *wire.Failure
	require.ErrorAs(t, err, &failure)
	require.Equal(t, &wire.Failure{Cause: wire.NotMade}, failure)
}
