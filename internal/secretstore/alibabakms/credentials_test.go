package alibabakms_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/rotation"
	"rotor/internal/secretstore/alibabakms"
	"rotor/internal/wire/wiretest"
)

func newServer(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL
}

// TestRecoversWhenCredentialsAppear is about the SDK's default chain, which sticks to its last provider once none has had
// credentials.
func TestRecoversWhenCredentialsAppear(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"))
	id := os.Getenv("ALIBABA_CLOUD_ACCESS_KEY_ID")
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
	for range 3 {
		_, err := b.ReadCurrent(t.Context(), ref)
		requireKind(t, err, rotation.Retryable, "no-credentials", "ALIBABA_CLOUD_ACCESS_KEY_ID", "RAM role")
	}
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", id)
	_, err := b.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
}

// TestRereadsAReplacedKey has the key in a profile replaced. The SDK reads the profile once.
func TestRereadsAReplacedKey(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"))
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(id, secret string) {
		require.NoError(t, os.WriteFile(file, []byte("[default]\ntype = access_key\naccess_key_id = "+id+"\naccess_key_secret = "+secret+"\n"), 0o600))
	}
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_FILE", file)

	old := cloudsim.Credential{AccessKeyID: "old", Secret: "old-secret", Account: b.cloud.Credential().Account}
	b.cloud.AddCredential(old)
	write(old.AccessKeyID, old.Secret)
	_, err := b.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)

	old.Secret = "made invalid"
	b.cloud.AddCredential(old)
	write(b.cloud.Credential().AccessKeyID, b.cloud.Credential().Secret)
	_, err = b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, "SignatureDoesNotMatch", "access key secret")
	_, err = b.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
}

// TestCredentialsDoNotLeak has a profile that the SDK's errors would quote, secret and all.
func TestCredentialsDoNotLeak(t *testing.T) {
	b := start(t, alibabakms.Options{})
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aliyun"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".aliyun", "config.json"), []byte(`{"access_key_secret": "`+wiretest.Canary+`",,`), 0o600))
	_, err := b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Retryable, "no-credentials")
	wiretest.RequireNoCanary(t, err.Error())
}

func TestTemporaryCredentials(t *testing.T) {
	b := start(t, alibabakms.Options{})
	b.seed(current("v1", "a"))
	temporary := cloudsim.Credential{AccessKeyID: "STS.x", Secret: "s", SessionToken: "token+/=", Account: b.cloud.Credential().Account}
	b.cloud.AddCredential(temporary)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", temporary.AccessKeyID)
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", temporary.Secret)
	t.Setenv("ALIBABA_CLOUD_SECURITY_TOKEN", temporary.SessionToken)
	_, err := b.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
}
