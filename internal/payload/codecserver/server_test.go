package codecserver_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"

	"rotor/internal/payload"
	"rotor/internal/payload/codecserver"
	"rotor/internal/payload/payloadtest"
)

const ui = "https://temporal.example.com"

func newKeys(t *testing.T) *payload.Keys {
	t.Helper()
	return payloadtest.Keys(t, payloadtest.Line("ids"), payloadtest.Line("one"))
}

func serve(t *testing.T, keys *payload.Keys, o codecserver.Options) *codecserver.Server {
	t.Helper()
	s, err := codecserver.Start(keys, o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// ask sends a request as a browser would.
func ask(t *testing.T, method, url string, body []byte, headers map[string]string) (status int, header http.Header, answer string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	require.NoError(t, err)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, response.Header, string(text)
}

func TestWhoMayHavePayloadsRead(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	const token = "0123456789abcdef0123456789abcdef"
	secret, err := keys.Converter().ToPayloads("orders")
	require.NoError(t, err)
	sealed, err := protojson.Marshal(secret)
	require.NoError(t, err)
	tampered := &commonpb.Payloads{Payloads: []*commonpb.Payload{{Metadata: secret.Payloads[0].Metadata, Data: append([]byte("x"), secret.Payloads[0].Data...)}}}
	changed, err := protojson.Marshal(tampered)
	require.NoError(t, err)

	open := serve(t, keys, codecserver.Options{Address: "127.0.0.1:0", Origins: "http://other.example.com, " + ui}).URL
	closed := serve(t, keys, codecserver.Options{Address: "127.0.0.1:0", Origins: ui, TokenFile: file(t, token+"\n")}).URL
	alone := serve(t, keys, codecserver.Options{Address: "localhost:0"}).URL
	for name, test := range map[string]struct {
		method, url string
		body        []byte
		headers     map[string]string
		status      int
		says        string
	}{
		"the Web UI":                   {"POST", open + "/decode", sealed, map[string]string{"Origin": ui, "X-Namespace": "default"}, 200, ""},
		"another one that is allowed":  {"POST", open + "/decode", sealed, map[string]string{"Origin": "http://other.example.com"}, 200, ""},
		"the CLI":                      {"POST", open + "/decode", sealed, nil, 200, ""},
		"another page":                 {"POST", open + "/decode", sealed, map[string]string{"Origin": "https://evil.example.com"}, 403, "ROTOR_CODEC_ORIGINS"},
		"a page whose name begins so":  {"POST", open + "/decode", sealed, map[string]string{"Origin": ui + ".evil.com"}, 403, "ROTOR_CODEC_ORIGINS"},
		"a page of a file":             {"POST", open + "/decode", sealed, map[string]string{"Origin": "null"}, 403, "ROTOR_CODEC_ORIGINS"},
		"no origins, a page":           {"POST", alone + "/decode", sealed, map[string]string{"Origin": ui}, 403, "ROTOR_CODEC_ORIGINS"},
		"no origins, the CLI":          {"POST", alone + "/decode", sealed, nil, 200, ""},
		"a browser's question":         {"OPTIONS", closed + "/decode", nil, map[string]string{"Origin": ui, "Access-Control-Request-Method": "POST"}, 204, ""},
		"another page's question":      {"OPTIONS", closed + "/decode", nil, map[string]string{"Origin": "https://evil.example.com"}, 403, ""},
		"the token":                    {"POST", closed + "/decode", sealed, map[string]string{"Origin": ui, "Authorization": "Bearer " + token}, 200, ""},
		"no token":                     {"POST", closed + "/decode", sealed, map[string]string{"Origin": ui}, 401, "ROTOR_CODEC_TOKEN_FILE"},
		"no token, the CLI":            {"POST", closed + "/decode", sealed, nil, 401, "ROTOR_CODEC_TOKEN_FILE"},
		"another token":                {"POST", closed + "/decode", sealed, map[string]string{"Authorization": "Bearer " + token + "0"}, 401, ""},
		"the token, not as one":        {"POST", closed + "/decode", sealed, map[string]string{"Authorization": token}, 401, ""},
		"the token, of another page":   {"POST", closed + "/decode", sealed, map[string]string{"Origin": "https://evil.example.com", "Authorization": "Bearer " + token}, 403, ""},
		"a question without a page":    {"OPTIONS", closed + "/decode", nil, nil, 401, ""},
		"a tampered payload":           {"POST", open + "/decode", changed, nil, 400, "does not open with key one"},
		"no payloads":                  {"POST", open + "/decode", []byte("hello"), nil, 400, ""},
		"what is not to be asked":      {"GET", open + "/decode", nil, nil, 404, ""},
		"another path":                 {"POST", open + "/keys", sealed, nil, 404, ""},
		"more than a page of payloads": {"POST", open + "/decode", make([]byte, 33<<20), nil, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, header, answer := ask(t, test.method, test.url, test.body, test.headers)
			require.Equal(t, test.status, status, answer)
			require.Contains(t, answer, test.says)
			allowed := ""
			if status != 403 {
				allowed = test.headers["Origin"]
			}
			require.Equal(t, allowed, header.Get("Access-Control-Allow-Origin"))
			if status != 200 {
				require.NotContains(t, answer, "orders")
				return
			}
			var read commonpb.Payloads
			require.NoError(t, protojson.Unmarshal([]byte(answer), &read))
			require.Equal(t, `"orders"`, string(read.Payloads[0].Data))
			require.Equal(t, "no-store", header.Get("Cache-Control"))
		})
	}
}

// What the Web UI starts is encrypted there, too; the SDK's own remote codec speaks the same language.
func TestRemoteCodec(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	remote := converter.NewRemoteDataConverter(converter.GetDefaultDataConverter(), converter.RemoteDataConverterOptions{
		Endpoint: serve(t, keys, codecserver.Options{Address: "127.0.0.1:0"}).URL})
	p, err := remote.ToPayload("orders")
	require.NoError(t, err)
	require.Equal(t, "binary/encrypted", string(p.Metadata["encoding"]))
	var here, there string
	require.NoError(t, keys.Converter().FromPayload(p, &here))
	require.NoError(t, remote.FromPayload(p, &there))
	require.Equal(t, "orders", here)
	require.Equal(t, "orders", there)
}

func TestTLS(t *testing.T) {
	t.Parallel()
	keys := newKeys(t)
	certificate, key, authority := certify(t)
	s := serve(t, keys, codecserver.Options{Address: "127.0.0.1:0", Certificate: certificate, Key: key})
	require.True(t, strings.HasPrefix(s.URL, "https://"))
	trusting := converter.NewRemoteDataConverter(converter.GetDefaultDataConverter(), converter.RemoteDataConverterOptions{Endpoint: s.URL,
		Client: http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority}}}})
	p, err := keys.Converter().ToPayload("orders")
	require.NoError(t, err)
	var read string
	require.NoError(t, trusting.FromPayload(p, &read))
	require.Equal(t, "orders", read)
	status, _, _ := ask(t, "POST", "http"+strings.TrimPrefix(s.URL, "https")+"/decode", nil, nil)
	require.Equal(t, 400, status, "nothing is answered in the clear")
}

func TestStartNamesTheSetting(t *testing.T) {
	t.Parallel()
	certificate, key, _ := certify(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, taken.Close()) })
	for name, test := range map[string]struct {
		options codecserver.Options
		says    string
	}{
		"no port":               {codecserver.Options{Address: "127.0.0.1"}, `ROTOR_CODEC_ADDRESS: "127.0.0.1" is no address; wanted: host:port`},
		"every address":         {codecserver.Options{Address: ":0"}, "ROTOR_CODEC_ADDRESS: :0 is not of this machine alone, and names would travel in the clear; wanted: ROTOR_CODEC_CERTIFICATE"},
		"another address":       {codecserver.Options{Address: "192.0.2.1:0"}, "is not of this machine alone"},
		"taken":                 {codecserver.Options{Address: taken.Addr().String()}, "ROTOR_CODEC_ADDRESS: can't listen at " + taken.Addr().String()},
		"any origin":            {codecserver.Options{Address: "127.0.0.1:0", Origins: "*"}, `ROTOR_CODEC_ORIGINS: "*" is no origin`},
		"an origin with a path": {codecserver.Options{Address: "127.0.0.1:0", Origins: ui + "/"}, "is no origin"},
		"a host":                {codecserver.Options{Address: "127.0.0.1:0", Origins: "temporal.example.com"}, "is no origin"},
		"no file of the token":  {codecserver.Options{Address: "127.0.0.1:0", TokenFile: "/nowhere/token"}, "ROTOR_CODEC_TOKEN_FILE: /nowhere/token can't be read"},
		"an empty token":        {codecserver.Options{Address: "127.0.0.1:0", TokenFile: file(t, "\n")}, "at least 20 characters"},
		"a short token":         {codecserver.Options{Address: "127.0.0.1:0", TokenFile: file(t, "hunter2")}, "at least 20 characters"},
		"a certificate alone":   {codecserver.Options{Address: "127.0.0.1:0", Certificate: certificate}, "wanted: both, or none"},
		"swapped":               {codecserver.Options{Address: "127.0.0.1:0", Certificate: key, Key: certificate}, "are no certificate and its key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := codecserver.Start(newKeys(t), test.options)
			require.ErrorContains(t, err, test.says)
		})
	}
	_, err = codecserver.Start(nil, codecserver.Options{Address: "127.0.0.1:0"})
	require.ErrorContains(t, err, "there is nothing to read without keys; wanted: ROTOR_PAYLOAD_KEYS, too")
	serve(t, newKeys(t), codecserver.Options{Address: ":0", AllowHTTP: true})
}

// certify makes a certificate for this machine.
func certify(t *testing.T) (certificate, key string, authority *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	authority = x509.NewCertPool()
	require.True(t, authority.AppendCertsFromPEM(certPEM))
	return file(t, string(certPEM)), file(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))), authority
}
