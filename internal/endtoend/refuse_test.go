package endtoend

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// edit changes the document of a secret's current version.
func edit(t *testing.T, name string, change func(map[string]any)) {
	t.Helper()
	s := stored(t, name)
	for i, v := range s.Versions {
		if v.ID != s.Holder(alibabakms.Current).ID {
			continue
		}
		var document map[string]any
		require.NoError(t, json.Unmarshal([]byte(v.Data), &document))
		change(document)
		text, err := json.Marshal(document)
		require.NoError(t, err)
		s.Versions[i].Data = string(text)
	}
	kms().Put(s)
}

// replace replaces the secret's current value by a text.
func replace(t *testing.T, name, text string) {
	t.Helper()
	s := stored(t, name)
	for i := range s.Versions {
		s.Versions[i].Data = text
	}
	kms().Put(s)
}

func without(field string) func(map[string]any) {
	return func(d map[string]any) { delete(d, field) }
}

func with(field string, value any) func(map[string]any) {
	return func(d map[string]any) { d[field] = value }
}

// Nothing that is refused changes anything, and all that is refused says what would be right.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		prepare func(*testing.T, devstack.Secret)
		ask     func(*rotation.Request)
		says    []string
	}{
		"unknown secret": {func(*testing.T, devstack.Secret) {}, func(r *rotation.Request) { r.SecretName = "no-such-" + r.SecretName }, []string{"no-such-"}},
		"secret of another type": {func(t *testing.T, s devstack.Secret) {
			secret := stored(t, s.Name)
			secret.Type = "Rds"
			kms().Put(secret)
		}, nil, []string{"Rds"}},
		"scheduled for deletion": {func(t *testing.T, s devstack.Secret) {
			secret := stored(t, s.Name)
			secret.PlannedDelete = time.Now().Add(time.Hour)
			kms().Put(secret)
		}, nil, []string{"delet"}},
		"no JSON":     {func(t *testing.T, s devstack.Secret) { replace(t, s.Name, "not json") }, nil, []string{"no JSON object"}},
		"a list":      {func(t *testing.T, s devstack.Secret) { replace(t, s.Name, "[]") }, nil, []string{"no JSON object"}},
		"a text":      {func(t *testing.T, s devstack.Secret) { replace(t, s.Name, `"x"`) }, nil, []string{"no JSON object"}},
		"null":        {func(t *testing.T, s devstack.Secret) { replace(t, s.Name, "null") }, nil, []string{"no JSON object"}},
		"no account":  {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, without("AccountName")) }, nil, []string{"AccountName"}},
		"no password": {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, without("AccountPassword")) }, nil, []string{"AccountPassword"}},
		"no endpoint": {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, without("Endpoint")) }, nil, []string{"Endpoint"}},
		"no admin secret named": {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, without("MasterSecret")) },
			func(r *rotation.Request) { r.Strategy = rotation.DualAccount }, []string{"MasterSecret"}},
		"admin secret missing": {func(t *testing.T, s devstack.Secret) { kms().Remove(s.AdminSecret) }, nil, []string{"-admin"}},
		"admin can't log in":   {func(t *testing.T, s devstack.Secret) { edit(t, s.AdminSecret, with("AccountPassword", "wrong")) }, nil, []string{"admin secret", "1045"}},
		"current can't log in": {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, with("AccountPassword", "wrong")) }, nil, []string{"does not log in", "1045"}},
		"endpoints differ":     {func(t *testing.T, s devstack.Secret) { edit(t, s.AdminSecret, with("Endpoint", "localhost")) }, nil, []string{"Endpoint", "differ"}},
		"ports differ":         {func(t *testing.T, s devstack.Secret) { edit(t, s.AdminSecret, with("Port", 3306)) }, nil, []string{"Port", "differ"}},
		"strange region":       {func(*testing.T, devstack.Secret) {}, func(r *rotation.Request) { r.RegionId = "cn/../x" }, []string{"RegionId"}},
		"unknown store":        {func(*testing.T, devstack.Secret) {}, func(r *rotation.Request) { r.Store = "vault" }, []string{"Store", "vault", "alibaba-kms"}},
		"within the grace time": {func(t *testing.T, s devstack.Secret) {
			secret := stored(t, s.Name)
			secret.Versions[0].Created = time.Now().Add(-10*time.Minute - 30*time.Second)
			kms().Put(secret)
		}, func(r *rotation.Request) { r.Now = false }, []string{"grace", "49m", "--now"}},
		"a standby account that is somebody else's": {func(t *testing.T, s devstack.Secret) {
			execute(t, "CREATE USER '"+s.Account+"_rt'@'%' IDENTIFIED BY 'theirs-0815'")
		}, nil, []string{"_rt", "somebody else", "AdoptStandby"}},
		"reading is denied": {func(t *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.Name, Action: "GetSecretValue", Times: cloudsim.Always})
		}, nil, []string{"kms:GetSecretValue", "Forbidden.NoPermission"}},
		"reading the admin secret is denied": {func(t *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.AdminSecret, Action: "GetSecretValue", Times: cloudsim.Always})
		}, nil, []string{"admin secret", "kms:GetSecretValue", "Forbidden.NoPermission"}},
		"listing is denied": {func(t *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.Name, Action: "ListSecretVersionIds", Times: cloudsim.Always})
		}, nil, []string{"kms:ListSecretVersionIds", "Forbidden.NoPermission"}},
		"putting is denied": {func(t *testing.T, s devstack.Secret) {
			stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Resource: s.Name, Action: "PutSecretValue", Times: cloudsim.Always})
		}, nil, []string{"kms:PutSecretValue", "Forbidden.NoPermission"}},
		"TLS is wanted and the server has none":  {func(t *testing.T, s devstack.Secret) { edit(t, s.Name, with("SSL", "True")) }, nil, []string{"TLS"}},
		"ten versions, and the oldest is needed": {tenVersions, nil, []string{"10 versions", "audited", "Audit"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := newSecret(t)
			test.prepare(t, secret)
			before := picture(t, secret)
			result := rotate(t, secret, test.ask)
			require.Equal(t, rotation.Refused, result.Outcome)
			require.NotNil(t, result.Reason)
			for _, words := range test.says {
				require.Contains(t, result.Reason.Text, words)
			}
			require.Equal(t, before, picture(t, secret), "nothing was changed")
			if result.Reason.Step == rotation.StepLook {
				require.LessOrEqual(t, result.Reason.Attempt, int32(1), "it is not tried again")
			}
			require.False(t, strings.Contains(result.Reason.Text, "\n"))
		})
	}
}

// tenVersions fills the secret; the oldest version carries a label.
func tenVersions(t *testing.T, s devstack.Secret) {
	t.Helper()
	secret := stored(t, s.Name)
	old := secret.Versions[0]
	old.ID, old.Stages, old.Created = "audited", []string{"Audit"}, old.Created.Add(-time.Hour)
	versions := []alibabakms.Version{old}
	for i := range 8 {
		v := secret.Versions[0]
		v.ID, v.Stages, v.Created = "filler"+string(rune('a'+i)), nil, v.Created.Add(-time.Minute)
		versions = append(versions, v)
	}
	secret.Versions = append(versions, secret.Versions...)
	kms().Put(secret)
}

// longName gives the secret an account whose name has room for two characters more, and no more.
func longName(t *testing.T, s devstack.Secret) {
	t.Helper()
	var limit int
	require.NoError(t, stack.MySQL.DB().QueryRowContext(t.Context(),
		"SELECT CHARACTER_MAXIMUM_LENGTH FROM information_schema.COLUMNS WHERE TABLE_SCHEMA='mysql' AND TABLE_NAME='user' AND COLUMN_NAME='User'").Scan(&limit))
	long := s.Account + strings.Repeat("n", limit-2-len(s.Account))
	execute(t, "CREATE USER '"+long+"'@'%' IDENTIFIED BY 'long-name-0815'")
	edit(t, s.Name, func(d map[string]any) {
		d["AccountName"], d["AccountPassword"] = long, "long-name-0815"
		delete(d, "DBName")
	})
}

func TestAccountNameThatIsTooLongIsAskedFromTheServer(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	longName(t, secret)
	result := rotate(t, secret, nil)
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "this server takes")
}

// A version that was long on its way is old when it becomes current; clients that hold the one before have the grace time all the same.
func TestGraceCountsFromTheEndOfTheLatestRotation(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
	aged := stored(t, secret.Name)
	for i := range aged.Versions {
		aged.Versions[i].Created = time.Now().Add(-48 * time.Hour).Add(time.Duration(i) * time.Minute)
	}
	kms().Put(aged)
	// Temporal's list of closed workflows lags behind a little.
	eventually(t, 2*time.Minute, "listed", func() bool {
		list, err := temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: "WorkflowId = 'rotate/" + secret.Store + "/" + secret.Region + "/" + secret.Name + "' AND ExecutionStatus = 'Completed'"})
		return err == nil && len(list.Executions) == 1
	})
	before := picture(t, secret)
	result := rotate(t, secret, func(r *rotation.Request) { r.Now = false })
	require.Equal(t, rotation.Refused, result.Outcome)
	require.Contains(t, result.Reason.Text, "grace time")
	require.Equal(t, before, picture(t, secret))
}
