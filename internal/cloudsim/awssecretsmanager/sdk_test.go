package awssecretsmanager_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awssecretsmanager"
)

const region = "eu-central-1"

// client is the real SDK, pointed at a simulated cloud.
type client struct {
	*secretsmanager.Client
	cloud   *cloudsim.Cloud
	address string
	secrets awssecretsmanager.Region
}

func start(t *testing.T, options cloudsim.Options) client {
	t.Helper()
	cloud := cloudsim.New(options)
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	return client{
		connect(address, cloud.Credential(), nil), cloud, address,
		cloud.SecretsManager().In(cloud.Credential().Account, region),
	}
}

func connect(address string, key cloudsim.Credential, middle http.RoundTripper) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region: region, BaseEndpoint: aws.String(address), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.Secret, key.SessionToken),
		HTTPClient:  &http.Client{Transport: middle},
	})
}

// id makes a version id of the length that the API wants.
func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

func (c client) seed(versions ...awssecretsmanager.Version) string {
	return c.secrets.Put(awssecretsmanager.Secret{Name: "db/app", Versions: versions})
}

func (c client) put(t *testing.T, n int, value string, stages ...string) error {
	t.Helper()
	_, err := c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("db/app"), ClientRequestToken: aws.String(id(n)), SecretString: aws.String(value),
		VersionStages: stages,
	})
	return err
}

func (c client) move(t *testing.T, stage string, to, from int) error {
	t.Helper()
	in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String("db/app"), VersionStage: aws.String(stage)}
	if to > 0 {
		in.MoveToVersionId = aws.String(id(to))
	}
	if from > 0 {
		in.RemoveFromVersionId = aws.String(id(from))
	}
	_, err := c.UpdateSecretVersionStage(t.Context(), in)
	return err
}

// stages describes the secret as "1[AWSPREVIOUS] 2[AWSCURRENT]".
func (c client) stages(t *testing.T) string {
	t.Helper()
	secret, ok := c.secrets.Secret("db/app")
	require.True(t, ok)
	var text []string
	for _, v := range secret.Versions {
		text = append(text, strings.TrimLeft(v.ID[24:], "0")+fmt.Sprint(v.Stages))
	}
	return strings.Join(text, " ")
}

func requireCode(t *testing.T, err error, code, message string) {
	t.Helper()
	var failure smithy.APIError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, code, failure.ErrorCode())
	require.Contains(t, failure.ErrorMessage(), message)
}

func version(n int, stages ...string) awssecretsmanager.Version {
	return awssecretsmanager.Version{ID: id(n), String: fmt.Sprint("value ", n), Stages: stages}
}

func TestPutAndGetGoThroughTheRealSDK(t *testing.T) {
	c := start(t, cloudsim.Options{})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	first := version(1, "AWSCURRENT")
	first.Created = at
	arn := c.seed(first)
	require.Regexp(t, `^arn:aws:secretsmanager:eu-central-1:123456789012:secret:db/app-[A-Za-z]{6}$`, arn)

	odd := `{"password":"a+b c&d=e%~*'\"/é<>"}`
	require.NoError(t, c.put(t, 2, odd, "AWSPENDING"))
	for name, tc := range map[string]struct {
		in   secretsmanager.GetSecretValueInput
		want string
	}{
		"current":         {secretsmanager.GetSecretValueInput{}, "value 1"},
		"by stage":        {secretsmanager.GetSecretValueInput{VersionStage: aws.String("AWSPENDING")}, odd},
		"by id":           {secretsmanager.GetSecretValueInput{VersionId: aws.String(id(2))}, odd},
		"by both":         {secretsmanager.GetSecretValueInput{VersionId: aws.String(id(2)), VersionStage: aws.String("AWSPENDING")}, odd},
		"by ARN":          {secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)}, "value 1"},
		"by shorter ARN":  {secretsmanager.GetSecretValueInput{SecretId: aws.String(arn[:len(arn)-7])}, "value 1"},
		"named as before": {secretsmanager.GetSecretValueInput{SecretId: aws.String("db/app")}, "value 1"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.in.SecretId == nil {
				tc.in.SecretId = aws.String("db/app")
			}
			got, err := c.GetSecretValue(t.Context(), &tc.in)
			require.NoError(t, err)
			require.Equal(t, tc.want, *got.SecretString)
			require.Equal(t, arn, *got.ARN)
			if tc.want == "value 1" {
				require.Equal(t, at, got.CreatedDate.UTC())
				require.Equal(t, []string{"AWSCURRENT"}, got.VersionStages)
			}
		})
	}
	lines := c.cloud.Requests()
	require.Equal(t, "db/app", lines[len(lines)-1].Resource)
	require.Equal(t, "***", lines[0].Params["SecretString"])
	require.Equal(t, `["AWSPENDING"]`, lines[0].Params["VersionStages"])
}

func TestBinaryValues(t *testing.T) {
	c := start(t, cloudsim.Options{})
	_, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{
		Name: aws.String("bin"), SecretBinary: []byte{0, 1, 255}})
	require.NoError(t, err)
	got, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("bin")})
	require.NoError(t, err)
	require.Equal(t, []byte{0, 1, 255}, got.SecretBinary)
	require.Nil(t, got.SecretString)
}

func TestGetRefusals(t *testing.T) {
	c := start(t, cloudsim.Options{})
	arn := c.seed(version(1, "AWSCURRENT"), version(2), awssecretsmanager.Version{ID: id(3), Stages: []string{"AWSPENDING"}})
	c.secrets.Put(awssecretsmanager.Secret{Name: "deleted", Deletion: time.Now().Add(time.Hour)})
	for name, tc := range map[string]struct {
		secret, version, stage string
		code, message          string
	}{
		"unknown secret":     {"x", "", "", "ResourceNotFoundException", "Secrets Manager can't find the specified secret."},
		"wrong suffix":       {arn[:len(arn)-1] + "0", "", "", "ResourceNotFoundException", "specified secret."},
		"other region":       {strings.Replace(arn, region, "us-east-1", 1), "", "", "ResourceNotFoundException", "specified secret."},
		"other account":      {strings.Replace(arn, "123456789012", "999", 1), "", "", "AccessDeniedException", "not authorized"},
		"unknown version":    {"db/app", id(9), "", "ResourceNotFoundException", "for VersionId: " + id(9)},
		"unknown stage":      {"db/app", "", "AWSPREVIOUS", "ResourceNotFoundException", "for staging label: AWSPREVIOUS"},
		"empty placeholder":  {"db/app", "", "AWSPENDING", "ResourceNotFoundException", "for staging label: AWSPENDING"},
		"stage elsewhere":    {"db/app", id(2), "AWSCURRENT", "InvalidRequestException", "not associated"},
		"marked for removal": {"deleted", "", "", "InvalidRequestException", "marked for deletion"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &secretsmanager.GetSecretValueInput{SecretId: aws.String(tc.secret)}
			if tc.version != "" {
				in.VersionId = aws.String(tc.version)
			}
			if tc.stage != "" {
				in.VersionStage = aws.String(tc.stage)
			}
			_, err := c.GetSecretValue(t.Context(), in)
			requireCode(t, err, tc.code, tc.message)
		})
	}
}

func TestPutKeepsToTheToken(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(version(1, "AWSCURRENT"))
	require.NoError(t, c.put(t, 2, "two"))
	require.Equal(t, "1[AWSPREVIOUS] 2[AWSCURRENT]", c.stages(t))
	require.NoError(t, c.put(t, 1, "value 1"), "the same again is fine")
	require.Equal(t, "1[AWSPREVIOUS] 2[AWSCURRENT]", c.stages(t), "and changes nothing")
	requireCode(t, c.put(t, 1, "other"), "ResourceExistsException", "already in use")
	_, err := c.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{
		SecretId: aws.String("db/app"), ClientRequestToken: aws.String(id(2)), SecretString: aws.String("two")})
	requireCode(t, err, "ResourceExistsException", "already in use")
	_, err = c.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{
		SecretId: aws.String("db/app"), ClientRequestToken: aws.String(id(3)), SecretString: aws.String("three")})
	require.NoError(t, err)
	require.Equal(t, "1[] 2[AWSPREVIOUS] 3[AWSCURRENT]", c.stages(t))

	for name, tc := range map[string]struct {
		in            secretsmanager.PutSecretValueInput
		code, message string
	}{
		"short token": {secretsmanager.PutSecretValueInput{ClientRequestToken: aws.String("short"), SecretString: aws.String("v")},
			"InvalidParameterException", "32-64"},
		"no value": {secretsmanager.PutSecretValueInput{}, "InvalidRequestException", "SecretString or SecretBinary"},
		"both values": {secretsmanager.PutSecretValueInput{SecretString: aws.String("v"), SecretBinary: []byte("v")},
			"InvalidParameterException", "both"},
		"too long": {secretsmanager.PutSecretValueInput{SecretString: aws.String(strings.Repeat("x", 65537))},
			"InvalidParameterException", "65536"},
	} {
		t.Run(name, func(t *testing.T) {
			tc.in.SecretId = aws.String("db/app")
			_, err := c.PutSecretValue(t.Context(), &tc.in)
			requireCode(t, err, tc.code, tc.message)
		})
	}
}

func TestStageMovesCompareAndSwap(t *testing.T) {
	for name, tc := range map[string]struct {
		stage         string
		to, from      int
		code, message string
		after         string
	}{
		"current, naming the holder":         {"AWSCURRENT", 3, 2, "", "", "1[] 2[AWSPREVIOUS] 3[AWSPENDING AWSCURRENT]"},
		"current, without naming the holder": {"AWSCURRENT", 3, 0, "InvalidParameterException", "can't be empty. Staging label AWSCURRENT is currently attached to version " + id(2), ""},
		"current, naming another":            {"AWSCURRENT", 3, 1, "InvalidParameterException", "must be set to the version that currently has", ""},
		"current back":                       {"AWSCURRENT", 1, 2, "", "", "1[AWSCURRENT] 2[AWSPREVIOUS] 3[AWSPENDING]"},
		"current onto its holder":            {"AWSCURRENT", 2, 0, "", "", "1[AWSPREVIOUS] 2[AWSCURRENT] 3[AWSPENDING]"},
		"current removed":                    {"AWSCURRENT", 0, 2, "InvalidParameterException", "can’t be completely removed", ""},
		"pending removed":                    {"AWSPENDING", 0, 3, "", "", "1[AWSPREVIOUS] 2[AWSCURRENT] 3[]"},
		"pending removed elsewhere":          {"AWSPENDING", 0, 2, "InvalidParameterException", "must be set", ""},
		"pending moved":                      {"AWSPENDING", 1, 3, "", "", "1[AWSPREVIOUS AWSPENDING] 2[AWSCURRENT] 3[]"},
		"new label":                          {"mine", 1, 0, "", "", "1[AWSPREVIOUS mine] 2[AWSCURRENT] 3[AWSPENDING]"},
		"new label from somewhere":           {"mine", 1, 2, "InvalidParameterException", "must be set", ""},
		"neither":                            {"mine", 0, 0, "InvalidParameterException", "MoveToVersionId", ""},
		"unknown version":                    {"AWSCURRENT", 9, 2, "ResourceNotFoundException", id(9), ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := start(t, cloudsim.Options{})
			c.seed(version(1, "AWSPREVIOUS"), version(2, "AWSCURRENT"), version(3, "AWSPENDING"))
			before := c.stages(t)
			err := c.move(t, tc.stage, tc.to, tc.from)
			if tc.code == "" {
				require.NoError(t, err)
				require.Equal(t, tc.after, c.stages(t))
				return
			}
			requireCode(t, err, tc.code, tc.message)
			require.Equal(t, before, c.stages(t))
		})
	}
}

func TestLimits(t *testing.T) {
	c := start(t, cloudsim.Options{})
	labels := []string{"AWSCURRENT"}
	for n := range 19 {
		labels = append(labels, fmt.Sprint("label", n))
	}
	c.seed(version(1, labels...))
	requireCode(t, c.move(t, "one more", 1, 0), "LimitExceededException", "")
	requireCode(t, c.put(t, 2, "v", "one more"), "LimitExceededException", "")
	require.NoError(t, c.put(t, 2, "v", "label3"))
}

func TestOldVersionsWithoutStagesArePruned(t *testing.T) {
	c := start(t, cloudsim.Options{})
	var versions []awssecretsmanager.Version
	for n := range 102 {
		v := version(n + 1)
		v.Created = time.Now().Add(-48 * time.Hour)
		if n == 0 {
			v.Stages = []string{"kept"}
		}
		if n == 2 {
			v.Created = time.Now().Add(-time.Hour)
		}
		versions = append(versions, v)
	}
	versions[101].Stages = []string{"AWSCURRENT"}
	c.seed(versions...)
	require.NoError(t, c.put(t, 999, "v"))
	secret, _ := c.secrets.Secret("db/app")
	require.Len(t, secret.Versions, 100)
	for n, kept := range map[int]bool{1: true, 2: false, 3: true, 4: false, 5: false, 6: true} {
		require.Equal(t, kept, secret.Version(id(n)) != nil, "version %d", n)
	}
}

func TestDescribeTellsOnlyWhatIsSet(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(version(1, "AWSPREVIOUS"), version(2, "AWSCURRENT", "AWSPENDING"), version(3))
	got, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("db/app")})
	require.NoError(t, err)
	require.Equal(t, map[string][]string{id(1): {"AWSPREVIOUS"}, id(2): {"AWSCURRENT", "AWSPENDING"}}, got.VersionIdsToStages)
	require.Nil(t, got.RotationEnabled)
	require.Nil(t, got.OwningService)
	require.Nil(t, got.DeletedDate)
	require.Nil(t, got.LastAccessedDate)

	c.secrets.Put(awssecretsmanager.Secret{Name: "managed", OwningService: "rds", KeyID: "key-1", Tags: map[string]string{"a": "b"},
		Rotation: &awssecretsmanager.Rotation{Enabled: true, AfterDays: 7}, Versions: []awssecretsmanager.Version{version(1, "AWSCURRENT")}})
	got, err = c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("managed")})
	require.NoError(t, err)
	require.Equal(t, "rds", *got.OwningService)
	require.True(t, *got.RotationEnabled)
	require.Equal(t, int64(7), *got.RotationRules.AutomaticallyAfterDays)
	require.NotNil(t, got.NextRotationDate)
	require.Equal(t, "key-1", *got.KmsKeyId)
	require.Equal(t, "a", *got.Tags[0].Key)
	_, err = c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("managed"), SecretString: aws.String("v")})
	requireCode(t, err, "InvalidRequestException", "managed by rds")
}

func TestVersionsArePaged(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(version(1), version(2, "AWSPREVIOUS"), version(3, "AWSCURRENT"))
	list := func(deprecated bool) []string {
		var ids []string
		pages := secretsmanager.NewListSecretVersionIdsPaginator(c, &secretsmanager.ListSecretVersionIdsInput{
			SecretId: aws.String("db/app"), IncludeDeprecated: aws.Bool(deprecated), MaxResults: aws.Int32(2)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(t.Context())
			require.NoError(t, err)
			for _, v := range page.Versions {
				ids = append(ids, *v.VersionId)
			}
		}
		return ids
	}
	require.Equal(t, []string{id(2), id(3)}, list(false))
	require.Equal(t, []string{id(1), id(2), id(3)}, list(true))
	_, err := c.ListSecretVersionIds(t.Context(), &secretsmanager.ListSecretVersionIdsInput{
		SecretId: aws.String("db/app"), NextToken: aws.String("junk")})
	requireCode(t, err, "InvalidNextTokenException", "")
}

func TestPermissions(t *testing.T) {
	account := cloudsim.DefaultCredential.Account
	limited := cloudsim.Credential{AccessKeyID: "limited", Secret: "s", SessionToken: "session", Account: account,
		Allow: []cloudsim.Permission{
			{Action: "secretsmanager:GetSecretValue", Resource: "arn:aws:secretsmanager:*:*:secret:db/app-??????"},
			{Action: "secretsmanager:PutSecretValue", Resource: "arn:aws:secretsmanager:*:*:secret:db/app-??????"},
			{Action: "kms:Decrypt", Resource: "arn:aws:kms:eu-central-1:123456789012:key/mine"},
		}}
	c := start(t, cloudsim.Options{Credentials: []cloudsim.Credential{limited}})
	get := func(name string) error {
		_, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(name)})
		return err
	}
	current := []awssecretsmanager.Version{version(1, "AWSCURRENT")}
	c.secrets.Put(awssecretsmanager.Secret{Name: "db/app", KeyID: "mine", Versions: current})
	c.secrets.Put(awssecretsmanager.Secret{Name: "other", Versions: current})
	require.NoError(t, get("db/app"))
	requireCode(t, get("other"), "AccessDeniedException", "secretsmanager:GetSecretValue on resource: arn:aws:secretsmanager:eu-central-1:123456789012:secret:other-")
	requireCode(t, get("missing"), "AccessDeniedException", "not authorized")
	requireCode(t, c.put(t, 2, "v"), "AccessDeniedException", "Access to KMS is not allowed")
	requireCode(t, c.move(t, "AWSCURRENT", 1, 0), "AccessDeniedException", "UpdateSecretVersionStage")
	_, err := c.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	requireCode(t, err, "AccessDeniedException", "ListSecrets")
	require.Equal(t, []string{"secretsmanager:PutSecretValue", "kms:GenerateDataKey"},
		c.cloud.Requests()[3].Permissions)

	c.secrets.Put(awssecretsmanager.Secret{Name: "db/app", KeyID: "alias/aws/secretsmanager", Versions: current})
	require.NoError(t, c.put(t, 2, "v"), "AWS's own key needs no permission")
}

func TestADisabledKey(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.secrets.Put(awssecretsmanager.Secret{Name: "db/app", KeyID: "gone", Versions: []awssecretsmanager.Version{version(1, "AWSCURRENT")}})
	c.secrets.DisableKey("gone")
	_, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("db/app")})
	requireCode(t, err, "DecryptionFailure", "can't decrypt")
	requireCode(t, c.put(t, 2, "v"), "EncryptionFailure", "can't encrypt")
}

func TestSecretsOfAnotherAccount(t *testing.T) {
	c := start(t, cloudsim.Options{})
	theirs := c.cloud.SecretsManager().In("999", region)
	arn := theirs.Put(awssecretsmanager.Secret{Name: "shared", SharedWith: []string{c.cloud.Credential().Account},
		Versions: []awssecretsmanager.Version{version(1, "AWSCURRENT")}})
	got, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	require.NoError(t, err)
	require.Equal(t, "value 1", *got.SecretString)
}

func TestSignatures(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(version(1, "AWSCURRENT"))
	key := c.cloud.Credential()
	get := func(key cloudsim.Credential, middle http.RoundTripper) error {
		_, err := connect(c.address, key, middle).GetSecretValue(t.Context(),
			&secretsmanager.GetSecretValueInput{SecretId: aws.String("db/app")})
		return err
	}
	require.NoError(t, get(key, nil))
	requireCode(t, get(cloudsim.Credential{AccessKeyID: "other", Secret: "x"}, nil), "UnrecognizedClientException", "")
	requireCode(t, get(cloudsim.Credential{AccessKeyID: key.AccessKeyID, Secret: "wrong"}, nil), "InvalidSignatureException", "does not match")
	requireCode(t, get(cloudsim.Credential{AccessKeyID: key.AccessKeyID, Secret: key.Secret, SessionToken: "t"}, nil), "UnrecognizedClientException", "")

	for name, tc := range map[string]struct {
		tamper func(*http.Request)
		code   string
	}{
		"target":       {func(r *http.Request) { r.Header.Set("X-Amz-Target", "secretsmanager.DescribeSecret") }, "InvalidSignatureException"},
		"date":         {func(r *http.Request) { nextSecond(r) }, "InvalidSignatureException"},
		"service":      {func(r *http.Request) { replaceAuth(r, "/secretsmanager/", "/rds/") }, "InvalidSignatureException"},
		"scope":        {func(r *http.Request) { replaceAuth(r, "aws4_request", "aws5_request") }, "IncompleteSignatureException"},
		"no signature": {func(r *http.Request) { r.Header.Del("Authorization") }, "MissingAuthenticationTokenException"},
		"basic":        {func(r *http.Request) { r.SetBasicAuth("a", "b") }, "IncompleteSignatureException"},
	} {
		t.Run(name, func(t *testing.T) {
			requireCode(t, get(key, tampering(tc.tamper)), tc.code, "")
		})
	}
}

// nextSecond moves the date on by a second, or back by nine.
func nextSecond(r *http.Request) {
	date := []byte(r.Header.Get("X-Amz-Date"))
	date[14] = '0' + (date[14]-'0'+1)%10
	r.Header.Set("X-Amz-Date", string(date))
}

func replaceAuth(r *http.Request, from, to string) {
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
}

// tampering changes requests after they were signed.
type tampering func(*http.Request)

func (f tampering) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	f(r)
	return http.DefaultTransport.RoundTrip(r)
}

func TestOldSignaturesExpire(t *testing.T) {
	c := start(t, cloudsim.Options{Clock: func() time.Time { return time.Now().Add(16 * time.Minute) }})
	_, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("db/app")})
	requireCode(t, err, "InvalidSignatureException", "expired")
}

func TestUnknownOperation(t *testing.T) {
	c := start(t, cloudsim.Options{})
	_, err := c.BatchGetSecretValue(t.Context(), &secretsmanager.BatchGetSecretValueInput{SecretIdList: []string{"x"}})
	requireCode(t, err, "UnknownOperationException", "")
}

func TestFaults(t *testing.T) {
	for kind, tc := range map[cloudsim.Kind]struct {
		code    string
		applied bool
	}{
		cloudsim.Throttle:    {"ThrottlingException", false},
		cloudsim.ErrorBefore: {"InternalServiceError", false},
		cloudsim.ErrorAfter:  {"InternalServiceError", true},
		cloudsim.Deny:        {"AccessDeniedException", false},
		cloudsim.CloseBefore: {"", false},
		cloudsim.CloseAfter:  {"", true},
		cloudsim.Malformed:   {"", true},
	} {
		t.Run(string(kind), func(t *testing.T) {
			c := start(t, cloudsim.Options{})
			c.seed(version(1, "AWSCURRENT"))
			c.cloud.Inject(cloudsim.Fault{Kind: kind, API: cloudsim.AWSSecretsManager, Resource: "db/app"})
			err := c.put(t, 2, "v")
			require.Error(t, err)
			var failure smithy.APIError
			if tc.code != "" {
				require.True(t, errors.As(err, &failure))
				require.Equal(t, tc.code, failure.ErrorCode())
			}
			secret, _ := c.secrets.Secret("db/app")
			require.Equal(t, tc.applied, slices.Contains(secret.Versions[len(secret.Versions)-1].Stages, "AWSCURRENT") && len(secret.Versions) == 2)
		})
	}
}

func TestVersionsPrintWithoutValues(t *testing.T) {
	v := awssecretsmanager.Secret{Versions: []awssecretsmanager.Version{{ID: "v", String: "hidden", Binary: []byte("hidden")}}}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		require.NotContains(t, fmt.Sprintf(verb, v), "hidden")
	}
}
