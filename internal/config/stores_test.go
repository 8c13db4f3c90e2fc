package config_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/config"
	"rotor/internal/rotation"
)

// worker reads settings from an environment.
func worker(t *testing.T, env map[string]string) config.Worker {
	t.Helper()
	var w config.Worker
	require.NoError(t, w.Settings().Load(func(name string) (string, bool) {
		value, set := env[name]
		return value, set
	}))
	return w
}

// stores reads a configuration file; errors have its name replaced by FILE, and no columns.
func stores(t *testing.T, text string, env map[string]string) (config.Stores, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "stores.yaml")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	if env == nil {
		env = map[string]string{}
	}
	env["ROTOR_STORES"] = file
	w := worker(t, env)
	found, err := w.Stores()
	if err == nil {
		return found, ""
	}
	return found, columns.ReplaceAllString(strings.ReplaceAll(err.Error(), file, "FILE"), "$1: ")
}

var columns = regexp.MustCompile(`(?m)^(FILE:[0-9]+):[0-9]+: `)

func TestStores(t *testing.T) {
	found, problem := stores(t, `# two accounts
stores:
  aws-prod:
    provider: aws-secrets-manager
    roleARN: arn:aws:iam::123456789012:role/team/rotor
    externalID: "0815"
    profile: prod
    endpoint: https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com
    region: eu-central-1
    usernameCharacterLimit: 16
    passwords:
      length: 24
      excludeCharacters: "/@\"'\\"
      excludeNumbers: false
      requireEachIncludedType: true
      source: store
  kms-finance:
    provider: alibaba-kms
    roleARN: acs:ram::1234567890123456:role/rotor
    network: public
secrets:
  - aws-prod/eu-central-1/orders/*
  - "*/cn-hangzhou/shop"
  - aws-prod/eu-central-1/rds!db-0815-*
`, map[string]string{"EXCLUDE_NUMBERS": "yes", "REQUIRE_EACH_INCLUDED_TYPE": "no", "PASSWORD_LENGTH": "20"})
	require.Empty(t, problem)
	require.Equal(t, map[string]config.NamedStore{
		"aws-prod": {Provider: rotation.StoreAWS, WritesPerSecond: 50, RoleARN: "arn:aws:iam::123456789012:role/team/rotor", ExternalID: "0815", Profile: "prod",
			Endpoint: "https://vpce-1.secretsmanager.eu-central-1.vpce.amazonaws.com", Region: "eu-central-1", UsernameLimit: 16,
			Passwords: rotation.PasswordPolicy{Length: 24, ExcludeCharacters: `/@"'\`, Source: "store"}},
		"kms-finance": {Provider: rotation.StoreAlibabaKMS, WritesPerSecond: 40, RoleARN: "acs:ram::1234567890123456:role/rotor", Network: "public",
			Passwords: rotation.PasswordPolicy{Length: 20, ExcludeNumbers: true, AnyTypes: true}},
	}, found.Named, "what a store leaves open is as the settings say")
	allowed := found.Allowed()
	for secret, want := range map[string]bool{
		"aws-prod eu-central-1 orders/db": true, "aws-prod eu-central-1 orders/": true, "aws-prod eu-central-1 orders": false,
		"aws-prod us-east-1 orders/db": false, "alibaba-kms cn-hangzhou shop": true, "kms-finance cn-hangzhou shop": true,
		"alibaba-kms cn-hangzhou shop2": false, "aws-prod eu-central-1 rds!db-0815-ab": true, "alibaba-kms cn-hangzhou x/cn-hangzhou/shop": true,
	} {
		parts := strings.Fields(secret)
		require.Equal(t, want, allowed(parts[0], parts[1], parts[2]), secret)
	}
}

func TestNoStores(t *testing.T) {
	w := worker(t, nil)
	found, err := w.Stores()
	require.NoError(t, err)
	require.Empty(t, found.Named)
	require.Nil(t, found.Allowed(), "all secrets are allowed")
	for _, text := range []string{"", "# nothing\n", "stores:\n"} {
		found, problem := stores(t, text, nil)
		require.Empty(t, problem)
		require.Empty(t, found.Named)
		require.Nil(t, found.Allowed())
	}
	_, err = func() (config.Stores, error) {
		w := worker(t, map[string]string{"ROTOR_STORES": "/no/such/file"})
		return w.Stores()
	}()
	require.ErrorContains(t, err, "/no/such/file can't be read")
}

// Every problem has its line, and all are reported at once.
func TestProblemsOfStores(t *testing.T) {
	const head = "stores:\n  one:\n    provider: aws-secrets-manager\n"
	for name, c := range map[string]struct{ text, want string }{
		"no YAML":               {"stores:\n  - [", "FILE:2: no YAML: "},
		"two documents":         {"stores:\n---\nstores:\n", "FILE:3: a second document"},
		"a list":                {"- a\n", "FILE:1: ROTOR_STORES: wanted: fields with values"},
		"unknown field":         {"shops:\n", "FILE:1: shops: unknown field; known: secrets, stores"},
		"unknown field inside":  {head + "    role: x\n", "FILE:4: role: unknown field; known: endpoint, externalID, network, passwords, profile, provider, region, roleARN, usernameCharacterLimit, writesPerSecond"},
		"unknown password rule": {head + "    passwords:\n      len: 3\n", "FILE:5: len: unknown field; known: excludeCharacters"},
		"a field twice":         {head + "    region: a\n    region: b\n", "FILE:5: region: the field is there twice; wanted: one (the other stands in line 4)"},
		"no provider":           {"stores:\n  one:\n    region: a\n", "FILE:2: store one, provider: wanted: alibaba-kms or aws-secrets-manager"},
		"unknown provider":      {"stores:\n  one:\n    provider: vault\n", "FILE:3: store one, provider: wanted: alibaba-kms or aws-secrets-manager"},
		"bad name":              {"stores:\n  One!:\n    provider: alibaba-kms\n", `FILE:2: store "One!": no name of a store`},
		"the default's name":    {"stores:\n  alibaba-kms:\n    provider: alibaba-kms\n", "FILE:2: store alibaba-kms: every worker has it already"},
		"another cloud's role":  {head + "    roleARN: acs:ram::1:role/x\n", "FILE:4: store one, roleARN: no role of this provider; wanted: one like arn:aws:iam::123456789012:role/rotor"},
		"id without role":       {head + "    externalID: x\n", "FILE:4: store one, externalID: it goes with a roleARN only"},
		"plain http":            {head + "    endpoint: http://10.0.0.1\n", "FILE:4: store one, endpoint: plain http to 10.0.0.1"},
		"no URL":                {head + "    endpoint: secretsmanager\n", "FILE:4: store one, endpoint: not a URL with a host"},
		"network of AWS":        {head + "    network: vpc\n", "FILE:4: store one, network: it is for alibaba-kms only"},
		"unknown network":       {"stores:\n  one:\n    provider: alibaba-kms\n    network: lan\n", "FILE:4: store one, network: wanted: vpc or public"},
		"bad region":            {head + "    region: EU 1\n", "FILE:4: store one, region: no region"},
		"not a text":            {head + "    region: [a]\n", "FILE:4: region: wanted: a text"},
		"not a number":          {head + "    passwords: {length: long}\n", "FILE:4: length: wanted: a whole number of at least 8"},
		"too short":             {head + "    passwords: {length: 4}\n", "FILE:4: length: wanted: a whole number of at least 8"},
		"too long":              {head + "    passwords: {length: 1000}\n", "FILE:4: store one, passwords: Password.Length: 1000 is out of range"},
		"not true or false":     {head + "    passwords: {excludeNumbers: 1}\n", "FILE:4: excludeNumbers: wanted: true or false"},
		"unknown source":        {head + "    passwords: {source: dice}\n", "FILE:4: store one, passwords: Password.Source: \"dice\" is unknown"},
		"no list of secrets":    {"secrets: all\n", "FILE:1: secrets: wanted: a list of patterns"},
		"an empty list":         {"secrets: []\n", "FILE:1: secrets: wanted: a list of patterns"},
		"bad pattern":           {"secrets:\n  - orders\n", `FILE:2: secrets: "orders" is no pattern; wanted: STORE/REGION/NAME`},
		"unknown store":         {"secrets:\n  - vault/eu/orders\n", "FILE:2: secrets: there is no store vault; known: alibaba-kms, aws-secrets-manager"},
	} {
		t.Run(name, func(t *testing.T) {
			_, problem := stores(t, c.text, nil)
			require.Contains(t, problem, c.want)
			require.NotContains(t, problem, "\n", "one problem, one line")
		})
	}
	_, problem := stores(t, "stores:\n  one:\n    provider: vault\n  two:\n    provider: alibaba-kms\n    region: X\nsecrets:\n  - x\n", nil)
	require.Equal(t, []string{"FILE:3", "FILE:6", "FILE:8"}, func() (places []string) {
		for line := range strings.SplitSeq(problem, "\n") {
			places = append(places, strings.Join(strings.SplitN(line, ":", 3)[:2], ":"))
		}
		return places
	}())
}

func TestPasswordSettings(t *testing.T) {
	w := worker(t, nil)
	require.Equal(t, rotation.PasswordPolicy{}, w.PasswordPolicy())
	w = worker(t, map[string]string{
		"EXCLUDE_CHARACTERS": "abc", "PASSWORD_LENGTH": "40", "EXCLUDE_NUMBERS": "1", "EXCLUDE_PUNCTUATION": "True", "EXCLUDE_UPPERCASE": "y",
		"EXCLUDE_LOWERCASE": "false", "REQUIRE_EACH_INCLUDED_TYPE": "no", "USERNAME_CHARACTER_LIMIT": "16", "SECRETS_MANAGER_ENDPOINT": "https://x.example",
	})
	require.Equal(t, rotation.PasswordPolicy{Length: 40, ExcludeCharacters: "abc", ExcludeNumbers: true, ExcludePunctuation: true, ExcludeUppercase: true, AnyTypes: true},
		w.PasswordPolicy())
	require.Equal(t, 16, w.UsernameLimit)
	require.Equal(t, "https://x.example", w.AWSEndpoint)
	var bad config.Worker
	err := bad.Settings().Load(func(name string) (string, bool) {
		return map[string]string{"EXCLUDE_NUMBERS": "maybe"}[name], name == "EXCLUDE_NUMBERS"
	})
	require.ErrorContains(t, err, "EXCLUDE_NUMBERS: ")
}

func TestWritesPerSecond(t *testing.T) {
	file := filepath.Join(t.TempDir(), "stores.yaml")
	require.NoError(t, os.WriteFile(file, []byte("stores:\n  plain-kms: {provider: alibaba-kms}\n  plain-aws: {provider: aws-secrets-manager}\n"+
		"  raised: {writesPerSecond: 200, provider: aws-secrets-manager}\n  off: {provider: alibaba-kms, writesPerSecond: 0}\n"), 0o600))
	for name, tc := range map[string]struct {
		env  map[string]string
		want map[string]int
	}{
		"defaults": {nil, map[string]int{"plain-kms": 40, "plain-aws": 50, "raised": 200, "off": 0}},
		"set": {map[string]string{"ROTOR_ALIBABA_KMS_WRITES": "10", "ROTOR_AWS_WRITES": "0"},
			map[string]int{"plain-kms": 10, "plain-aws": 0, "raised": 200, "off": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := load(t, tc.env, "--stores", file)
			require.NoError(t, err)
			stores, err := w.Stores()
			require.NoError(t, err)
			for store, want := range tc.want {
				require.Equal(t, want, stores.Named[store].WritesPerSecond, store)
			}
		})
	}
}
