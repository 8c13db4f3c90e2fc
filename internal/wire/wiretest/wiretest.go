// Package wiretest is for the tests of stores: endpoints at which calls fail in every way that quotes what was sent or
// received, and a search for what leaks then.
package wiretest

import (
	"bufio"
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

	"github.com/stretchr/testify/require"
)

// Canary is a password that is searched for in all that a process prints. Letters and digits only, so that no encoding of
// URLs or JSON hides it.
const Canary = "Canary4Zq8LwT1sBf6Yx"

// Nobody is an endpoint at which nobody listens. (A port that was just given up can be somebody else's a moment later.)
const Nobody = "http://127.0.0.1:1"

// childVariable makes the test binary run one of the children instead of the tests: what is logged by a variable that a
// package reads when it starts, or past a replaced os.Stdout, shows in a process of its own only.
const childVariable = "ROTOR_TEST_CHILD"

// Main is a TestMain whose process has a home of its own and these variables, or that is one of the children.
func Main(m *testing.M, env func(home string) map[string]string, children map[string]func(context.Context)) {
	home, err := os.MkdirTemp("", "wire")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	variables := env(home)
	variables["HOME"] = home
	for name, value := range variables {
		if err := os.Setenv(name, value); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := 0
	if run, asked := children[os.Getenv(childVariable)]; asked {
		run(context.Background())
	} else {
		code = m.Run()
	}
	_ = os.RemoveAll(home)
	os.Exit(code)
}

// AlibabaCloud gives the SDK's default chain of credentials an access key, and nothing else; for Main.
func AlibabaCloud(keyID, secret string) func(home string) map[string]string {
	return func(string) map[string]string {
		return map[string]string{
			"ALIBABA_CLOUD_ACCESS_KEY_ID": keyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": secret, "ALIBABA_CLOUD_SECURITY_TOKEN": "",
			"ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
		}
	}
}

// Child runs a child and gives all that it printed.
func Child(t *testing.T, name string, env ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0])
	command.Env = append(os.Environ(), append(env, childVariable+"="+name)...)
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s", output)
	return string(output)
}

// PrintError prints an error, and what it wraps, in every way there is.
func PrintError(err error) {
	for e := err; e != nil; e = errors.Unwrap(e) {
		encoded, jsonErr := json.Marshal(e)
		fmt.Printf("%v\n%+v\n%#v\n%q\n%x\n%s %v\n", e, e, e, e, e, encoded, jsonErr)
		slog.Error("failed", "error", e)
	}
}

// RequireNoCanary searches a text for the canary.
func RequireNoCanary(t *testing.T, text string) {
	t.Helper()
	for _, form := range []string{Canary, fmt.Sprintf("%x", Canary)} {
		// Not NotContains, which would print all of it.
		require.False(t, strings.Contains(text, form), "%s", Lines(text, form))
	}
}

// Lines gives the lines of a text that have a word in them.
func Lines(text, word string) string {
	return strings.Join(slices.DeleteFunc(strings.Split(text, "\n"), func(line string) bool { return !strings.Contains(line, word) }), "\n")
}

// Fault is an endpoint at which calls fail.
type Fault struct {
	Name string
	// Serve answers a request. One that has neither Serve nor Raw is an endpoint at which nobody listens.
	Serve http.HandlerFunc
	// Raw, if set, answers on the bare connection; it gets the request's URI and body.
	Raw func(net.Conn, string)
	// TLS has the server speak TLS, HTTPS has the client do so, Trusted has it know the server's authority.
	TLS, HTTPS, Trusted bool
	// Code is what a put fails with, as a regular expression.
	Code string
}

// Echo answers with the request's parameters in a header, and with the format filled in with the document as it stands within
// a JSON string.
func Echo(status int, document, format string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Echo", r.URL.RawQuery)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, format, strings.ReplaceAll(document, `"`, `\"`))
	}
}

// Faults are those that have nothing to do with an API. The document holds the canary.
func Faults(document string) []Fault {
	return []Fault{
		{Name: "refused", Code: "refused"},
		{Name: "closed", Code: "reset", Raw: func(net.Conn, string) {}},
		{Name: "reset", Code: "reset", Raw: func(c net.Conn, _ string) { _ = c.(*net.TCPConn).SetLinger(0) }},
		{Name: "no http", Code: "network", Raw: func(c net.Conn, request string) { _, _ = io.WriteString(c, request+"\r\n\r\n") }},
		{Name: "cut body", Code: "reset", Raw: func(c net.Conn, _ string) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"+document)
		}},
		{Name: "bad chunk", Code: "network", Raw: func(c net.Conn, _ string) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+document+"\r\n")
		}},
		{Name: "two answers", Code: "malformed", Raw: func(c net.Conn, _ string) {
			one := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(document), document)
			_, _ = io.WriteString(c, one+one)
		}},
		{Name: "timeout", Code: "timeout", Serve: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }},
		{Name: "redirect", Code: "redirect", Serve: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?"+r.URL.RawQuery, http.StatusFound)
		}},
		{Name: "redirect with method", Code: "redirect", Serve: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere?"+r.URL.RawQuery, http.StatusTemporaryRedirect)
		}},
		{Name: "html", Code: "HTTP 502", Serve: Echo(502, document, `<html>%s</html>`)},
		{Name: "html as success", Code: "malformed", Serve: Echo(200, document, `<html>%s</html>`)},
		{Name: "huge", Code: "too-large", Serve: func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, strings.Repeat(document, 1<<20/len(document)+1))
		}},
		{Name: "huge header", Code: "network", Serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Echo", strings.Repeat(Canary, 1<<13))
		}},
		{Name: "untrusted", TLS: true, HTTPS: true, Code: "tls", Serve: Echo(200, document, "%s")},
		{Name: "no tls", HTTPS: true, Code: "tls", Serve: Echo(200, document, "%s")},
		{Name: "tls where plain is spoken", TLS: true, Code: "HTTP 400|reset", Serve: Echo(200, document, "%s")},
		{Name: "handshake closed", HTTPS: true, Code: "reset", Raw: func(net.Conn, string) {}},
	}
}

// Open starts the fault's server; it gives the endpoint's URL and the authority to trust.
func (f Fault) Open() (string, *x509.CertPool, func()) {
	switch {
	case f.Raw != nil:
		return f.openRaw()
	case f.Serve == nil:
		return Nobody, nil, func() {}
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// An answer while the request is still being written, or a client that is gone meanwhile, would be another fault.
		_, _ = io.Copy(io.Discard, r.Body)
		f.Serve(w, r)
	}))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, 0)
	if !f.TLS {
		server.Start()
		return f.scheme() + server.Listener.Addr().String(), nil, server.Close
	}
	server.StartTLS()
	var roots *x509.CertPool
	if f.Trusted {
		roots = x509.NewCertPool()
		roots.AddCert(server.Certificate())
	}
	return f.scheme() + server.Listener.Addr().String(), roots, server.Close
}

func (f Fault) openRaw() (string, *x509.CertPool, func()) {
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
			text := ""
			if request, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
				// All of it, so that closing the connection does not reset it.
				body, _ := io.ReadAll(request.Body)
				text = request.RequestURI + string(body)
			}
			f.Raw(c, text)
			_ = c.Close()
		}
	}()
	return f.scheme() + listener.Addr().String(), nil, func() { _ = listener.Close() }
}

func (f Fault) scheme() string {
	if f.HTTPS {
		return "https://"
	}
	return "http://"
}

// Recorder is a server, or a proxy, that lets nothing through and remembers what it was asked.
type Recorder struct {
	mu       sync.Mutex
	requests []string
}

// ServeHTTP implements http.Handler.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request.Method+" "+request.RequestURI)
	w.WriteHeader(http.StatusProxyAuthRequired)
}

// Seen gives method and address of the requests so far.
func (r *Recorder) Seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.requests)
}
