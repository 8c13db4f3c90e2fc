package alibabakms_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/secretstore/alibabakms"
)

// answering is a store in front of a server that answers every request in one way.
func answering(t *testing.T, handler http.HandlerFunc, o alibabakms.Options) *alibabakms.Store {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	o.Endpoint = server.URL
	store, err := alibabakms.New(o)
	require.NoError(t, err)
	return store
}

func withBody(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
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
		{400, "InvalidParameter", permanent, "parameter"},
		{400, "MissingParameter", permanent, "parameter"},
		{400, "MissingSecretName", permanent, "parameter"},
		{400, "IncompleteSignature", permanent, "access key"},
		{400, "IllegalTimestamp", retryable, "check this machine's clock"},
		{400, "InvalidTimeStamp.Expired", retryable, "check this machine's clock"},
		{400, "InvalidTimeStamp.Format", retryable, "check this machine's clock"},
		{400, "SignatureNonceUsed", retryable, "next attempt"},
		{400, "SignatureDoesNotMatch", permanent, "access key secret"},
		{400, "InvalidAccessKeyId.NotFound", permanent, "access key id"},
		{404, "InvalidAccessKeyId.NotFound", permanent, "access key id"},
		{400, "InvalidAccessKeyId.Inactive", permanent, "disabled"},
		{400, "InvalidSecurityToken.Expired", retryable, "expired"},
		{400, "InvalidSecurityToken.Malformed", permanent, "ALIBABA_CLOUD_SECURITY_TOKEN"},
		{400, "InvalidSecurityToken.MismatchWithAccessKey", permanent, "security token"},
		{404, "InvalidApi.NotFound", permanent, "endpoint"},
		{404, "InvalidProtocol.NeedSsl", permanent, "https"},
		{400, "Throttling", retryable, "no more requests"},
		{400, "Throttling.User", retryable, "no more requests"},
		{400, "Throttling.Api", retryable, "no more requests"},
		{429, "Rejected.Throttling", retryable, "no more requests"},
		{400, "Rejected.LimitExceeded", permanent, "8 stage labels"},
		{403, "Forbidden.NoPermission", permanent, "kms:GetSecretValue"},
		{403, "Forbidden.KmsServiceNotEnabled", permanent, "not enabled"},
		{403, "Forbidden.AccessKey", permanent, "access key"},
		{403, "Forbidden.InDebt", permanent, "bill"},
		{403, "Forbidden.InDebtOverdue", permanent, "bill"},
		{403, "Forbidden.ProhibitedByRiskControl", permanent, "risk control"},
		{403, "Forbidden.Whatever", permanent, "forbids"},
		{404, "Forbidden.ResourceNotFound", permanent, "no such secret"},
		{404, "Forbidden.KeyNotFound", permanent, "key that encrypts"},
		{409, "Rejected.ResourceExist", rotation.Conflict, "another value"},
		{409, "Rejected.ResourceInDeleteWindow", permanent, "scheduled for deletion"},
		{409, "Rejected.Disabled", permanent, "key that encrypts"},
		{409, "Rejected.PendingDeletion", permanent, "key that encrypts"},
		{409, "Rejected.PendingImport", permanent, "key that encrypts"},
		{409, "Rejected.StateModifiedFailed", permanent, "key that encrypts"},
		{409, "Rejected.Unavailable", retryable, "not available"},
		{400, "UnsupportedOperation", permanent, "type"},
		{500, "InternalFailure", retryable, "failed inside"},
		{500, "InternalError", retryable, "failed inside"},
		{503, "ServiceUnavailableTemporary", retryable, "not available"},
		{503, "ServiceUnavailable", retryable, "not available"},
		{418, "Something.New", retryable, "does not know (status 418)"},
		{502, "Something.New", retryable, "failed inside"},
	} {
		t.Run(fmt.Sprint(c.status, " ", c.code), func(t *testing.T) {
			const id = "5B75D8B1-5B6A-4EC0-8E0C-C08BEFDFAD47"
			store := answering(t, withBody(c.status, fmt.Sprintf(
				`{"HttpStatus":%d,"Code":%q,"Message":"server string to sign is:POST&%%2F","RequestId":%q,"HostId":"kms","Recommend":"x"}`,
				c.status, c.code, id)), alibabakms.Options{})
			_, err := store.ReadCurrent(t.Context(), ref)
			requireKind(t, err, c.kind, c.code, "read the current version of secret db/app in cn-hangzhou", c.words, id)
			require.NotContains(t, err.Error(), "string to sign")
			e, ok := errors.AsType[*rotation.Error](err)
			require.True(t, ok)
			require.Equal(t, c.words == "no more requests", e.Throttled)
		})
	}
}

func TestAnswersThatAreNotOfKMS(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		code   string
	}{
		"code is a number":       {400, `{"Code":400,"Message":"x","RequestId":"y"}`, "HTTP 400"},
		"request id is a number": {400, `{"Code":"Throttling.User","RequestId":1}`, "Throttling.User"},
		"message is an object":   {400, `{"Code":"Throttling.User","Message":{}}`, "Throttling.User"},
		"code is no code":        {400, `{"Code":"<b>no</b>"}`, "HTTP 400"},
		"html":                   {403, "<html>blocked</html>", "HTTP 403"},
		"empty":                  {502, "", "HTTP 502"},
		"html as success":        {200, "<html>welcome</html>", "malformed"},
		"empty success":          {200, "", "malformed"},
		"no request id":          {200, "{}", "malformed"},
		"null":                   {200, "null", "malformed"},
		"list":                   {200, "[]", "malformed"},
		"value is a number":      {200, `{"RequestId":"y","SecretData":1}`, "malformed"},
		"stages are a number":    {200, `{"RequestId":"y","VersionIds":{"VersionId":7},"VersionStages":7}`, "malformed"},
		"cut off":                {200, `{"RequestId":"y","Secr`, "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			store := answering(t, withBody(c.status, c.body), alibabakms.Options{})
			_, err := store.ReadCurrent(t.Context(), ref)
			requireKind(t, err, rotation.Retryable, c.code)
			requireKind(t, store.PutPending(t.Context(), ref, "v2", rotation.NewSecret("x")), rotation.Retryable, c.code)
		})
	}
}

// TestIncompleteValues has answers of KMS's form that lack what a rotation must know.
func TestIncompleteValues(t *testing.T) {
	const whole = `"RequestId":"y","SecretData":"x","CreateTime":"2026-01-02T03:04:05Z"`
	for name, body := range map[string]string{
		"no type":         `{` + whole + `,"VersionId":"v1","SecretDataType":"text"}`,
		"no data type":    `{` + whole + `,"VersionId":"v1","SecretType":"Generic"}`,
		"no version":      `{` + whole + `,"SecretType":"Generic","SecretDataType":"text"}`,
		"another version": `{` + whole + `,"VersionId":"v7","SecretType":"Generic","SecretDataType":"text"}`,
		"no time":         `{"RequestId":"y","SecretData":"x","VersionId":"v1","SecretType":"Generic","SecretDataType":"text"}`,
	} {
		t.Run(name, func(t *testing.T) {
			store := answering(t, withBody(200, body), alibabakms.Options{})
			_, err := store.Read(t.Context(), ref, "v1")
			requireKind(t, err, rotation.Retryable, "malformed")
		})
	}
	store := answering(t, withBody(200, `{`+whole+`,"VersionId":"v1","SecretType":"Generic","SecretDataType":"text"}`), alibabakms.Options{})
	_, err := store.Read(t.Context(), ref, "v1")
	require.NoError(t, err)
}

func TestPagesThatDoNotFit(t *testing.T) {
	page := func(total, size int, versions string) string {
		return fmt.Sprintf(`{"RequestId":"y","TotalCount":%d,"PageSize":%d,"VersionIds":{"VersionId":[%s]}}`, total, size, versions)
	}
	const v1 = `{"VersionId":"v1","CreateTime":"2026-01-02T03:04:05Z","VersionStages":{"VersionStage":["ACSCurrent"]}}`
	for name, c := range map[string]struct {
		body string
		code string
	}{
		"fewer than promised": {page(3, 20, v1), ""},
		"never ending":        {page(1, 1, v1), "malformed"},
		"no id":               {page(1, 20, `{"CreateTime":"2026-01-02T03:04:05Z"}`), "malformed"},
		"no time":             {page(1, 20, `{"VersionId":"v1"}`), "malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			store := answering(t, withBody(200, c.body), alibabakms.Options{})
			_, err := store.Versions(t.Context(), ref)
			requireKind(t, err, rotation.Retryable, c.code)
		})
	}
}

// TestSmallerPagesThanAskedFor has a server that caps the page size.
func TestSmallerPagesThanAskedFor(t *testing.T) {
	store := answering(t, func(w http.ResponseWriter, r *http.Request) {
		entries := map[string]string{"1": `{"VersionId":"v1","CreateTime":"2026-01-01T00:00:00Z"},{"VersionId":"v2","CreateTime":"2026-01-02T00:00:00Z"}`,
			"2": `{"VersionId":"v2","CreateTime":"2026-01-02T00:00:00Z"},{"VersionId":"v3","CreateTime":"2026-01-03T00:00:00Z"}`}
		_, _ = fmt.Fprintf(w, `{"RequestId":"y","TotalCount":2,"PageSize":2,"VersionIds":{"VersionId":[%s]}}`, entries[r.URL.Query().Get("PageNumber")])
	}, alibabakms.Options{})
	versions, err := store.Versions(t.Context(), ref)
	require.NoError(t, err)
	require.Len(t, versions, 3)
	require.Equal(t, "v3", versions[0].ID)
}
