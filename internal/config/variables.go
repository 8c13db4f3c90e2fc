package config

// Variable is one of the environment that is no setting: it belongs to Temporal, a cloud or an operating system, or has no flag.
type Variable struct {
	Name, Usage string
	// By says which programs read it.
	By string
	// Default is what counts without it, "" if nothing does.
	Default string
}

// Who reads a variable.
const (
	byWorker    = "worker"
	byStarter   = "starter"
	byBoth      = "worker, starter"
	bySimulator = "starter simulator"
	byLive      = "make test-live"
	byDev       = "starter dev, starter demo, tests"
)

// Variables lists those that the programs know beside the settings. The SDKs of the clouds, of Temporal and of OpenTelemetry read more;
// these are the ones that are needed, and those that Rotor itself looks at.
func Variables() []Variable {
	return []Variable{
		{"TEMPORAL_API_KEY", "API key for Temporal Cloud; switches TLS on", byBoth, ""},
		{"TEMPORAL_TLS", "whether Temporal is spoken to over TLS: 1, true, 0 or false", byBoth, "on with an API key or a certificate"},
		{"TEMPORAL_TLS_CLIENT_CERT_PATH", "file with the client's certificate for Temporal", byBoth, ""},
		{"TEMPORAL_TLS_CLIENT_CERT_DATA", "the same certificate as text", byBoth, ""},
		{"TEMPORAL_TLS_CLIENT_KEY_PATH", "file with that certificate's key", byBoth, ""},
		{"TEMPORAL_TLS_CLIENT_KEY_DATA", "the same key as text", byBoth, ""},
		{"TEMPORAL_TLS_SERVER_CA_CERT_PATH", "file with the authority of Temporal's certificate", byBoth, "the system's authorities"},
		{"TEMPORAL_TLS_SERVER_CA_CERT_DATA", "the same authority as text", byBoth, ""},
		{"TEMPORAL_TLS_SERVER_NAME", "name that Temporal's certificate has to have", byBoth, "the address's"},
		{"TEMPORAL_TLS_DISABLE_HOST_VERIFICATION", "don't verify Temporal's certificate", byBoth, "false"},
		{"TEMPORAL_CLIENT_AUTHORITY", "authority that requests to Temporal name, where a proxy wants another than the address", byBoth, "the address"},
		{"TEMPORAL_GRPC_META_*", "header of requests to Temporal, named by the rest of the variable's name", byBoth, ""},

		{"ALIBABA_CLOUD_ACCESS_KEY_ID", "access key; the simulator takes requests that are signed with it", byWorker + ", " + bySimulator, ""},
		{"ALIBABA_CLOUD_ACCESS_KEY_SECRET", "its secret", byWorker + ", " + bySimulator, ""},
		{"ALIBABA_CLOUD_SECURITY_TOKEN", "token of a temporary access key", byWorker, ""},
		{"ALIBABA_CLOUD_ROLE_ARN", "role to take on with OIDC or the access key, as Alibaba's SDKs read it", byWorker, ""},
		{"ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "OIDC provider of a pod's role", byWorker, ""},
		{"ALIBABA_CLOUD_OIDC_TOKEN_FILE", "file with a pod's OIDC token", byWorker, ""},
		{"ALIBABA_CLOUD_PROFILE", "profile of ~/.aliyun/config.json", byWorker, ""},
		{"ALIBABA_CLOUD_ECS_METADATA", "name of the instance's role", byWorker, ""},
		{"ALIBABA_CLOUD_ECS_METADATA_DISABLED", "don't ask the instance for a role", byWorker, "false"},
		{"ALIBABA_CLOUD_CREDENTIALS_URI", "URL that gives temporary access keys", byWorker, ""},
		{"ALIBABA_CLOUD_STS_REGION", "region of the token service", byWorker, "sts.aliyuncs.com"},
		{"ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "reach the token service inside of the VPC", byWorker, "false"},

		{"AWS_REGION", "region of the token service and of profiles; requests name their own", byWorker, ""},
		{"AWS_ACCESS_KEY_ID", "access key, as all of AWS's tools read it", byWorker, ""},
		{"AWS_SECRET_ACCESS_KEY", "its secret", byWorker, ""},
		{"AWS_SESSION_TOKEN", "token of a temporary access key", byWorker, ""},
		{"AWS_PROFILE", "profile of AWS's configuration files", byWorker, "default"},
		{"AWS_CONFIG_FILE", "AWS's configuration file", byWorker, "~/.aws/config"},
		{"AWS_SHARED_CREDENTIALS_FILE", "AWS's file of credentials", byWorker, "~/.aws/credentials"},
		{"AWS_EC2_METADATA_DISABLED", "don't ask the instance for a role", byWorker, "false"},
		{"AWS_CA_BUNDLE", "file with authorities for AWS's endpoints", byWorker, "the system's authorities"},
		{"AWS_ENDPOINT_URL_SECRETS_MANAGER", "URL of Secrets Manager", byWorker, "the region's own"},
		{"AWS_ENDPOINT_URL_RDS", "URL of the RDS API", byWorker, "the region's own"},
		{"AWS_ENDPOINT_URL_STS", "URL of the token service", byWorker, "the region's own"},

		{"HTTPS_PROXY", "proxy for the clouds' APIs; NO_PROXY names what is reached without", byWorker, ""},
		{"NO_PROXY", "hosts that are reached without a proxy", byWorker, ""},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "where traces go, over http/protobuf; nowhere without it", byWorker, ""},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "the same, for traces only", byWorker, ""},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf is the only one that is spoken", byWorker, "http/protobuf"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "the same, for traces only", byWorker, "http/protobuf"},

		{SettingStores, "the workers' file of stores, so that a manifest's named stores are known", byStarter, ""},
		{"ROTOR_MIN_INTERVAL", "lowers the bounds of intervals, for tests and demos: 1s at least", byStarter, "1h, in KMS 21h"},
		{"NO_COLOR", "if it is set, nothing is printed in colour", byStarter, ""},
		{"TERM", "dumb: neither colours nor a line that changes", byStarter, ""},
		{"MYSQL_ROOT_PASSWORD", "root's password on the server of --mysql", bySimulator, ""},
		{"ROTOR_MYSQLD", "server program to run, several for tests separated by colons", byDev, "mariadbd or mysqld where they are installed"},
		{"ROTOR_CACHE", "folder for what is made once: the Temporal CLI, data directories", byDev, "rotor in the user's cache folder"},
		{"ROTOR_LIVE_STORE", "store to try, see docs/live.md: alibaba-kms or aws-secrets-manager", byLive, ""},
		{"ROTOR_LIVE_REGION", "region to make throwaway secrets in", byLive, ""},
		{"ROTOR_LIVE_MYSQL", "HOST:PORT of the server to make throwaway accounts on", byLive, ""},
		{"ROTOR_LIVE_MYSQL_USER", "account that may make them", byLive, ""},
		{"ROTOR_LIVE_MYSQL_PASSWORD_FILE", "file with its password", byLive, ""},
		{"XDG_CACHE_HOME", "the user's cache folder", byDev, "~/.cache"},
	}
}

// Exported lists what starter dev writes into its file for a shell beside settings and the variables above.
func Exported() []Variable {
	return []Variable{
		{"MYSQL_HOST", "address of the stack's MySQL server", "", ""},
		{"MYSQL_PORT", "its port", "", ""},
		{"ROTOR_DEV_SECRETS", "names of the ready-made secrets of alibaba-kms, separated by commas", "", ""},
		{"ROTOR_DEV_APSARA_SECRETS", "names of those on ApsaraDB RDS", "", ""},
		{"ROTOR_DEV_AWS_SECRETS", "names of those of aws-secrets-manager", "", ""},
	}
}
