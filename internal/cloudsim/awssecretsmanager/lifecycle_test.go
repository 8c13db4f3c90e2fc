package awssecretsmanager_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/cloudsim/randompassword"
)

func TestRotateSecretLeavesAnEmptyPlaceholder(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(version(1, "AWSCURRENT"))
	rotate := func(n int, lambda string) error {
		in := &secretsmanager.RotateSecretInput{SecretId: aws.String("db/app"), ClientRequestToken: aws.String(id(n))}
		if lambda != "" {
			in.RotationLambdaARN = aws.String(lambda)
		}
		_, err := c.RotateSecret(t.Context(), in)
		return err
	}
	requireCode(t, rotate(2, ""), "InvalidRequestException", "Lambda function ARN")
	require.NoError(t, rotate(2, "arn:aws:lambda:eu-central-1:123456789012:function:f"))
	require.Equal(t, "1[AWSCURRENT] 2[AWSPENDING]", c.stages(t))
	secret, _ := c.secrets.Secret("db/app")
	require.True(t, secret.Version(id(2)).Empty())
	requireCode(t, rotate(3, ""), "InvalidRequestException", "A previous rotation isn't complete")

	require.NoError(t, c.put(t, 2, "filled", "AWSPENDING"), "the placeholder takes a value")
	requireCode(t, c.put(t, 2, "again", "AWSPENDING"), "ResourceExistsException", "already in use")
	require.Equal(t, "1[AWSCURRENT] 2[AWSPENDING]", c.stages(t))

	cancelled, err := c.CancelRotateSecret(t.Context(), &secretsmanager.CancelRotateSecretInput{SecretId: aws.String("db/app")})
	require.NoError(t, err)
	require.Equal(t, id(2), *cancelled.VersionId)
	require.Equal(t, "1[AWSCURRENT] 2[AWSPENDING]", c.stages(t), "the label stays")
	got, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("db/app")})
	require.NoError(t, err)
	require.False(t, *got.RotationEnabled)
	require.Contains(t, *got.RotationLambdaARN, ":function:f")
}

func TestAPutMovesPendingOffThePlaceholder(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(version(1, "AWSCURRENT"), awssecretsmanager.Version{ID: id(2), Stages: []string{"AWSPENDING"}})
	require.NoError(t, c.put(t, 3, "v", "AWSPENDING"))
	require.Equal(t, "1[AWSCURRENT] 2[] 3[AWSPENDING]", c.stages(t))
}

func TestCreate(t *testing.T) {
	c := start(t, cloudsim.Options{})
	create := func(value string) (*secretsmanager.CreateSecretOutput, error) {
		return c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("db/app"),
			ClientRequestToken: aws.String(id(1)), SecretString: aws.String(value), Description: aws.String("d"),
			Tags: []types.Tag{{Key: aws.String("team"), Value: aws.String("a")}}})
	}
	made, err := create("v")
	require.NoError(t, err)
	require.Equal(t, id(1), *made.VersionId)
	require.Equal(t, c.secrets.ARN("db/app"), *made.ARN)
	require.Equal(t, "1[AWSCURRENT]", c.stages(t))
	again, err := create("v")
	require.NoError(t, err, "a repeat of the same call")
	require.Equal(t, *made.ARN, *again.ARN)
	_, err = create("other")
	requireCode(t, err, "ResourceExistsException", "The operation failed because the secret db/app already exists.")

	empty, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("empty")})
	require.NoError(t, err)
	require.Nil(t, empty.VersionId)
	_, err = c.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("empty"),
		SecretString: aws.String("v"), VersionStages: []string{"mine"}})
	require.NoError(t, err)
	got, err := c.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: aws.String("empty")})
	require.NoError(t, err, "the first version is current, whatever it was put as")
	require.Equal(t, []string{"mine", "AWSCURRENT"}, got.VersionStages)
	_, err = c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("a b")})
	requireCode(t, err, "ValidationException", "Invalid name")
}

func TestDeleteAndRestore(t *testing.T) {
	var ahead atomic.Int64
	c := start(t, cloudsim.Options{Clock: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		SignatureWindow: 24 * 365 * time.Hour})
	c.seed(version(1, "AWSCURRENT"))
	remove := func(days *int32, force *bool) error {
		_, err := c.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("db/app"),
			RecoveryWindowInDays: aws.Int64(int64(aws.ToInt32(days))), ForceDeleteWithoutRecovery: force})
		return err
	}
	requireCode(t, remove(aws.Int32(6), nil), "InvalidParameterException", "between 7 and 30")
	requireCode(t, remove(aws.Int32(7), aws.Bool(true)), "InvalidParameterException", "in conjunction")
	require.NoError(t, remove(aws.Int32(7), nil))
	requireCode(t, c.put(t, 2, "v"), "InvalidRequestException", "marked for deletion")
	_, err := c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("db/app")})
	requireCode(t, err, "InvalidRequestException", "already scheduled for deletion")
	got, err := c.DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: aws.String("db/app")})
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().AddDate(0, 0, 7), *got.DeletedDate, time.Minute)

	_, err = c.RestoreSecret(t.Context(), &secretsmanager.RestoreSecretInput{SecretId: aws.String("db/app")})
	require.NoError(t, err)
	require.NoError(t, c.put(t, 2, "v"))

	require.NoError(t, remove(aws.Int32(7), nil))
	ahead.Store(int64(8 * 24 * time.Hour))
	require.Empty(t, c.secrets.Names())
	_, err = c.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("db/app")})
	require.NoError(t, err)
	_, err = c.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: aws.String("db/app"),
		ForceDeleteWithoutRecovery: aws.Bool(true)})
	require.NoError(t, err)
	require.Empty(t, c.secrets.Names())
}

func TestTagsAndUpdates(t *testing.T) {
	c := start(t, cloudsim.Options{})
	c.seed(version(1, "AWSCURRENT"))
	_, err := c.TagResource(t.Context(), &secretsmanager.TagResourceInput{SecretId: aws.String("db/app"),
		Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("1")}, {Key: aws.String("b"), Value: aws.String("2")}}})
	require.NoError(t, err)
	_, err = c.UntagResource(t.Context(), &secretsmanager.UntagResourceInput{SecretId: aws.String("db/app"), TagKeys: []string{"a"}})
	require.NoError(t, err)
	_, err = c.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: aws.String("db/app"), Description: aws.String("new")})
	require.NoError(t, err)
	secret, _ := c.secrets.Secret("db/app")
	require.Equal(t, map[string]string{"b": "2"}, secret.Tags)
	require.Equal(t, "new", secret.Description)
	require.Equal(t, "1[AWSCURRENT]", c.stages(t))
}

func TestListSecrets(t *testing.T) {
	c := start(t, cloudsim.Options{})
	for _, s := range []awssecretsmanager.Secret{
		{Name: "db/a", Description: "First database", Tags: map[string]string{"team": "x"}},
		{Name: "db/b", OwningService: "rds", Tags: map[string]string{"team": "y"}},
		{Name: "web", Description: "the front"},
		{Name: "old", Deletion: time.Now().Add(time.Hour)},
	} {
		c.secrets.Put(s)
	}
	filter := func(key string, values ...string) []types.Filter {
		return []types.Filter{{Key: types.FilterNameStringType(key), Values: values}}
	}
	for name, tc := range map[string]struct {
		in   secretsmanager.ListSecretsInput
		want string
	}{
		"all":           {secretsmanager.ListSecretsInput{SortBy: types.SortByTypeName}, "db/a db/b web"},
		"with deleted":  {secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true), SortBy: types.SortByTypeName}, "db/a db/b old web"},
		"descending":    {secretsmanager.ListSecretsInput{SortBy: types.SortByTypeName, SortOrder: types.SortOrderTypeDesc}, "web db/b db/a"},
		"name":          {secretsmanager.ListSecretsInput{Filters: filter("name", "db/")}, "db/a db/b"},
		"not name":      {secretsmanager.ListSecretsInput{Filters: filter("name", "!db/")}, "web"},
		"description":   {secretsmanager.ListSecretsInput{Filters: filter("description", "DATA")}, "db/a"},
		"tag value":     {secretsmanager.ListSecretsInput{Filters: filter("tag-value", "y", "z")}, "db/b"},
		"tag key":       {secretsmanager.ListSecretsInput{Filters: filter("tag-key", "team")}, "db/a db/b"},
		"owner":         {secretsmanager.ListSecretsInput{Filters: filter("owning-service", "rds")}, "db/b"},
		"anywhere":      {secretsmanager.ListSecretsInput{Filters: filter("all", "front")}, "web"},
		"page by page":  {secretsmanager.ListSecretsInput{MaxResults: aws.Int32(1), SortBy: types.SortByTypeName}, "db/a db/b web"},
		"other regions": {secretsmanager.ListSecretsInput{Filters: filter("primary-region", "us-east-1")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var names []string
			pages := secretsmanager.NewListSecretsPaginator(c, &tc.in)
			for pages.HasMorePages() {
				page, err := pages.NextPage(t.Context())
				require.NoError(t, err)
				for _, s := range page.SecretList {
					names = append(names, *s.Name)
				}
			}
			require.Equal(t, tc.want, strings.Join(names, " "))
		})
	}
	_, err := c.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{Filters: filter("colour", "red")})
	requireCode(t, err, "ValidationException", "enum value set")
}

func TestRandomPassword(t *testing.T) {
	c := start(t, cloudsim.Options{})
	got, err := c.GetRandomPassword(t.Context(), &secretsmanager.GetRandomPasswordInput{})
	require.NoError(t, err)
	require.Len(t, *got.RandomPassword, 32)
	for _, class := range []string{randompassword.Lowercase, randompassword.Uppercase, randompassword.Numbers, randompassword.Punctuation} {
		require.True(t, strings.ContainsAny(*got.RandomPassword, class))
	}
	got, err = c.GetRandomPassword(t.Context(), &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(2),
		ExcludeLowercase: aws.Bool(true), ExcludeNumbers: aws.Bool(true), ExcludePunctuation: aws.Bool(true),
		IncludeSpace: aws.Bool(true), ExcludeCharacters: aws.String(randompassword.Uppercase[1:])})
	require.NoError(t, err)
	require.ElementsMatch(t, []byte("A "), []byte(*got.RandomPassword))
	_, err = c.GetRandomPassword(t.Context(), &secretsmanager.GetRandomPasswordInput{PasswordLength: aws.Int64(3)})
	requireCode(t, err, "InvalidParameterException", "")
}
