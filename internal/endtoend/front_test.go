package endtoend

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// front stands before the cloud and speaks TLS. It can go away, or show a certificate that nobody trusts.
type front struct {
	url, caFile string
	untrusted   atomic.Bool
	tls         *tls.Config
	server      *http.Server

	mu       sync.Mutex
	listener net.Listener
}

// newFront starts one; caFile is the authority of its certificate.
func newFront(t *testing.T) *front {
	t.Helper()
	good, bad := selfSigned(t), selfSigned(t)
	f := &front{caFile: filepath.Join(t.TempDir(), "ca.pem")}
	require.NoError(t, os.WriteFile(f.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: good.Certificate[0]}), 0o600))
	f.tls = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if f.untrusted.Load() {
			return &bad, nil
		}
		return &good, nil
	}}
	cloud, err := url.Parse(stack.CloudURL)
	require.NoError(t, err)
	silent := slog.NewLogLogger(slog.DiscardHandler, 0)
	f.server = &http.Server{ErrorLog: silent, ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{ErrorLog: silent,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(cloud)
			r.Out.Host = r.In.Host // it is part of the signature
		}}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f.serve(listener)
	f.url = "https://" + listener.Addr().String()
	t.Cleanup(func() { require.NoError(t, f.server.Close()) })
	return f
}

func (f *front) serve(listener net.Listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listener = listener
	go func() { _ = f.server.Serve(tls.NewListener(listener, f.tls)) }() // ends when the listener is closed
}

// goAway lets nobody listen; comeBack ends that.
func (f *front) goAway() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.listener.Close()
}

func (f *front) comeBack(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", f.listener.Addr().String())
	require.NoError(t, err)
	f.serve(listener)
}

// selfSigned makes a certificate for this machine that is its own authority.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
