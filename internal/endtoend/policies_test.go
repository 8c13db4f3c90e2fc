package endtoend

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdktemporal "go.temporal.io/sdk/temporal"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	sim "rotor/internal/cloudsim/apsarards"
	"rotor/internal/cloudsim/awsrds"
	"rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/cloudsim/cloudapi"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// limited is a worker whose access key may do no more than a policy says.
type limited struct {
	queue string
	key   cloudsim.Credential
}

func limitedWorker(t *testing.T, secret devstack.Secret, allow []cloudsim.Permission) limited {
	t.Helper()
	l := limited{queue: "limited-" + secret.Name, key: cloudsim.Credential{
		AccessKeyID: "limited-" + secret.Name, Secret: "secret-of-" + secret.Name, Account: stack.Cloud.Credential().Account, Allow: allow,
	}}
	stack.Cloud.AddCredential(l.key)
	startWorkerWith(t, l.queue, map[string]string{"ALIBABA_CLOUD_ACCESS_KEY_ID": l.key.AccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": l.key.Secret,
		"AWS_ACCESS_KEY_ID": l.key.AccessKeyID, "AWS_SECRET_ACCESS_KEY": l.key.Secret})
	return l
}

// requests are those of the worker.
func (l limited) requests() []cloudsim.Request {
	return slices.DeleteFunc(stack.Cloud.Requests(), func(r cloudsim.Request) bool { return r.AccessKey != l.key.AccessKeyID })
}

// arn is what a request needed a permission for.
func arn(r cloudsim.Request, permission string) string {
	aws := "arn:aws:%s:" + r.Region + ":" + r.Account + ":%s"
	switch {
	case r.API == cloudsim.AWSSecretsManager && strings.HasPrefix(permission, "kms:"):
		return fmt.Sprintf(aws, "kms", "key/"+customersKey)
	case r.API == cloudsim.AWSSecretsManager && r.Resource == "":
		return "*"
	case r.API == cloudsim.AWSSecretsManager:
		return secretsManager().ARN(r.Resource)
	case r.API == cloudsim.AWSRDS && r.Action == "DescribeDBClusters":
		return fmt.Sprintf(aws, "rds", "cluster:*")
	case r.API == cloudsim.AWSRDS:
		return fmt.Sprintf(aws, "rds", "db:*")
	}
	if r.API == cloudsim.AlibabaKMS && (permission == "kms:Decrypt" || permission == "kms:GenerateDataKey") {
		return "acs:kms:" + r.Region + ":" + r.Account + ":key/" + customersKey
	}
	if r.API == cloudsim.AlibabaRDS {
		instance, _, _ := strings.Cut(r.Resource, "/")
		return "acs:rds:" + r.Region + ":" + r.Account + ":dbinstance/" + instance
	}
	if r.Resource == "" {
		return "acs:kms:" + r.Region + ":" + r.Account + ":secret"
	}
	return "acs:kms:" + r.Region + ":" + r.Account + ":secret/" + r.Resource
}

// policy reads one of the documentation's, filled in for a secret.
func policy(t *testing.T, file string, secret devstack.Secret) []cloudsim.Permission {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	filled := strings.NewReplacer("REGION", secret.Region, "ACCOUNT", stack.Cloud.Credential().Account, "ADMIN-SECRET", secret.AdminSecret,
		"SECRET", secret.Name, "INSTANCE", secret.Instance, "KEY", customersKey).Replace(string(text))
	allow, err := cloudapi.ParsePolicy([]byte(filled))
	require.NoError(t, err)
	return allow
}

// courses are what rotations do under the policies of the documentation, by file.
var courses = map[string]struct {
	secret func(*testing.T) devstack.Secret
	run    func(*testing.T, limited, devstack.Secret)
	// over is the policy that this one is an addition to.
	over string
}{
	"aws-single-user.json":       {secret: newAWSSingleUser, run: rotateAndRollBack},
	"aws-alternating-users.json": {secret: newAWSPair, run: rotateAndRollBack},
	"aws-also-customer-managed-key.json": {secret: newAWSPair, over: "aws-alternating-users.json", run: func(t *testing.T, l limited, s devstack.Secret) {
		awsChange(t, s.Name, func(secret *awssecretsmanager.Secret) { secret.KeyID = customersKey })
		awsChange(t, s.AdminSecret, func(secret *awssecretsmanager.Secret) { secret.KeyID = customersKey })
		rotateOnce(t, l, s)
	}},
	"aws-also-rds-addresses.json": {secret: newAWSPair, over: "aws-alternating-users.json", run: func(t *testing.T, l limited, s devstack.Secret) {
		reader, writer := newRelay(t), newRelay(t)
		awsRDS().PutCluster(awsrds.Cluster{ID: s.Name, Engine: "aurora-mysql", Endpoint: writer.host, ReaderEndpoint: reader.host, Port: stack.MySQL.Port})
		awsEdit(t, s.Name, with("host", reader.host))
		awsEdit(t, s.AdminSecret, with("host", writer.host))
		rotateOnce(t, l, s)
	}},
	"aws-also-store-passwords.json": {secret: newAWSSingleUser, over: "aws-single-user.json", run: func(t *testing.T, l limited, s devstack.Secret) {
		result := outcome(t, start(t, l.queue, s, func(r *rotation.Request) { r.Password.Source = rotation.PasswordSourceStore }))
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	}},
	"aws-also-tags.json":            {secret: newAWSPair, over: "aws-alternating-users.json", run: listTagged},
	"alibaba-kms-also-tags.json":    {secret: newSecret, over: "alibaba-kms-dual-account.json", run: listTagged},
	"alibaba-kms-dual-account.json": {secret: newSecret, run: rotateOnce},
	"alibaba-kms-single-user.json": {secret: newSecret, run: func(t *testing.T, l limited, s devstack.Secret) {
		edit(t, s.Name, without("MasterSecret"))
		rotateOnce(t, l, s)
	}},
	"alibaba-kms-also-customer-managed-key.json": {secret: newSecret, over: "alibaba-kms-dual-account.json", run: func(t *testing.T, l limited, s devstack.Secret) {
		for _, name := range []string{s.Name, s.AdminSecret} {
			secret := stored(t, name)
			secret.KeyID = customersKey
			kms().Put(secret)
		}
		rotateOnce(t, l, s)
	}},
	"alibaba-kms-also-store-passwords.json": {secret: newSecret, over: "alibaba-kms-dual-account.json", run: func(t *testing.T, l limited, s devstack.Secret) {
		result := outcome(t, start(t, l.queue, s, func(r *rotation.Request) { r.Password.Source = rotation.PasswordSourceStore }))
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	}},
	"apsara-rds-dual-account.json": {secret: newApsara, run: func(t *testing.T, l limited, s devstack.Secret) {
		run := start(t, l.queue, s, nil)
		failing := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.Name, Action: "ListSecretVersionIds", If: func(cloudsim.Request) bool {
			status, err := query(run)
			return err == nil && lastStep(status) == rotation.StepTest
		}})
		defer failing.Remove()
		require.Equal(t, rotation.RolledBack, outcome(t, run).Outcome, "the account that was created is dropped")
		rotateOnce(t, l, s)
		execute(t, "CREATE DATABASE `"+s.Database+"more`")
		execute(t, "GRANT SELECT ON `"+s.Database+"more`.* TO '"+s.Account+"'@'%'")
		change(t, s, func(i *sim.Instance) { i.Databases = append(i.Databases, s.Database+"more") })
		rotateOnce(t, l, s)
		require.Equal(t, privileges(grants(t, s.Account)), privileges(grants(t, s.Account+"_rt")), "what the standby account had too much is taken from it")
	}},
	"apsara-rds-single-user.json": {secret: newApsara, run: func(t *testing.T, l limited, s devstack.Secret) {
		result := outcome(t, start(t, l.queue, s, func(r *rotation.Request) { r.Strategy = rotation.SingleUser }))
		require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
	}},
}

// customersKey is a customer-managed key, of either cloud.
const customersKey = "1234abcd-12ab-34cd-56ef-1234567890ab"

// rotateAndRollBack is cancelled before it has set a password, and rotates then.
func rotateAndRollBack(t *testing.T, l limited, s devstack.Secret) {
	t.Helper()
	before := awsHolder(t, s.Name, awssecretsmanager.Current)
	var cancelled atomic.Bool
	remove := stack.Cloud.After(func(r cloudsim.Request) {
		if r.Action == "PutSecretValue" && r.Resource == s.Name && !cancelled.Swap(true) {
			_ = temporal.CancelWorkflow(context.Background(), "rotate/"+s.Store+"/"+s.Region+"/"+s.Name, "") // seen by its outcome
		}
	})
	defer remove()
	run := start(t, l.queue, s, nil)
	_, isCancelled := errors.AsType[*sdktemporal.CanceledError](run.Get(t.Context(), nil))
	require.True(t, isCancelled)
	require.True(t, cancelled.Load())
	require.True(t, logsIn(t, before))
	rotateOnce(t, l, s)
}

func rotateOnce(t *testing.T, l limited, s devstack.Secret) {
	t.Helper()
	result := outcome(t, start(t, l.queue, s, nil))
	require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
}

// listTagged lists by a tag, and rotates.
func listTagged(t *testing.T, l limited, s devstack.Secret) {
	t.Helper()
	run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: l.queue, WorkflowExecutionTimeout: time.Minute}, rotation.TaggedWorkflowType,
		rotation.TaggedRequest{Store: s.Store, Region: s.Region, Tags: rotation.Tags{"team": s.Name}})
	require.NoError(t, err)
	var found rotation.Tagged
	require.NoError(t, run.Get(t.Context(), &found))
	require.Equal(t, rotation.Tagged{}, found, "nothing bears the tag")
	rotateOnce(t, l, s)
}

// The policies let rotations do all that they do, rollbacks too, and nothing in them is more than that.
func TestLeastPolicies(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(module(t), "docs", "policies")
	var files []string
	for _, prefix := range []string{"alibaba", "apsara", "aws"} {
		found, err := filepath.Glob(filepath.Join(folder, prefix+"-*.json"))
		require.NoError(t, err)
		files = append(files, found...)
	}
	require.Len(t, files, len(courses), "each policy is tried")
	for file, course := range courses {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			secret := course.secret(t)
			allow := policy(t, filepath.Join(folder, file), secret)
			if course.over != "" {
				allow = append(allow, policy(t, filepath.Join(folder, course.over), secret)...)
			}
			l := limitedWorker(t, secret, allow)
			course.run(t, l, secret)
			checkUnder(t, l, secret)
			ageUnder(t, l, secret)
			unused := slices.Clone(allow)
			for _, r := range l.requests() {
				if len(r.Faults) == 0 {
					require.NotContains(t, r.Code, "Forbidden", r)
					require.NotContains(t, r.Code, "AccessDenied", r)
				}
				for _, action := range r.Permissions {
					unused = slices.DeleteFunc(unused, func(p cloudsim.Permission) bool { return p.Covers(action, arn(r, action)) })
				}
			}
			require.Empty(t, unused, "nothing is allowed that is not used")
		})
	}
}

// checkUnder checks with what a rotation may do: it takes nothing more.
func checkUnder(t *testing.T, l limited, secret devstack.Secret) {
	t.Helper()
	found := checkOf(t, startCheck(t, l.queue, secret, nil))
	require.True(t, found.Fine(), found.Findings)
	require.NotEmpty(t, found.Changes)
}

// ageUnder reads the age of a secret's current version, for which no value is read.
func ageUnder(t *testing.T, l limited, secret devstack.Secret) {
	t.Helper()
	before := len(l.requests())
	run, err := temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: l.queue, WorkflowExecutionTimeout: time.Minute},
		rotation.AgesWorkflowType, rotation.AgesRequest{Secrets: []rotation.AgeOf{{Store: secret.Store, Region: secret.Region, Secret: secret.Name}}})
	require.NoError(t, err)
	var found rotation.Ages
	require.NoError(t, run.Get(t.Context(), &found))
	require.Len(t, found.Ages, 1)
	require.Empty(t, found.Ages[0].Problem)
	require.WithinDuration(t, time.Now(), found.Ages[0].Written, 10*time.Minute)
	for _, r := range l.requests()[before:] {
		require.Contains(t, []string{"ListSecretVersionIds", "DescribeSecret"}, r.Action)
	}
}

// recipePolicy is the one that the Function Compute recipe gives its function.
var recipePolicy = cloudapi.Actions("kms:GetSecretValue", "kms:GetRandomPassword", "kms:PutSecretValue", "kms:UpdateSecretVersionStage",
	"rds:GrantAccountPrivilege", "rds:DescribeAccounts", "rds:ResetAccountPassword", "rds:CreateAccount")

// Under the recipe's policy the one permission that is always needed, and missing, is named before anything is changed. With it, the
// recipe's will do: what else a rotation would look at, it only makes sure with.
func TestRecipesPolicy(t *testing.T) {
	t.Parallel()
	t.Run("as it is", func(t *testing.T) {
		t.Parallel()
		secret := newApsara(t)
		withoutAddress(t, secret)
		before, accounts := picture(t, secret), described(secret)
		result := outcome(t, start(t, limitedWorker(t, secret, recipePolicy).queue, secret, nil))
		require.Equal(t, rotation.Refused, result.Outcome)
		require.Contains(t, result.Reason.Text, "kms:ListSecretVersionIds on acs:kms:cn-hangzhou:*:secret/"+secret.Name)
		require.Equal(t, before, picture(t, secret))
		require.Equal(t, accounts, described(secret))
	})
	for name, test := range map[string]struct {
		prepare func(*testing.T, devstack.Secret)
		proof   string
	}{"with an address": {inReach, rotation.ProofLogin}, "without an address": {withoutAddress, rotation.ProofAPI}} {
		t.Run("and versions may be listed, "+name, func(t *testing.T) {
			t.Parallel()
			secret := newApsara(t)
			test.prepare(t, secret)
			l := limitedWorker(t, secret, append(cloudapi.Actions("kms:ListSecretVersionIds"), recipePolicy...))
			for range 3 {
				former := holder(t, secret, alibabakms.Current)
				result := outcome(t, start(t, l.queue, secret, nil))
				require.Equal(t, rotation.Rotated, result.Outcome, result.Reason)
				require.Equal(t, test.proof, result.Proof)
				require.Contains(t, strings.Join(result.Notes, "\n"), "rds:DescribeDBInstanceAttribute")
				require.True(t, logsIn(t, holder(t, secret, alibabakms.Current)))
				require.True(t, logsIn(t, former))
			}
		})
	}
}
