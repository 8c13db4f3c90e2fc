package cloudapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/cloudapi"
)

func TestPermissionCovers(t *testing.T) {
	for name, tc := range map[string]struct {
		permission       cloudapi.Permission
		action, resource string
		want             bool
	}{
		"exact":                     {cloudapi.Permission{Action: "kms:GetSecretValue"}, "kms:GetSecretValue", "r", true},
		"case of actions":           {cloudapi.Permission{Action: "KMS:getsecretvalue"}, "kms:GetSecretValue", "r", true},
		"other action":              {cloudapi.Permission{Action: "kms:GetSecretValue"}, "kms:PutSecretValue", "r", false},
		"longer action":             {cloudapi.Permission{Action: "kms:Get"}, "kms:GetSecretValue", "r", false},
		"star":                      {cloudapi.Permission{Action: "*"}, "kms:PutSecretValue", "r", true},
		"star in the middle":        {cloudapi.Permission{Action: "kms:*Value"}, "kms:PutSecretValue", "r", true},
		"star twice":                {cloudapi.Permission{Action: "kms:*Secret*"}, "kms:PutSecretValue", "r", true},
		"star and other end":        {cloudapi.Permission{Action: "kms:*Stage"}, "kms:PutSecretValue", "r", false},
		"question mark":             {cloudapi.Permission{Action: "*", Resource: "arn:app-??????"}, "x", "arn:app-AbCd12", true},
		"question mark, too short":  {cloudapi.Permission{Action: "*", Resource: "arn:app-??????"}, "x", "arn:app-AbCd1", false},
		"resource":                  {cloudapi.Permission{Action: "*", Resource: "acs:kms:*:*:secret/db/*"}, "x", "acs:kms:r:1:secret/db/a", true},
		"other resource":            {cloudapi.Permission{Action: "*", Resource: "acs:kms:*:*:secret/db/*"}, "x", "acs:kms:r:1:secret/web", false},
		"case of resources matters": {cloudapi.Permission{Action: "*", Resource: "a"}, "x", "A", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tc.want, tc.permission.Covers(tc.action, tc.resource))
		})
	}
}

func TestParsePolicy(t *testing.T) {
	for name, tc := range map[string]struct {
		document string
		want     []cloudapi.Permission
		err      string
	}{
		"lists": {`{"Version":"1","Statement":[{"Effect":"Allow","Action":["a:B","a:C"],"Resource":["r","s"]}]}`,
			[]cloudapi.Permission{{"a:B", "r"}, {"a:B", "s"}, {"a:C", "r"}, {"a:C", "s"}}, ""},
		"single values": {`{"Version":"2012-10-17","Statement":{"Sid":"x","Effect":"Allow","Action":"a:B","Resource":"*"}}`,
			[]cloudapi.Permission{{"a:B", "*"}}, ""},
		"nothing":   {`{"Version":"1","Statement":[]}`, []cloudapi.Permission{}, ""},
		"deny":      {`{"Statement":[{"Effect":"Deny","Action":"a:B","Resource":"*"}]}`, nil, "statement 1"},
		"condition": {`{"Statement":[{"Effect":"Allow","Action":"a:B","Resource":"*","Condition":{}}]}`, nil, "Condition"},
		"not JSON":  {`nope`, nil, "read policy"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := cloudapi.ParsePolicy([]byte(tc.document))
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tc.want, got)
		})
	}
}

func TestACallRemembersWhatItNeeded(t *testing.T) {
	call := cloudapi.NewCall(cloudapi.Credential{Allow: cloudapi.Actions("a:B")})
	require.True(t, call.May("a:B", "r"))
	require.False(t, call.May("a:C", "r"))
	require.True(t, call.May("a:B", "s"))
	require.Equal(t, []string{"a:B", "a:C"}, call.Needed())
	require.True(t, cloudapi.NewCall(cloudapi.Credential{}).May("a:C", "r"), "a key without a list may do everything")
	require.False(t, cloudapi.NewCall(cloudapi.Credential{Allow: []cloudapi.Permission{}}).May("a:C", "r"))
}

func TestCredentialsPrintWithoutSecrets(t *testing.T) {
	c := cloudapi.Credential{AccessKeyID: "id", Secret: "hidden", SessionToken: "hidden", Account: "1"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, c), "hidden")
	}
}

func TestTimelineShowsThePast(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var line cloudapi.Timeline[string]
	read := func(at time.Duration, stale cloudapi.Staleness) string {
		seen := line.Read(&cloudapi.Call{Now: start.Add(at), Stale: stale})
		if seen == nil {
			return "nothing"
		}
		return *seen
	}
	set := func(value string, at time.Duration) { line.Set(&value, start.Add(at)) }
	require.Equal(t, "nothing", read(0, cloudapi.Staleness{}))
	set("a", time.Second)
	set("b", 3*time.Second)
	line.Set(nil, start.Add(5*time.Second))

	require.Equal(t, "nothing", read(6*time.Second, cloudapi.Staleness{}))
	require.Equal(t, "b", read(6*time.Second, cloudapi.Staleness{BeforeLastWrite: true}))
	require.Equal(t, "b", read(6*time.Second, cloudapi.Staleness{Lag: 2 * time.Second}))
	require.Equal(t, "a", read(6*time.Second, cloudapi.Staleness{Lag: 4 * time.Second}))
	require.Equal(t, "nothing", read(6*time.Second, cloudapi.Staleness{Lag: 6 * time.Second}))
	require.Equal(t, "nothing", read(7*time.Second, cloudapi.Staleness{Lag: 2 * time.Second}), "it catches up")

	for n := range 100 {
		set(fmt.Sprint(n), time.Duration(10+n)*time.Second)
	}
	require.Equal(t, "99", read(time.Hour, cloudapi.Staleness{}))
	require.Equal(t, "98", read(time.Hour, cloudapi.Staleness{BeforeLastWrite: true}))
	require.Equal(t, "90", read(110*time.Second, cloudapi.Staleness{Lag: 10 * time.Second}))
}
