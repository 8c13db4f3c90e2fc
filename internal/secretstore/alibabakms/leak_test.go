package alibabakms_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/secretstore/alibabakms"
	"rotor/internal/wire/wiretest"
)

const document = `{"AccountName":"app","AccountPassword":"` + wiretest.Canary + `"}`

var children = map[string]func(context.Context){"faults": printFaults, "raw": printRaw, "proxied": printProxied}

func faults() []wiretest.Fault {
	echo := func(status int, format string) http.HandlerFunc { return wiretest.Echo(status, document, format) }
	return append(wiretest.Faults(document), []wiretest.Fault{
		{Name: "500", Code: "InternalFailure", Serve: echo(500, `{"Code":"InternalFailure","Message":"%s","RequestId":"x"}`)},
		{Name: "signature", Code: "SignatureDoesNotMatch", Serve: echo(400,
			`{"Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation. server string to sign is:%s"}`)},
		{Name: "code that is no string", Code: "HTTP 400", Serve: echo(400, `{"Code":{"a":"%s"},"Message":1,"RequestId":[]}`)},
		{Name: "code that echoes", Code: "HTTP 400", Serve: echo(400, `{"Code":"`+wiretest.Canary+`","Message":"%s"}`)},
		{Name: "request id that echoes", Code: "Throttling", Serve: echo(400, `{"Code":"Throttling","RequestId":"`+wiretest.Canary+`%s"}`)},
		{Name: "malformed", Code: "malformed", Serve: echo(200, `{"RequestId":"x","SecretData":"%s`)},
		{Name: "wrong types", Code: "malformed", Serve: echo(200, `{"RequestId":"x","SecretData":"%s","VersionIds":1,"VersionStages":{"VersionStage":1}}`)},
		{Name: "another type", Code: "malformed", Serve: echo(200, `{"RequestId":"x","SecretData":"%[1]s","SecretType":"%[1]s","CreateTime":"%[1]s"}`)},
		{Name: "500 over tls", TLS: true, HTTPS: true, Trusted: true, Code: "InternalFailure", Serve: echo(500, `{"Code":"InternalFailure","Message":"%s"}`)},
	}...)
}

// printFaults makes every call at every fault and prints each error in every way there is.
func printFaults(ctx context.Context) {
	for _, f := range faults() {
		endpoint, roots, closeServer := f.Open()
		store, err := alibabakms.New(alibabakms.Options{Endpoint: endpoint, RootCAs: roots, Timeout: faultTimeout(f)})
		if err != nil {
			panic(err)
		}
		_, listErr := store.Versions(ctx, ref)
		_, readErr := store.Read(ctx, ref, "v1")
		_, currentErr := store.ReadCurrent(ctx, ref)
		putErr := store.PutPending(ctx, ref, "v2", rotation.NewSecret(document))
		moveErr := store.MoveCurrent(ctx, ref, "v1", "v2")
		removeErr := store.RemovePending(ctx, ref, "v2")
		for _, err := range []error{listErr, readErr, currentErr, putErr, moveErr, removeErr} {
			wiretest.PrintError(err)
		}
		fmt.Printf("fault %s: put fails with %q\n", f.Name, rotation.CodeOf(putErr))
		closeServer()
	}
}

func faultTimeout(f wiretest.Fault) time.Duration {
	if f.Name == "timeout" {
		return 50 * time.Millisecond
	}
	return 0
}

// printRaw makes a call at a fault with the SDK as it comes.
func printRaw(context.Context) {
	endpoint, _, closeServer := faults()[0].Open()
	defer closeServer()
	client, err := kms.NewClientWithOptions(ref.Region, sdk.NewConfig(), credentials.NewAccessKeyCredential("id", "secret"))
	if err != nil {
		panic(err)
	}
	request := kms.CreatePutSecretValueRequest()
	request.SecretName, request.VersionId, request.SecretData = ref.Name, "v2", document
	request.SetDomain(strings.TrimPrefix(endpoint, "http://"))
	_, err = client.PutSecretValue(request)
	if os.Getenv("DEBUG") == "" {
		fmt.Println(err)
	}
}

func TestNothingLeaks(t *testing.T) {
	for name, env := range map[string][]string{
		"plain":     nil,
		"sdk debug": {"DEBUG=sdk"},
		"go debug":  {"GODEBUG=http2debug=2,netdns=go+2"},
	} {
		t.Run(name, func(t *testing.T) {
			output := wiretest.Child(t, "faults", env...)
			for _, f := range faults() {
				require.Regexp(t, fmt.Sprintf("(?m)^fault %s: put fails with \"(%s)\"$", f.Name, f.Code), wiretest.Lines(output, "fault "))
			}
			wiretest.RequireNoCanary(t, output)
		})
	}
}

// TestTheSearchFindsLeaks has the SDK leak in the two ways that TestNothingLeaks is about.
func TestTheSearchFindsLeaks(t *testing.T) {
	require.Contains(t, wiretest.Child(t, "raw"), wiretest.Canary, "in an error")
	require.Contains(t, wiretest.Child(t, "raw", "DEBUG=sdk"), wiretest.Canary, "on standard output")
}

// printProxied puts through http and https; 0.0.0.0 is this machine, but no proxy setting takes it for that.
func printProxied(ctx context.Context) {
	server := httptest.NewServer(withBody(200, `{"RequestId":"x","VersionId":"v2"}`))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for _, scheme := range []string{"http", "https"} {
		store, err := alibabakms.New(alibabakms.Options{Endpoint: scheme + "://0.0.0.0:" + port, AllowHTTP: true})
		if err != nil {
			panic(err)
		}
		fmt.Println(scheme+":", store.PutPending(ctx, ref, "v2", rotation.NewSecret(document)))
	}
}

func TestProxySeesNoPlainRequest(t *testing.T) {
	var proxy wiretest.Recorder
	server := httptest.NewServer(&proxy)
	t.Cleanup(server.Close)
	output := wiretest.Child(t, "proxied", "HTTP_PROXY="+server.URL, "HTTPS_PROXY="+server.URL, "NO_PROXY=")
	require.Contains(t, output, "http: <nil>")
	require.Contains(t, output, "https: cannot write version v2")
	require.Contains(t, output, "status 407; nothing was sent, so nothing has changed (proxy)")
	require.Len(t, proxy.Seen(), 1)
	require.Regexp(t, `^CONNECT 0\.0\.0\.0:\d+$`, proxy.Seen()[0])

	output = wiretest.Child(t, "proxied", "HTTPS_PROXY=http://user:"+wiretest.Canary+"@127.0.0.1:1", "NO_PROXY=")
	require.Contains(t, output, "HTTPS_PROXY did not let the call through: it can't be reached")
	wiretest.RequireNoCanary(t, output)
}

// TestUnreadableProxySettings has settings that the SDK fails on for every call.
func TestUnreadableProxySettings(t *testing.T) {
	output := wiretest.Child(t, "proxied", "HTTP_PROXY=http://%zz"+wiretest.Canary, "HTTPS_PROXY=http://%zz"+wiretest.Canary, "NO_PROXY=(")
	require.Contains(t, output, "http: <nil>")
	wiretest.RequireNoCanary(t, output)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere wiretest.Recorder
	other := httptest.NewServer(&elsewhere)
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		store := answering(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.RequestURI, status)
		}, alibabakms.Options{})
		requireKind(t, store.PutPending(t.Context(), ref, "v2", rotation.NewSecret(document)), rotation.Retryable, "redirect")
	}
	require.Empty(t, elsewhere.Seen())
}

func TestTLSIsVerified(t *testing.T) {
	server := httptest.NewUnstartedServer(withBody(200, `{"RequestId":"x","VersionId":"v2"}`))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	port := server.Listener.Addr().(*net.TCPAddr).Port
	for name, c := range map[string]struct {
		roots *x509.CertPool
		host  string
		words string
	}{
		"trusted":      {roots, "127.0.0.1", ""},
		"untrusted":    {nil, "127.0.0.1", "authority that this machine does not trust"},
		"another name": {roots, "localhost", "certificate is for another name"},
	} {
		t.Run(name, func(t *testing.T) {
			store, err := alibabakms.New(alibabakms.Options{Endpoint: fmt.Sprintf("https://%s:%d", c.host, port), RootCAs: c.roots})
			require.NoError(t, err)
			err = store.PutPending(t.Context(), ref, "v2", rotation.NewSecret("x"))
			if c.words == "" {
				require.NoError(t, err)
				return
			}
			requireKind(t, err, rotation.Retryable, "tls", c.words, "nothing was sent, so nothing has changed")
		})
	}
}

// TestValueTravels makes sure that what is kept from the SDK arrives all the same, in the one request.
func TestValueTravels(t *testing.T) {
	var got bytes.Buffer
	store := answering(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = got.WriteString(r.URL.Query().Get("SecretData"))
		_, _ = io.WriteString(w, `{"RequestId":"x","VersionId":"v2"}`)
	}, alibabakms.Options{})
	require.NoError(t, store.PutPending(t.Context(), ref, "v2", rotation.NewSecret(document)))
	require.Equal(t, document, got.String())
}
