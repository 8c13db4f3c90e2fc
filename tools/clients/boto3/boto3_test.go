package boto3_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/awsrds"
	"rotor/internal/cloudsim/awssecretsmanager"
)

const (
	region = "eu-central-1"
	// python is the system's, for which Debian packages boto3.
	python  = "/usr/bin/python3"
	pkg     = "python3-boto3"
	install = "install Debian's " + pkg + " (as root: apt-get install " + pkg + ")"
)

func TestMain(m *testing.M) {
	if err := ensure(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// ensure installs boto3 where it is missing and may be installed.
func ensure() error {
	if exec.Command(python, "-c", "import boto3").Run() == nil {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Getuid() != 0 {
		return fmt.Errorf("no boto3 here: %s", install)
	}
	for _, args := range [][]string{{"-qq", "update"}, {"-qq", "--no-install-recommends", "install", pkg}} {
		command := exec.Command("apt-get", args...)
		command.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		command.Stdout, command.Stderr = os.Stderr, os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("apt-get could not provide boto3: %s", install)
		}
	}
	return nil
}

// run gives the script to Python, with the clients sm and rds made and a function code that gives an error's code.
func run(t *testing.T, address string, key cloudsim.Credential, script string) (string, error) {
	t.Helper()
	const prelude = `
import os, boto3, botocore.config, botocore.exceptions
options = {
    "endpoint_url": os.environ["SIMULATOR"], # not every boto3 knows AWS_ENDPOINT_URL
    "config": botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"}),
}
sm, rds = boto3.client("secretsmanager", **options), boto3.client("rds", **options)
def code(call, **args):
    try:
        call(**args)
        return "no error"
    except botocore.exceptions.ClientError as e:
        return e.response["Error"]["Code"]
`
	command := exec.CommandContext(t.Context(), python, "-c", prelude+script)
	command.Env = append(os.Environ(), "SIMULATOR="+address, "AWS_DEFAULT_REGION="+region,
		"AWS_ACCESS_KEY_ID="+key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+key.Secret,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "NO_PROXY=127.0.0.1")
	if key.SessionToken != "" {
		command.Env = append(command.Env, "AWS_SESSION_TOKEN="+key.SessionToken)
	}
	var complaints strings.Builder
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, complaints.String())
	}
	return strings.TrimSpace(string(output)), nil
}

func start(t *testing.T, options cloudsim.Options) (*cloudsim.Cloud, string) {
	t.Helper()
	cloud := cloudsim.New(options)
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	return cloud, address
}

func TestSecretsManager(t *testing.T) {
	cloud, address := start(t, cloudsim.Options{})
	output, err := run(t, address, cloud.Credential(), `
old, new = "0" * 31 + "1", "0" * 31 + "2"
odd = '{"password":"a+b c&d=e%~*\'\\"/é<>"}'
arn = sm.create_secret(Name="db/app", ClientRequestToken=old, SecretString="one", Tags=[{"Key": "team", "Value": "a"}])["ARN"]
sm.put_secret_value(SecretId="db/app", ClientRequestToken=new, SecretString=odd, VersionStages=["AWSPENDING"])
assert sm.get_secret_value(SecretId=arn)["SecretString"] == "one"
assert sm.get_secret_value(SecretId="db/app", VersionStage="AWSPENDING")["SecretString"] == odd
assert code(sm.put_secret_value, SecretId="db/app", ClientRequestToken=new, SecretString="x") == "ResourceExistsException"
assert code(sm.update_secret_version_stage, SecretId="db/app", VersionStage="AWSCURRENT", MoveToVersionId=new) == "InvalidParameterException"
sm.update_secret_version_stage(SecretId="db/app", VersionStage="AWSCURRENT", MoveToVersionId=new, RemoveFromVersionId=old)
described = sm.describe_secret(SecretId="db/app")
assert described["VersionIdsToStages"] == {old: ["AWSPREVIOUS"], new: ["AWSPENDING", "AWSCURRENT"]}, described
assert described["CreatedDate"].year >= 2020 and described["Tags"] == [{"Key": "team", "Value": "a"}]
assert [v["VersionId"] for v in sm.list_secret_version_ids(SecretId="db/app")["Versions"]] == [old, new]
sm.update_secret(SecretId="db/app", Description="d")
sm.tag_resource(SecretId="db/app", Tags=[{"Key": "env", "Value": "b"}])
sm.untag_resource(SecretId="db/app", TagKeys=["team"])
assert [s["Name"] for s in sm.list_secrets(Filters=[{"Key": "tag-key", "Values": ["env"]}])["SecretList"]] == ["db/app"]
assert len(sm.get_random_password(PasswordLength=20, ExcludeCharacters="/@\"'\\")["RandomPassword"]) == 20
sm.rotate_secret(SecretId="db/app", ClientRequestToken="0" * 31 + "3", RotationLambdaARN="arn:aws:lambda:eu-central-1:1:function:f")
assert code(sm.get_secret_value, SecretId="db/app", VersionStage="AWSPENDING") == "ResourceNotFoundException"
assert sm.cancel_rotate_secret(SecretId="db/app")["VersionId"] == "0" * 31 + "3"
sm.create_secret(Name="bin", SecretBinary=b"\x00\xff")
assert sm.get_secret_value(SecretId="bin")["SecretBinary"] == b"\x00\xff"
sm.delete_secret(SecretId="db/app", RecoveryWindowInDays=7)
assert code(sm.get_secret_value, SecretId="db/app") == "InvalidRequestException"
sm.restore_secret(SecretId="db/app")
print(sm.get_secret_value(SecretId="db/app")["SecretString"])
`)
	require.NoError(t, err)
	require.Equal(t, `{"password":"a+b c&d=e%~*'\"/é<>"}`, output)
	for _, line := range cloud.Requests() {
		require.NotContains(t, fmt.Sprint(line, line.Params), "a+b c")
	}
}

func TestRDS(t *testing.T) {
	cloud, address := start(t, cloudsim.Options{})
	databases := cloud.AWSRDS().In(cloud.Credential().Account, region)
	databases.PutInstance(awsrds.Instance{ID: "main", Engine: "mysql", Endpoint: &awsrds.Endpoint{Address: "main.example", Port: 3306}})
	databases.PutCluster(awsrds.Cluster{ID: "aurora", Engine: "aurora-mysql", Endpoint: "aurora.example", ReaderEndpoint: "ro.example",
		Members: []awsrds.Member{{Instance: "writer", Writer: true}}})
	output, err := run(t, address, cloud.Credential(), `
main = rds.describe_db_instances(DBInstanceIdentifier="main")["DBInstances"][0]
assert main["Endpoint"] == {"Address": "main.example", "Port": 3306}, main
assert code(rds.describe_db_instances, DBInstanceIdentifier="none") == "DBInstanceNotFound"
assert code(rds.describe_db_clusters, DBClusterIdentifier="none") == "DBClusterNotFoundFault"
assert code(rds.describe_db_snapshots) == "InvalidAction"
cluster = rds.describe_db_clusters(DBClusterIdentifier="aurora")["DBClusters"][0]
assert cluster["DBClusterMembers"][0]["IsClusterWriter"] is True
print(cluster["Endpoint"], cluster["ReaderEndpoint"])
`)
	require.NoError(t, err)
	require.Equal(t, "aurora.example ro.example", output)
}

func TestSignaturesAndPermissions(t *testing.T) {
	session := cloudsim.Credential{AccessKeyID: "sts", Secret: "s", SessionToken: "token", Account: "1",
		Allow: []cloudsim.Permission{{Action: "secretsmanager:DescribeSecret"}, {Action: "rds:DescribeDBInstances"}}}
	cloud, address := start(t, cloudsim.Options{Credentials: []cloudsim.Credential{session}})
	cloud.SecretsManager().In("1", region).Put(awssecretsmanager.Secret{Name: "db/app"})
	const ask = `print(code(sm.describe_secret, SecretId="db/app"), code(sm.get_secret_value, SecretId="db/app"),
code(rds.describe_db_instances), code(rds.describe_db_clusters))`
	wrong, stranger, noToken := session, session, session
	wrong.Secret, stranger.AccessKeyID, noToken.SessionToken = "wrong", "nobody", ""
	for name, tc := range map[string]struct {
		key  cloudsim.Credential
		want string
	}{
		"right":        {session, "no error AccessDeniedException no error AccessDenied"},
		"wrong secret": {wrong, "InvalidSignatureException InvalidSignatureException SignatureDoesNotMatch SignatureDoesNotMatch"},
		"unknown key":  {stranger, "UnrecognizedClientException UnrecognizedClientException InvalidClientTokenId InvalidClientTokenId"},
		"no session":   {noToken, "UnrecognizedClientException UnrecognizedClientException InvalidClientTokenId InvalidClientTokenId"},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := run(t, address, tc.key, ask)
			require.NoError(t, err)
			require.Equal(t, tc.want, strings.Join(strings.Fields(output), " "))
		})
	}
}
