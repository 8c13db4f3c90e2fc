package wire_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/wire"
)

// server answers with "resumed" where the TLS session is that of an earlier connection.
func server(t *testing.T) (s *httptest.Server, roots *x509.CertPool) {
	s = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS.DidResume {
			_, _ = io.WriteString(w, "resumed")
		}
	}))
	t.Cleanup(s.Close)
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s, roots
}

func get(t *testing.T, client *http.Client, url string) string {
	t.Helper()
	answer, err := client.Get(url)
	require.NoError(t, err)
	said, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return string(said)
}

func TestNextConnectionTakesUpTheSession(t *testing.T) {
	s, roots := server(t)
	client := &http.Client{Transport: wire.NewTransport(roots)}
	require.Empty(t, get(t, client, s.URL))
	require.Equal(t, "resumed", get(t, client, s.URL))

	other := &http.Client{Transport: wire.NewTransport(x509.NewCertPool())}
	_, err := other.Get(s.URL)
	var unknown *tls.CertificateVerificationError
	require.ErrorAs(t, err, &unknown, "one that knows no authority has no part in it")
}
