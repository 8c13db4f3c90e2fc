package alibabakms_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/secretstore/alibabakms"
)

// canary is a password that is searched for in all that a process prints. Letters and digits only, so that no encoding of
// URLs or JSON hides it.
const canary = "Canary4Zq8LwT1sBf6Yx"

// nobody is an endpoint at which nobody listens. (A port that was just given up can be somebody else's a moment later.)
const nobody = "http://127.0.0.1:1"

const document = `{"AccountName":"app","AccountPassword":"` + canary + `"}`

// childVariable makes the test binary run one of the children instead of the tests: what is logged by a variable that a
// package reads when it starts, or past a replaced os.Stdout, shows in a process of its own only.
const childVariable = "ROTOR_TEST_CHILD"

var children = map[string]func(){"faults": printFaults, "raw": printRaw, "proxied": printProxied}

// child runs a child and gives all that it printed.
func child(t *testing.T, name string, env ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), append(env, childVariable+"="+name)...)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return string(output)
}

// fault is an endpoint at which calls fail.
type fault struct {
	name string
	// serve answers a request whose URI it is given, which it echoes wherever it can.
	serve func(w http.ResponseWriter, r *http.Request)
	// raw, if set, answers on the bare connection.
	raw func(net.Conn, string)
	// tls has the server speak TLS, https has the client do so, trusted has it know the server's authority.
	tls, https, trusted bool
	// code is what a put fails with, as a regular expression.
	code string
}

func echo(status int, format string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.URL.RawQuery)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, strings.ReplaceAll(document, `"`, `\"`))
	}
}

var faults = []fault{
	{name: "refused", code: "refused"},
	{name: "closed", code: "reset", raw: func(net.Conn, string) {}},
	{name: "reset", code: "reset", raw: func(c net.Conn, _ string) { _ = c.(*net.TCPConn).SetLinger(0) }},
	{name: "no http", code: "network", raw: func(c net.Conn, request string) { _, _ = io.WriteString(c, request+"\r\n\r\n") }},
	{name: "cut body", code: "reset", raw: func(c net.Conn, _ string) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"+document)
	}},
	{name: "bad chunk", code: "network", raw: func(c net.Conn, _ string) {
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+document+"\r\n")
	}},
	{name: "two answers", code: "malformed", raw: func(c net.Conn, _ string) {
		one := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(document), document)
		_, _ = io.WriteString(c, one+one)
	}},
	{name: "timeout", code: "timeout", serve: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
	{name: "redirect", code: "redirect", serve: func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere?"+r.URL.RawQuery, http.StatusFound)
	}},
	{name: "redirect with method", code: "redirect", serve: func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
	}},
	{name: "500", code: "InternalFailure", serve: echo(500, `{"Code":"InternalFailure","Message":"%s","RequestId":"x"}`)},
	{name: "signature", code: "SignatureDoesNotMatch", serve: echo(400,
		`{"Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation. server string to sign is:%s"}`)},
	{name: "code that is no string", code: "HTTP 400", serve: echo(400, `{"Code":{"a":"%s"},"Message":1,"RequestId":[]}`)},
	{name: "code that echoes", code: "HTTP 400", serve: echo(400, `{"Code":"`+canary+`","Message":"%s"}`)},
	{name: "request id that echoes", code: "Throttling", serve: echo(400, `{"Code":"Throttling","RequestId":"`+canary+`%s"}`)},
	{name: "html", code: "HTTP 502", serve: echo(502, `<html>%s</html>`)},
	{name: "html as success", code: "malformed", serve: echo(200, `<html>%s</html>`)},
	{name: "malformed", code: "malformed", serve: echo(200, `{"RequestId":"x","SecretData":"%s`)},
	{name: "wrong types", code: "malformed", serve: echo(200, `{"RequestId":"x","SecretData":"%s","VersionIds":1,"VersionStages":{"VersionStage":1}}`)},
	{name: "another type", code: "malformed", serve: echo(200, `{"RequestId":"x","SecretData":"%[1]s","SecretType":"%[1]s","CreateTime":"%[1]s"}`)},
	{name: "huge", code: "too-large", serve: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat(document, 1<<20/len(document)+1))
	}},
	{name: "huge header", code: "network", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Echo", strings.Repeat(canary, 1<<13))
	}},
	{name: "untrusted", tls: true, https: true, code: "tls", serve: echo(200, "%s")},
	{name: "no tls", https: true, code: "tls", serve: echo(200, "%s")},
	{name: "tls where plain is spoken", tls: true, code: "HTTP 400|reset", serve: echo(200, "%s")},
	{name: "handshake closed", https: true, code: "reset", raw: func(net.Conn, string) {}},
	{name: "500 over tls", tls: true, https: true, trusted: true, code: "InternalFailure", serve: echo(500, `{"Code":"InternalFailure","Message":"%s"}`)},
}

// open starts the fault's server; it gives the endpoint's URL and the authority to trust.
func (f fault) open() (string, *x509.CertPool, func()) {
	if f.raw == nil && f.serve == nil {
		return nobody, nil, func() {}
	}
	if f.raw != nil {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		go func() {
			for {
				c, err := listener.Accept()
				if err != nil {
					return
				}
				request := make([]byte, 64<<10)
				n, _ := c.Read(request)
				f.raw(c, string(request[:n]))
				_ = c.Close()
			}
		}()
		return f.scheme() + listener.Addr().String(), nil, func() { _ = listener.Close() }
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	if !f.tls {
		server.Start()
		return f.scheme() + server.Listener.Addr().String(), nil, server.Close
	}
	server.StartTLS()
	var roots *x509.CertPool
	if f.trusted {
		roots = x509.NewCertPool()
		roots.AddCert(server.Certificate())
	}
	return f.scheme() + server.Listener.Addr().String(), roots, server.Close
}

func (f fault) scheme() string {
	if f.https {
		return "https://"
	}
	return "http://"
}

// printFaults makes every call at every fault and prints each error in every way there is.
func printFaults() {
	for _, f := range faults {
		endpoint, roots, closeServer := f.open()
		store, err := alibabakms.New(alibabakms.Options{Endpoint: endpoint, RootCAs: roots, Timeout: faultTimeout(f)})
		if err != nil {
			panic(err)
		}
		ctx := context.Background()
		_, listErr := store.Versions(ctx, ref)
		_, readErr := store.Read(ctx, ref, "v1")
		_, currentErr := store.ReadCurrent(ctx, ref)
		putErr := store.PutPending(ctx, ref, "v2", rotation.NewSecret(document))
		moveErr := store.MoveCurrent(ctx, ref, "v1", "v2")
		removeErr := store.RemovePending(ctx, ref, "v2")
		for _, err := range []error{listErr, readErr, currentErr, putErr, moveErr, removeErr} {
			for e := err; e != nil; e = errors.Unwrap(e) {
				encoded, jsonErr := json.Marshal(e)
				fmt.Printf("%v\n%+v\n%#v\n%q\n%x\n%s %v\n", e, e, e, e, e, encoded, jsonErr)
				slog.Error("failed", "error", e)
			}
		}
		fmt.Printf("fault %s: put fails with %q\n", f.name, rotation.CodeOf(putErr))
		closeServer()
	}
}

func faultTimeout(f fault) time.Duration {
	if f.name == "timeout" {
		return 50 * time.Millisecond
	}
	return 0
}

// printRaw makes a call at a fault with the SDK as it comes.
func printRaw() {
	endpoint, _, closeServer := faults[0].open()
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

// lines gives the lines of a text that have a word in them.
func lines(text, word string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return !strings.Contains(line, word) }), "\n")
}

func TestNothingLeaks(t *testing.T) {
	for name, env := range map[string][]string{
		"plain":     nil,
		"sdk debug": {"DEBUG=sdk"},
		"go debug":  {"GODEBUG=http2debug=2,netdns=go+2"},
	} {
		t.Run(name, func(t *testing.T) {
			output := child(t, "faults", env...)
			for _, f := range faults {
				require.Regexp(t, fmt.Sprintf("(?m)^fault %s: put fails with \"(%s)\"$", f.name, f.code), lines(output, "fault "))
			}
			for _, form := range []string{canary, fmt.Sprintf("%x", canary)} {
				// Not NotContains, which would print all of it.
				require.False(t, strings.Contains(output, form), "%s", lines(output, form))
			}
		})
	}
}

// TestTheSearchFindsLeaks has the SDK leak in the two ways that TestNothingLeaks is about.
func TestTheSearchFindsLeaks(t *testing.T) {
	require.Contains(t, child(t, "raw"), canary, "in an error")
	require.Contains(t, child(t, "raw", "DEBUG=sdk"), canary, "on standard output")
}

// recorder is a proxy that lets nothing through and remembers what it was asked.
type recorder struct {
	mu       sync.Mutex
	requests []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request.Method+" "+request.RequestURI)
	w.WriteHeader(http.StatusProxyAuthRequired)
}

func (r *recorder) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}

// printProxied puts through http and https; 0.0.0.0 is this machine, but no proxy setting takes it for that.
func printProxied() {
	server := httptest.NewServer(withBody(200, `{"RequestId":"x","VersionId":"v2"}`))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for _, scheme := range []string{"http", "https"} {
		store, err := alibabakms.New(alibabakms.Options{Endpoint: scheme + "://0.0.0.0:" + port, AllowHTTP: true})
		if err != nil {
			panic(err)
		}
		fmt.Println(scheme+":", store.PutPending(context.Background(), ref, "v2", rotation.NewSecret(document)))
	}
}

func TestProxySeesNoPlainRequest(t *testing.T) {
	var proxy recorder
	server := httptest.NewServer(&proxy)
	t.Cleanup(server.Close)
	output := child(t, "proxied", "HTTP_PROXY="+server.URL, "HTTPS_PROXY="+server.URL, "NO_PROXY=")
	require.Contains(t, output, "http: <nil>")
	require.Contains(t, output, "https: cannot write version v2")
	require.Contains(t, output, "status 407; nothing was sent, so nothing has changed (proxy)")
	require.Len(t, proxy.seen(), 1)
	require.Regexp(t, `^CONNECT 0\.0\.0\.0:\d+$`, proxy.seen()[0])

	output = child(t, "proxied", "HTTPS_PROXY=http://user:"+canary+"@127.0.0.1:1", "NO_PROXY=")
	require.Contains(t, output, "HTTPS_PROXY did not let the call through: it can't be reached")
	require.NotContains(t, output, canary)
}

// TestUnreadableProxySettings has settings that the SDK fails on for every call.
func TestUnreadableProxySettings(t *testing.T) {
	output := child(t, "proxied", "HTTP_PROXY=http://%zz"+canary, "HTTPS_PROXY=http://%zz"+canary, "NO_PROXY=(")
	require.Contains(t, output, "http: <nil>")
	require.NotContains(t, output, canary)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere recorder
	other := httptest.NewServer(&elsewhere)
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		store := answering(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.RequestURI, status)
		}, alibabakms.Options{})
		requireKind(t, store.PutPending(t.Context(), ref, "v2", rotation.NewSecret(document)), rotation.Retryable, "redirect")
	}
	require.Empty(t, elsewhere.seen())
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
