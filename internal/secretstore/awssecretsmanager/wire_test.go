package awssecretsmanager_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	sim "rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/rotation"
	"rotor/internal/secretstore/awssecretsmanager"
	"rotor/internal/wire/wiretest"
)

// answering is a store in front of a server that answers every request in one way.
func answering(t *testing.T, handler http.HandlerFunc) *awssecretsmanager.Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	store, err := awssecretsmanager.New(awssecretsmanager.Options{Endpoint: server.URL, Timeout: time.Minute})
	require.NoError(t, err)
	return store
}

func TestCodes(t *testing.T) {
	const (
		retryable = rotation.Retryable
		permanent = rotation.Permanent
	)
	for _, c := range []struct {
		status int
		code   string
		kind   rotation.Kind
		words  string
	}{
		{400, "ResourceNotFoundException", permanent, "no such secret"},
		{400, "ResourceExistsException", rotation.Conflict, "another value"},
		{400, "InvalidRequestException", permanent, "state"},
		{400, "InvalidParameterException", permanent, "parameter"},
		{400, "ValidationException", permanent, "invalid"},
		{400, "SerializationException", permanent, "endpoint"},
		{400, "LimitExceededException", permanent, "20 labels"},
		{400, "DecryptionFailure", permanent, "kms:Decrypt"},
		{400, "EncryptionFailure", permanent, "kms:GenerateDataKey"},
		{400, "AccessDeniedException", permanent, "secretsmanager:GetSecretValue"},
		{403, "AccessDenied", permanent, "secretsmanager:GetSecretValue"},
		{403, "Something", permanent, "forbids"},
		{400, "UnrecognizedClientException", permanent, "access key"},
		{403, "InvalidClientTokenId", permanent, "access key"},
		{400, "MissingAuthenticationTokenException", permanent, "credentials"},
		{400, "IncompleteSignatureException", permanent, "access key"},
		{400, "InvalidSignatureException", retryable, "clock"},
		{403, "SignatureDoesNotMatch", retryable, "clock"},
		{400, "RequestExpired", retryable, "clock"},
		{403, "RequestTimeTooSkewed", retryable, "clock"},
		{400, "ExpiredTokenException", retryable, "expired"},
		{403, "ExpiredToken", retryable, "expired"},
		{403, "OptInRequired", permanent, "signed up"},
		{400, "UnknownOperationException", permanent, "endpoint"},
		{400, "ThrottlingException", retryable, "no more requests"},
		{400, "Throttling", retryable, "no more requests"},
		{400, "TooManyRequestsException", retryable, "no more requests"},
		{400, "RequestLimitExceeded", retryable, "no more requests"},
		{503, "SlowDown", retryable, "no more requests"},
		{500, "InternalServiceError", retryable, "failed inside"},
		{500, "InternalFailure", retryable, "failed inside"},
		{503, "ServiceUnavailable", retryable, "not available"},
		{418, "SomethingNew", retryable, "does not know (status 418)"},
		{502, "SomethingNew", retryable, "failed inside"},
	} {
		for _, form := range []string{"body", "header"} {
			t.Run(fmt.Sprint(c.status, " ", c.code, " in ", form), func(t *testing.T) {
				const request = "5b75d8b1-5b6a-4ec0-8e0c-c08befdfad47"
				store := answering(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("X-Amzn-RequestId", request)
					body := `{"Message":"quoted"}`
					if form == "body" {
						body = `{"__type":"com.amazonaws.secretsmanager#` + c.code + `","Message":"quoted"}`
					} else {
						w.Header().Set("X-Amzn-ErrorType", c.code+":http://internal.amazon.com/")
					}
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, body)
				})
				_, err := store.ReadCurrent(t.Context(), ref)
				requireKind(t, err, c.kind, c.code, "read the current version of secret db/app in eu-central-1", c.words, request)
				require.NotContains(t, err.Error(), "quoted")
				e, ok := errors.AsType[*rotation.Error](err)
				require.True(t, ok)
				require.Equal(t, c.words == "no more requests", e.Throttled)
			})
		}
	}
}

func TestAnswersThatAreNotOfSecretsManager(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		code   string
	}{
		"html":            {403, "<html>blocked</html>", "HTTP 403"},
		"empty":           {502, "", "HTTP 502"},
		"code is no code": {400, `{"__type":"<b>no</b>"}`, "HTTP 400"},
		"html as success": {200, "<html>welcome</html>", "malformed"},
		"empty success":   {200, "", "malformed"},
		"empty object":    {200, "{}", "malformed"},
		"null":            {200, "null", "malformed"},
		"list":            {200, "[]", "malformed"},
		"cut off":         {200, `{"ARN":"x","Secr`, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			store := answering(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			})
			_, err := store.ReadCurrent(t.Context(), ref)
			requireKind(t, err, rotation.Retryable, c.code)
			_, err = store.Versions(t.Context(), ref)
			requireKind(t, err, rotation.Retryable, c.code)
			requireKind(t, store.PutPending(t.Context(), ref, id(2), rotation.NewSecret("x")), rotation.Retryable, c.code)
			requireKind(t, store.MoveCurrent(t.Context(), ref, id(1), id(2)), rotation.Retryable, c.code)
			requireKind(t, store.RemovePending(t.Context(), ref, id(2)), rotation.Retryable, c.code)
		})
	}
}

func TestIncompleteAnswers(t *testing.T) {
	for name, c := range map[string]struct{ body, call string }{
		"no time":         {`{"ARN":"x","VersionId":"` + id(1) + `","SecretString":"x"}`, "read"},
		"no value":        {`{"ARN":"x","VersionId":"` + id(1) + `","CreatedDate":1}`, "read"},
		"another version": {`{"ARN":"x","VersionId":"` + id(2) + `","SecretString":"x","CreatedDate":1}`, "read"},
		"entry, no time":  {`{"ARN":"x","Versions":[{"VersionId":"v"}]}`, "list"},
		"entry, no id":    {`{"ARN":"x","Versions":[{"CreatedDate":1}]}`, "list"},
		"never ending":    {`{"ARN":"x","Versions":[],"NextToken":"again"}`, "list"},
	} {
		t.Run(name, func(t *testing.T) {
			store := answering(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.body) })
			var err error
			if c.call == "read" {
				_, err = store.Read(t.Context(), ref, id(1))
			} else {
				_, err = store.Versions(t.Context(), ref)
			}
			requireKind(t, err, rotation.Retryable, "malformed")
		})
	}
}

// TestReplica has a secret whose primary is elsewhere, which the simulator has none of.
func TestReplica(t *testing.T) {
	store := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"ARN":"x","PrimaryRegion":"us-east-1"}`)
	})
	_, err := store.Versions(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, "", "replica", "us-east-1")
}

// patience bounds what a test waits for; nothing takes so long unless it is broken.
const patience = 20 * time.Second

func within(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.Fail(t, "it does not happen")
	}
}

func TestCancelAborts(t *testing.T) {
	arrived, gone := make(chan struct{}), make(chan struct{})
	store := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		// Go notices that a client is gone only once the body is read.
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
		close(gone)
	})
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- store.PutPending(ctx, ref, id(2), rotation.NewSecret("x")) }()
	within(t, arrived)
	cancel()
	within(t, gone)
	requireKind(t, <-result, rotation.Retryable, "cancelled", "given up", "whether it took effect is not known")
}

func TestCancelledBefore(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	requireKind(t, b.PutPending(ctx, ref, id(2), rotation.NewSecret("x")), rotation.Retryable, "cancelled", "nothing was sent")
	require.Empty(t, b.cloud.Requests())
}

func TestRecoversWhenCredentialsAppear(t *testing.T) {
	b := start(t, awssecretsmanager.Options{})
	b.seed(version(1, "a", sim.Current))
	file := filepath.Join(t.TempDir(), "credentials")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", file)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	for range 3 {
		_, err := b.ReadCurrent(t.Context(), ref)
		requireKind(t, err, rotation.Retryable, "no-credentials", "AWS_ACCESS_KEY_ID", "web identity")
	}
	write := func(c cloudsim.Credential) {
		require.NoError(t, os.WriteFile(file, []byte("[default]\naws_access_key_id="+c.AccessKeyID+"\naws_secret_access_key="+c.Secret+"\n"), 0o600))
	}
	write(cloudsim.Credential{AccessKeyID: "gone", Secret: "s"})
	_, err := b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, "UnrecognizedClientException", "access key")
	write(b.cloud.Credential())
	_, err = b.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
}

func TestUnreadableConfiguration(t *testing.T) {
	b := start(t, awssecretsmanager.Options{Profile: "of-nobody"})
	_, err := b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Retryable, "no-credentials", "AWS_PROFILE")
	require.NotContains(t, err.Error(), "of-nobody")
}

// TestRole takes on a role at a token service that gives the simulator's credentials for it.
func TestRole(t *testing.T) {
	b := start(t, awssecretsmanager.Options{RoleARN: "arn:aws:iam::123456789012:role/rotor", ExternalID: "external"})
	b.seed(version(1, "a", sim.Current))
	role := cloudsim.Credential{AccessKeyID: "ASIAROLE", Secret: "s", SessionToken: "token", Account: b.cloud.Credential().Account}
	b.cloud.AddCredential(role)
	var asked []string
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.FormValue("RoleArn")+" "+r.FormValue("ExternalId")+" "+r.FormValue("RoleSessionName"))
		_, _ = fmt.Fprintf(w, `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>%s</AccessKeyId><SecretAccessKey>%s</SecretAccessKey>`+
			`<SessionToken>%s</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
			role.AccessKeyID, role.Secret, role.SessionToken, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(service.Close)
	t.Setenv("AWS_ENDPOINT_URL_STS", service.URL)
	for range 2 {
		_, err := b.ReadCurrent(t.Context(), ref)
		require.NoError(t, err)
	}
	require.Equal(t, []string{"arn:aws:iam::123456789012:role/rotor external rotor"}, asked)
	require.Equal(t, role.AccessKeyID, b.cloud.Requests()[0].AccessKey)
}

// TestCABundle is about AWS's own setting for authorities, and TLS without it.
func TestCABundle(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"VersionId":"`+id(2)+`"}`)
	}))
	quiet(server)
	server.StartTLS()
	t.Cleanup(server.Close)
	put := func() error {
		store, err := awssecretsmanager.New(awssecretsmanager.Options{Endpoint: server.URL})
		require.NoError(t, err)
		return store.PutPending(t.Context(), ref, id(2), rotation.NewSecret(wiretest.Canary))
	}
	requireKind(t, put(), rotation.Retryable, "tls", "authority that this machine does not trust", "nothing was sent")
	file := filepath.Join(t.TempDir(), "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600))
	t.Setenv("AWS_CA_BUNDLE", file)
	require.NoError(t, put())
}

func TestEndpointOfTheEnvironment(t *testing.T) {
	cloud := cloudsim.New(cloudsim.Options{})
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", address)
	store, err := awssecretsmanager.New(awssecretsmanager.Options{})
	require.NoError(t, err)
	_, err = store.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Permanent, "ResourceNotFoundException")
	require.True(t, strings.HasPrefix(address, "http://127.0.0.1"))
}
