package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"net/url"
	"time"
)

const (
	// connectTimeout bounds connecting, and the handshake once more.
	connectTimeout = 3 * time.Second
	// maxHeader bounds an answer's header in bytes.
	maxHeader = 64 << 10
)

// NewTransport makes a transport that verifies TLS against the authorities (nil: the system's), shows plain requests to no
// proxy, and logs nothing.
func NewTransport(roots *x509.CertPool) *http.Transport {
	var http1 http.Protocols
	http1.SetHTTP1(true)
	return &http.Transport{
		Proxy:                  proxyOfTLS,
		OnProxyConnectResponse: checkProxy,
		DialContext:            (&net.Dialer{Timeout: connectTimeout}).DialContext,
		TLSHandshakeTimeout:    connectTimeout,
		TLSClientConfig:        &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		MaxResponseHeaderBytes: maxHeader,
		DisableCompression:     true,
		// Go logs what arrives on an idle connection, and under GODEBUG what an HTTP/2 one carries.
		DisableKeepAlives: true,
		Protocols:         &http1,
	}
}

// proxyOfTLS is the proxy of the environment for what it can only tunnel; it would see a plain request.
func proxyOfTLS(r *http.Request) (*url.URL, error) {
	if r.URL.Scheme != "https" {
		return nil, nil
	}
	proxy, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, &net.OpError{Op: "proxyconnect", Err: err}
	}
	return proxy, nil
}

// checkProxy replaces the transport's error about a refusing proxy, which is text only.
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return &proxyError{answer.StatusCode}
	}
	return nil
}
