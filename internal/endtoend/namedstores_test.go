package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/cloudsim/awssts"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// storesFile writes a configuration file.
func storesFile(t *testing.T, text string) map[string]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stores.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	return map[string]string{"ROTOR_STORES": file}
}

// A secret of the same name in another account, reached by a role, is another secret, and another rotation.
func TestNamedStoreWithARole(t *testing.T) {
	t.Parallel()
	const account = "999988887777"
	secret := newAWSPair(t)
	role := awssts.Role{Name: "rotor-" + secret.Name, Account: account, Trusts: []string{stack.Cloud.Credential().Account}, ExternalID: "agreed-" + secret.Name}
	stack.Cloud.AWSSTS().PutRole(role)
	theirs := stack.Cloud.SecretsManager().In(account, devstack.AWSRegion)
	// What belongs to it in the other account; the first account's stays.
	arn := theirs.Put(awsStored(t, secret.AdminSecret))
	awsEdit(t, secret.Name, with("masterarn", arn))
	theirs.Put(awsStored(t, secret.Name))
	taskQueue := serveWith(t, storesFile(t, `
stores:
  aws-prod:
    provider: aws-secrets-manager
    roleARN: `+role.ARN()+`
    externalID: agreed-`+secret.Name+`
    region: eu-central-1
    passwords:
      length: 24
      excludePunctuation: true
  wrong:
    provider: aws-secrets-manager
    roleARN: `+role.ARN()+`
    externalID: another
`))
	before, _ := secretsManager().Secret(secret.Name)
	in := func(store string) func(*rotation.Request) { return func(r *rotation.Request) { r.Store = store } }

	run := start(t, taskQueue, secret, in("aws-prod"))
	require.Equal(t, "rotate/aws-prod/eu-central-1/"+secret.Name, run.GetID())
	result := outcome(t, run)
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	require.Equal(t, "aws-prod", result.Store)
	now, ok := theirs.Secret(secret.Name)
	require.True(t, ok)
	current := awsCredentialOf(t, now.Holder(awssecretsmanager.Current))
	require.True(t, logsIn(t, current))
	require.Regexp(t, `^[A-Za-z0-9]{24}$`, current.AccountPassword, "the store's own policy")
	after, _ := secretsManager().Secret(secret.Name)
	require.Equal(t, before, after, "the secret of that name in the worker's own account is another one")

	result = outcome(t, start(t, taskQueue, secret, func(r *rotation.Request) { r.Store, r.Patience = "wrong", "1s" }))
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Equal(t, "no-credentials", result.Reason.Code)
	require.Contains(t, result.Reason.Text, "the role that is to be taken on was refused")
	result = outcome(t, start(t, taskQueue, secret, func(r *rotation.Request) { r.Store, r.RegionId = "aws-prod", "us-east-1" }))
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "eu-central-1 only")
	now.Holder(awssecretsmanager.Current).String = strings.Replace(now.Holder(awssecretsmanager.Current).String, arn, strings.Replace(arn, "eu-central-1", "us-east-1", 1), 1)
	theirs.Put(now)
	result = outcome(t, start(t, taskQueue, secret, in("aws-prod")))
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "its admin secret is in us-east-1")
	result = outcome(t, start(t, taskQueue, secret, in("aws-test")))
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "alibaba-kms, aws-prod, aws-secrets-manager, wrong")
}

// A further store of Alibaba Cloud with settings of its own.
func TestNamedStoreOfAlibaba(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	taskQueue := serveWith(t, storesFile(t, `
stores:
  kms-finance:
    provider: alibaba-kms
    endpoint: `+stack.CloudURL+`
    region: cn-hangzhou
    passwords: {length: 20}
`))
	run := start(t, taskQueue, secret, func(r *rotation.Request) { r.Store = "kms-finance" })
	require.Equal(t, "rotate/kms-finance/cn-hangzhou/"+secret.Name, run.GetID())
	result := outcome(t, run)
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	require.Len(t, holder(t, secret, "ACSCurrent").AccountPassword, 20)
}

// A further store of Alibaba Cloud has its instances where its secrets are: the API is called by whom these are read by.
func TestNamedStoreWithInstances(t *testing.T) {
	t.Parallel()
	secret, home := newApsara(t), t.TempDir()
	nobody := cloudsim.Credential{AccessKeyID: "nobody-" + secret.Name, Secret: "0815", Account: "210987654321", Allow: []cloudsim.Permission{}}
	theirs := cloudsim.Credential{AccessKeyID: "theirs-" + secret.Name, Secret: "4711", Account: stack.Cloud.Credential().Account}
	stack.Cloud.AddCredential(nobody)
	stack.Cloud.AddCredential(theirs)
	require.NoError(t, os.Mkdir(filepath.Join(home, ".aliyun"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(home, ".aliyun", "config.json"), []byte(`{"current": "shop", "profiles": [{"name": "shop", "mode": "AK",
		"access_key_id": "`+theirs.AccessKeyID+`", "access_key_secret": "`+theirs.Secret+`", "region_id": "cn-hangzhou"}]}`), 0o600))
	more := storesFile(t, `
stores:
  kms-shop:
    provider: alibaba-kms
    profile: shop
    endpoint: `+stack.CloudURL+`
`)
	more["HOME"], more["ALIBABA_CLOUD_ACCESS_KEY_ID"], more["ALIBABA_CLOUD_ACCESS_KEY_SECRET"] = home, nobody.AccessKeyID, nobody.Secret
	taskQueue := "instances-" + secret.Name
	startWorkerWith(t, taskQueue, more)
	result := outcome(t, start(t, taskQueue, secret, func(r *rotation.Request) { r.Store = "kms-shop" }))
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	require.True(t, logsIn(t, holder(t, secret, "ACSCurrent")))
	require.Positive(t, calls(secret, "CreateAccount"))
}

// A worker with a list works on what is on it, admin secrets included, and on nothing else.
func TestListOfSecrets(t *testing.T) {
	t.Parallel()
	secret, unlisted, stranger := newAWSPair(t), newAWSPair(t), newAWSPair(t)
	taskQueue := serveWith(t, storesFile(t, `
secrets:
  - aws-secrets-manager/eu-central-1/`+secret.Name+`
  - aws-secrets-manager/*/`+secret.Name+`-admin
  - aws-secrets-manager/eu-central-1/`+stranger.Name+`
`))
	require.Equal(t, rotation.Rotated, outcome(t, start(t, taskQueue, secret, nil)).Outcome)
	for name, c := range map[string]struct {
		secret devstack.Secret
		says   string
	}{"the secret": {unlisted, "secret " + unlisted.Name + " "}, "its admin secret": {stranger, "its admin secret " + secretsManager().ARN(stranger.AdminSecret)}} {
		before, since := picture(t, c.secret), len(stack.Cloud.Requests())
		result := outcome(t, start(t, taskQueue, c.secret, nil))
		require.Equal(t, rotation.Refused, result.Outcome, name)
		require.Contains(t, result.Reason.Text, c.says)
		require.Contains(t, result.Reason.Text, "is not on the list")
		require.Equal(t, before, picture(t, c.secret))
		for _, r := range stack.Cloud.RequestsSince(since) {
			require.NotEqual(t, c.secret.AdminSecret, r.Resource, "the admin secret is not even read")
			require.False(t, r.API == cloudsim.AWSSecretsManager && r.Resource == unlisted.Name, "nor a secret that is not on the list")
		}
	}
}

// The settings of AWS's rotation functions, by the names that they have there.
func TestSettingsOfAWSTemplates(t *testing.T) {
	t.Parallel()
	secret := newAWSPair(t)
	taskQueue := serveWith(t, map[string]string{"PASSWORD_LENGTH": "18", "EXCLUDE_CHARACTERS": "abcXYZ-", "EXCLUDE_NUMBERS": "true", "USERNAME_CHARACTER_LIMIT": "8"})
	secret.Name = newAWSSingleUser(t).Name
	for range 3 {
		result := outcome(t, start(t, taskQueue, secret, nil))
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
		require.Regexp(t, `^[d-zA-W_]{18}$`, awsHolder(t, secret.Name, awssecretsmanager.Current).AccountPassword)
	}
	long := newAWSPair(t)
	result := outcome(t, start(t, taskQueue, long, nil))
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "USERNAME_CHARACTER_LIMIT")
	require.Contains(t, result.Reason.Text, long.Account+"_clone")
}
