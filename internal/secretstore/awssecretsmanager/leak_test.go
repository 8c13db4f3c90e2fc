package awssecretsmanager_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/secretstore/awssecretsmanager"
	"rotor/internal/wire/wiretest"
)

const document = `{"username":"app","password":"` + wiretest.Canary + `"}`

var children = map[string]func(context.Context){"faults": printFaults, "raw": printRaw, "proxied": printProxied}

func faults() []wiretest.Fault {
	echo := func(status int, format string) http.HandlerFunc { return wiretest.Echo(status, document, format) }
	return append(wiretest.Faults(document), []wiretest.Fault{
		{Name: "500", Code: "InternalServiceError", Serve: echo(500, `{"__type":"InternalServiceError","Message":"%s"}`)},
		{Name: "code that is no string", Code: "HTTP 400|malformed", Serve: echo(400, `{"__type":{"a":"%s"},"Message":1}`)},
		{Name: "code that echoes", Code: "HTTP 400", Serve: echo(400, `{"__type":"`+wiretest.Canary+`","Message":"%s"}`)},
		{Name: "code in a header", Code: "HTTP 400", Serve: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-ErrorType", wiretest.Canary)
			w.Header().Set("X-Amzn-RequestId", wiretest.Canary)
			w.WriteHeader(400)
		}},
		{Name: "malformed", Code: "malformed", Serve: echo(200, `{"ARN":"x","SecretString":"%s`)},
		{Name: "wrong types", Code: "malformed", Serve: echo(200, `{"ARN":7,"VersionId":{"a":"%s"}}`)},
		{Name: "another version", Code: "malformed", Serve: echo(200, `{"VersionId":"%[1]s","SecretString":"%[1]s","CreatedDate":"%[1]s"}`)},
		{Name: "managed by what echoes", Code: "malformed", Serve: echo(200, `{"ARN":"x","OwningService":"%[1]s","RotationLambdaARN":"%[1]s"}`)},
	}...)
}

// printFaults makes every call at every fault and prints each error in every way there is.
func printFaults(ctx context.Context) {
	for _, f := range faults() {
		endpoint, _, closeServer := f.Open()
		timeout := time.Duration(0)
		if f.Name == "timeout" {
			timeout = 50 * time.Millisecond
		}
		store, err := awssecretsmanager.New(awssecretsmanager.Options{Endpoint: endpoint, Timeout: timeout})
		if err != nil {
			panic(err)
		}
		_, listErr := store.Versions(ctx, ref)
		_, readErr := store.Read(ctx, ref, id(1))
		_, currentErr := store.ReadCurrent(ctx, ref)
		putErr := store.PutPending(ctx, ref, id(2), rotation.NewSecret(document))
		moveErr := store.MoveCurrent(ctx, ref, id(1), id(2))
		removeErr := store.RemovePending(ctx, ref, id(2))
		for _, err := range []error{listErr, readErr, currentErr, putErr, moveErr, removeErr} {
			wiretest.PrintError(err)
		}
		fmt.Printf("fault %s: put fails with %q\n", f.Name, rotation.CodeOf(putErr))
		closeServer()
	}
}

// printRaw makes a call with the SDK as it comes, and prints the error or, as the SDK can be told to, the request.
func printRaw(ctx context.Context) {
	server := httptest.NewServer(wiretest.Echo(400, document, `{"__type":"InternalServiceError","Message":"%s"}`))
	defer server.Close()
	mode := aws.ClientLogMode(0)
	if os.Getenv("LOG_REQUESTS") != "" {
		mode = aws.LogRequestWithBody
	}
	loaded, err := config.LoadDefaultConfig(ctx, config.WithRegion(ref.Region), config.WithClientLogMode(mode))
	if err != nil {
		panic(err)
	}
	client := secretsmanager.NewFromConfig(loaded, func(o *secretsmanager.Options) { o.BaseEndpoint, o.RetryMaxAttempts = &server.URL, 1 })
	_, err = client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String(document)})
	if mode == 0 {
		fmt.Println(err)
	}
}

func TestNothingLeaks(t *testing.T) {
	for name, env := range map[string][]string{"plain": nil, "go debug": {"GODEBUG=http2debug=2,netdns=go+2"}} {
		t.Run(name, func(t *testing.T) {
			output := wiretest.Child(t, "faults", env...)
			for _, f := range faults() {
				require.Regexp(t, fmt.Sprintf("(?m)^fault %s: put fails with \"(%s)\"$", f.Name, f.Code), wiretest.Lines(output, "fault "))
			}
			wiretest.RequireNoCanary(t, output)
		})
	}
}

// TestTheSearchFindsLeaks has the SDK leak in two ways.
func TestTheSearchFindsLeaks(t *testing.T) {
	require.Contains(t, wiretest.Child(t, "raw"), wiretest.Canary, "in an error")
	require.Contains(t, wiretest.Child(t, "raw", "LOG_REQUESTS=1"), wiretest.Canary, "in its log")
}

// printProxied puts through http and https; 0.0.0.0 is this machine, but no proxy setting takes it for that.
func printProxied(ctx context.Context) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"VersionId":"`+id(2)+`"}`)
	}))
	defer server.Close()
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for _, scheme := range []string{"http", "https"} {
		store, err := awssecretsmanager.New(awssecretsmanager.Options{Endpoint: scheme + "://0.0.0.0:" + port, AllowHTTP: true})
		if err != nil {
			panic(err)
		}
		fmt.Println(scheme+":", store.PutPending(ctx, ref, id(2), rotation.NewSecret(document)))
	}
}

func TestProxySeesNoPlainRequest(t *testing.T) {
	var proxy wiretest.Recorder
	server := httptest.NewServer(&proxy)
	t.Cleanup(server.Close)
	output := wiretest.Child(t, "proxied", "HTTP_PROXY="+server.URL, "HTTPS_PROXY="+server.URL, "NO_PROXY=")
	require.Contains(t, output, "http: <nil>")
	require.Contains(t, output, "status 407; nothing was sent, so nothing has changed (proxy)")
	require.Len(t, proxy.Seen(), 1)
	require.Regexp(t, `^CONNECT 0\.0\.0\.0:\d+$`, proxy.Seen()[0])
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere wiretest.Recorder
	other := httptest.NewServer(&elsewhere)
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		store := answering(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		requireKind(t, store.PutPending(t.Context(), ref, id(2), rotation.NewSecret(document)), rotation.Retryable, "redirect")
	}
	require.Empty(t, elsewhere.Seen())
}

// TestPlainEndpointOfTheEnvironment is about endpoints that New does not get to see.
func TestPlainEndpointOfTheEnvironment(t *testing.T) {
	var elsewhere wiretest.Recorder
	server := httptest.NewServer(&elsewhere)
	t.Cleanup(server.Close)
	port := strings.TrimPrefix(server.URL, "http://127.0.0.1")
	for name, c := range map[string]struct {
		endpoint string
		allow    bool
		code     string
	}{
		"another machine": {"http://0.0.0.0" + port, false, "plain-http"},
		"allowed":         {"http://0.0.0.0" + port, true, "HTTP 407"},
		"this machine":    {server.URL, false, "HTTP 407"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", c.endpoint)
			store, err := awssecretsmanager.New(awssecretsmanager.Options{AllowHTTP: c.allow})
			require.NoError(t, err)
			requireKind(t, store.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x")), rotation.Retryable, c.code)
		})
	}
	require.Len(t, elsewhere.Seen(), 2)
	_, err := awssecretsmanager.New(awssecretsmanager.Options{Endpoint: "http://secrets.example.com"})
	requireKind(t, err, rotation.Permanent, "", "SECRETS_MANAGER_ENDPOINT", "ROTOR_ALLOW_HTTP=1")
}

func quiet(server *httptest.Server) { server.Config.ErrorLog = log.New(io.Discard, "", 0) }
