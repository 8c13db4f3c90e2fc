package apsarards_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/rds"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/apsarards"
)

const (
	region   = "cn-hangzhou"
	password = "Canary-12345"
	other    = "Canary_67890"
)

// client is the real SDK, pointed at a simulated cloud with the instance rm-1.
type client struct {
	*rds.Client
	cloud     *cloudsim.Cloud
	instances apsarards.Region
	server    *apsarards.MemoryServer
}

func start(t *testing.T, instance apsarards.Instance) client {
	t.Helper()
	cloud := cloudsim.New(cloudsim.Options{})
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	c := client{connect(t, address, cloud.Credential()), cloud,
		cloud.ApsaraRDS().In(cloud.Credential().Account, region), &apsarards.MemoryServer{}}
	instance.ID = "rm-1"
	if instance.Server == nil {
		instance.Server = c.server
	}
	if instance.Databases == nil {
		instance.Databases = []string{"shop", "blog"}
	}
	require.NoError(t, c.instances.PutInstance(t.Context(), instance))
	return c
}

func connect(t *testing.T, address string, key cloudsim.Credential) *rds.Client {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	c, err := rds.NewClientWithOptions(region, sdk.NewConfig().WithScheme("HTTP"),
		credentials.NewAccessKeyCredential(key.AccessKeyID, key.Secret))
	require.NoError(t, err)
	c.Domain = u.Host
	return c
}

func (c client) create(name, kind string) error {
	r := rds.CreateCreateAccountRequest()
	r.DBInstanceId, r.AccountName, r.AccountPassword, r.AccountType = "rm-1", name, password, kind
	_, err := c.CreateAccount(r)
	return err
}

func (c client) reset(name, to string) error {
	r := rds.CreateResetAccountPasswordRequest()
	r.DBInstanceId, r.AccountName, r.AccountPassword = "rm-1", name, to
	_, err := c.ResetAccountPassword(r)
	return err
}

func (c client) grant(name, databases, privileges string) error {
	r := rds.CreateGrantAccountPrivilegeRequest()
	r.DBInstanceId, r.AccountName, r.DBName, r.AccountPrivilege = "rm-1", name, databases, privileges
	_, err := c.GrantAccountPrivilege(r)
	return err
}

func (c client) revoke(name, databases string) error {
	r := rds.CreateRevokeAccountPrivilegeRequest()
	r.DBInstanceId, r.AccountName, r.DBName = "rm-1", name, databases
	_, err := c.RevokeAccountPrivilege(r)
	return err
}

func (c client) remove(name string) error {
	r := rds.CreateDeleteAccountRequest()
	r.DBInstanceId, r.AccountName = "rm-1", name
	_, err := c.DeleteAccount(r)
	return err
}

// accounts describes what the API shows as "app Available shop:ReadWrite".
func (c client) accounts(t *testing.T, name string) []string {
	t.Helper()
	r := rds.CreateDescribeAccountsRequest()
	r.DBInstanceId, r.AccountName = "rm-1", name
	got, err := c.DescribeAccounts(r)
	require.NoError(t, err)
	require.Equal(t, len(got.Accounts.DBInstanceAccount), got.TotalRecordCount)
	list := []string{}
	for _, a := range got.Accounts.DBInstanceAccount {
		text := a.AccountName + " " + a.AccountStatus
		for _, p := range a.DatabasePrivileges.DatabasePrivilege {
			text += " " + p.DBName + ":" + p.AccountPrivilege
		}
		list = append(list, text)
	}
	return list
}

func requireCode(t *testing.T, err error, status int, code string) {
	t.Helper()
	var failure *sdkerrors.ServerError
	require.ErrorAs(t, err, &failure)
	require.Equal(t, code, failure.ErrorCode())
	require.Equal(t, status, failure.HttpStatus())
}

func TestAccountsChangeAsynchronously(t *testing.T) {
	c := start(t, apsarards.Instance{Delay: time.Hour})
	require.Empty(t, c.accounts(t, "app"))
	require.NoError(t, c.create("app", ""))
	require.Equal(t, []string{"app Unavailable"}, c.accounts(t, "app"))
	require.False(t, c.server.Login("app", password))
	for name, err := range map[string]error{
		"reset": c.reset("app", other), "grant": c.grant("app", "shop", "ReadWrite"),
		"revoke": c.revoke("app", "shop"), "delete": c.remove("app"),
	} {
		t.Run(name, func(t *testing.T) { requireCode(t, err, 400, "IncorrectAccountStatus") })
	}
	requireCode(t, c.create("app", ""), 400, "InvalidAccountName.Duplicate")

	c.instances.Settle("rm-1")
	require.Equal(t, []string{"app Available"}, c.accounts(t, "app"))
	require.True(t, c.server.Login("app", password))

	require.NoError(t, c.reset("app", other))
	require.Equal(t, []string{"app Unavailable"}, c.accounts(t, "app"))
	require.True(t, c.server.Login("app", password), "until it is done, the old password is the one")
	c.instances.Settle("rm-1")
	require.False(t, c.server.Login("app", password))
	require.True(t, c.server.Login("app", other))

	require.NoError(t, c.remove("app"))
	require.True(t, c.server.Login("app", other))
	c.instances.Settle("rm-1")
	require.Empty(t, c.accounts(t, ""))
	require.False(t, c.server.Login("app", other))
	requireCode(t, c.remove("app"), 404, "InvalidAccountName.NotFound")
	require.NoError(t, c.cloud.ApsaraRDS().Errors())
}

func TestTheDelayPassesByItself(t *testing.T) {
	c := start(t, apsarards.Instance{Delay: 20 * time.Millisecond})
	require.NoError(t, c.create("app", ""))
	require.Eventually(t, func() bool { return c.accounts(t, "app")[0] == "app Available" }, 10*time.Second, time.Millisecond)
	require.True(t, c.server.Login("app", password))
}

func TestPrivileges(t *testing.T) {
	c := start(t, apsarards.Instance{Delay: time.Hour})
	do := func(err error) {
		t.Helper()
		require.NoError(t, err)
		c.instances.Settle("rm-1")
	}
	do(c.create("app", ""))
	do(c.grant("app", "shop,blog", "ReadWrite,ReadOnly"))
	require.Equal(t, []string{"app Available blog:ReadOnly shop:ReadWrite"}, c.accounts(t, "app"))
	do(c.grant("app", "shop", "DMLOnly"))
	require.Equal(t, []string{"app Available blog:ReadOnly shop:DMLOnly"}, c.accounts(t, "app"), "a grant replaces")
	do(c.revoke("app", "blog"))
	require.Equal(t, []string{"app Available shop:DMLOnly"}, c.accounts(t, "app"))
	onServer, err := c.server.Privileges(t.Context(), "app")
	require.NoError(t, err)
	require.Equal(t, []string{"PROCESS", "REPLICATION CLIENT", "REPLICATION SLAVE"}, onServer[apsarards.Global])

	require.NoError(t, c.server.Grant(t.Context(), "app", "shop", []string{"CREATE"}))
	require.Equal(t, []string{"app Available shop:Custom"}, c.accounts(t, "app"), "changed by SQL")

	for name, tc := range map[string]struct {
		err    error
		status int
		code   string
	}{
		"custom":           {c.grant("app", "shop", "Custom"), 400, "InvalidAccountPrivilege.Malformed"},
		"counts":           {c.grant("app", "shop,blog", "ReadWrite"), 400, "InvalidDBNameOrAccountPrivilege"},
		"unknown database": {c.grant("app", "nope", "ReadWrite"), 404, "InvalidDBName.NotFound"},
		"unknown account":  {c.grant("nobody", "shop", "ReadWrite"), 404, "InvalidAccountName.NotFound"},
		"no database":      {c.grant("app", "", "ReadWrite"), 400, "MissingParameter"},
	} {
		t.Run(name, func(t *testing.T) { requireCode(t, tc.err, tc.status, tc.code) })
	}
}

func TestNames(t *testing.T) {
	for name, tc := range map[string]struct {
		instance apsarards.Instance
		account  string
		code     string
	}{
		"plain":                {apsarards.Instance{}, "app_rt", ""},
		"32 characters":        {apsarards.Instance{}, "a" + strings.Repeat("b", 31), ""},
		"33 characters":        {apsarards.Instance{}, "a" + strings.Repeat("b", 32), "InvalidAccountName.Malformed"},
		"16 in 5.6":            {apsarards.Instance{Version: "5.6"}, "a" + strings.Repeat("b", 15), ""},
		"17 in 5.6":            {apsarards.Instance{Version: "5.6"}, "a" + strings.Repeat("b", 16), "InvalidAccountName.Malformed"},
		"17 in MariaDB":        {apsarards.Instance{Engine: "MariaDB", Version: "10.3"}, "a" + strings.Repeat("b", 16), "InvalidAccountName.Malformed"},
		"one character":        {apsarards.Instance{}, "a", "InvalidAccountName.Malformed"},
		"digit first":          {apsarards.Instance{}, "1app", "InvalidAccountName.Malformed"},
		"underscore last":      {apsarards.Instance{}, "app_", "InvalidAccountName.Malformed"},
		"hyphen":               {apsarards.Instance{}, "my-app", "InvalidAccountName.Malformed"},
		"upper case":           {apsarards.Instance{}, "App", ""},
		"upper case, MariaDB":  {apsarards.Instance{Engine: "MariaDB"}, "App", "InvalidAccountName.Malformed"},
		"differs in case only": {apsarards.Instance{Accounts: []apsarards.Account{{Name: "app", Password: password}}}, "APP", "InvalidAccountName.Duplicate"},
		"reserved":             {apsarards.Instance{}, "root", "InvalidAccountName.Forbid"},
		"a word of SQL":        {apsarards.Instance{}, "Select", "InvalidAccountName.Forbid"},
		"none":                 {apsarards.Instance{}, "", "MissingParameter"},
		"not running":          {apsarards.Instance{Status: "Rebooting"}, "app", "OperationDenied.DBInstanceStatus"},
		"locked":               {apsarards.Instance{LockMode: "ManualLock"}, "app", "IncorrectDBInstanceLockMode"},
		"read-only":            {apsarards.Instance{Type: "Readonly"}, "app", "IncorrectDBInstanceType"},
		"full":                 {apsarards.Instance{MaxAccounts: 1, Accounts: []apsarards.Account{{Name: "one", Password: password}}}, "app", "AccountLimitExceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			err := start(t, tc.instance).create(tc.account, "")
			if tc.code == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "ErrorCode: "+tc.code)
		})
	}
}

func TestPasswords(t *testing.T) {
	c := start(t, apsarards.Instance{Accounts: []apsarards.Account{{Name: "app", Password: password}}})
	for name, tc := range map[string]struct {
		password string
		ok       bool
	}{
		"three classes":     {"abcdefG1", true},
		"special":           {"abcdef1_", true},
		"all specials":      {"aB1!@#$%^&*()_+-=", true},
		"two classes":       {"abcdefg1", false},
		"seven":             {"abcdeG1", false},
		"thirty-two":        {"aB1" + strings.Repeat("x", 29), true},
		"thirty-three":      {"aB1" + strings.Repeat("x", 30), false},
		"foreign special":   {"abcdefG1?", false},
		"not in the ASCIIs": {"abcdefG1é", false},
		"space":             {"abcdef G1", false},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.reset("app", tc.password)
			c.instances.Settle("rm-1")
			if tc.ok {
				require.NoError(t, err)
				require.True(t, c.server.Login("app", tc.password))
				return
			}
			requireCode(t, err, 400, "InvalidAccountPassword.Format")
		})
	}
}

func TestOnePrivilegedAccount(t *testing.T) {
	c := start(t, apsarards.Instance{})
	require.NoError(t, c.create("dba", "Super"))
	c.instances.Settle("rm-1")
	requireCode(t, c.create("dba2", "Super"), 403, "IncorrectAccountType")
	requireCode(t, c.create("app", "Sysadmin"), 400, "InvalidAccountType.Malformed")
	requireCode(t, c.grant("dba", "shop", "ReadOnly"), 400, "IncorrectAccount")
	require.NoError(t, c.reset("dba", other))
	c.instances.Settle("rm-1")
	require.True(t, c.server.Login("dba", other))
	held, err := c.server.Privileges(t.Context(), "dba")
	require.NoError(t, err)
	require.Contains(t, held[apsarards.Global], "CREATE USER")
	require.NotContains(t, held[apsarards.Global], "SUPER")
}

func TestInstances(t *testing.T) {
	c := start(t, apsarards.Instance{Host: "127.0.0.1", Port: 3307, Public: "public.example", ReadOnly: []string{"rr-1"}, Description: "the shop"})
	require.NoError(t, c.instances.PutInstance(t.Context(), apsarards.Instance{ID: "rr-1", Type: "Readonly", Master: "rm-1"}))

	attribute := rds.CreateDescribeDBInstanceAttributeRequest()
	attribute.DBInstanceId = "rm-1"
	got, err := c.DescribeDBInstanceAttribute(attribute)
	require.NoError(t, err)
	main := got.Items.DBInstanceAttribute[0]
	require.Equal(t, "MySQL 8.0 Running Primary Unlock 127.0.0.1 3307", strings.Join([]string{main.Engine, main.EngineVersion,
		main.DBInstanceStatus, main.DBInstanceType, main.LockMode, main.ConnectionString, main.Port}, " "))
	require.Equal(t, 500, main.AccountMaxQuantity)
	require.Equal(t, "rr-1", main.ReadOnlyDBInstanceIds.ReadOnlyDBInstanceId[0].DBInstanceId)

	require.True(t, c.instances.Change("rm-1", func(i *apsarards.Instance) { i.Status = "DBInstanceClassChanging" }))
	got, err = c.DescribeDBInstanceAttribute(attribute)
	require.NoError(t, err)
	require.Equal(t, "DBInstanceClassChanging", got.Items.DBInstanceAttribute[0].DBInstanceStatus)

	net := rds.CreateDescribeDBInstanceNetInfoRequest()
	net.DBInstanceId = "rm-1"
	addresses, err := c.DescribeDBInstanceNetInfo(net)
	require.NoError(t, err)
	require.Len(t, addresses.DBInstanceNetInfos.DBInstanceNetInfo, 2)
	require.Equal(t, "Private", addresses.DBInstanceNetInfos.DBInstanceNetInfo[0].IPType)
	require.Equal(t, "public.example", addresses.DBInstanceNetInfos.DBInstanceNetInfo[1].ConnectionString)

	all := rds.CreateDescribeDBInstancesRequest()
	instances, err := c.DescribeDBInstances(all)
	require.NoError(t, err)
	require.Equal(t, 2, instances.TotalRecordCount)
	require.Equal(t, "rm-1", instances.Items.DBInstance[1].MasterInstanceId)
	all.DBInstanceType = "Readonly"
	instances, err = c.DescribeDBInstances(all)
	require.NoError(t, err)
	require.Equal(t, "rr-1", instances.Items.DBInstance[0].DBInstanceId)

	attribute.DBInstanceId = "rm-9"
	_, err = c.DescribeDBInstanceAttribute(attribute)
	requireCode(t, err, 404, "InvalidDBInstanceName.NotFound")
	_, err = c.DescribeDBInstanceAttribute(rds.CreateDescribeDBInstanceAttributeRequest())
	requireCode(t, err, 400, "MissingParameter")
}

func TestAccountsArePaged(t *testing.T) {
	instance := apsarards.Instance{}
	for n := range 35 {
		instance.Accounts = append(instance.Accounts, apsarards.Account{Name: fmt.Sprintf("app%02d", n)})
	}
	c := start(t, instance)
	r := rds.CreateDescribeAccountsRequest()
	r.DBInstanceId, r.PageNumber, r.PageSize = "rm-1", "2", "30"
	got, err := c.DescribeAccounts(r)
	require.NoError(t, err)
	require.Len(t, got.Accounts.DBInstanceAccount, 5)
	require.Equal(t, 35, got.TotalRecordCount)
	r.PageSize = requests.NewInteger(29)
	_, err = c.DescribeAccounts(r)
	requireCode(t, err, 400, "InvalidParameter")
}

func TestStaleAccounts(t *testing.T) {
	c := start(t, apsarards.Instance{Accounts: []apsarards.Account{{Name: "app", Password: password, Privileges: map[string]string{"shop": "ReadWrite"}}}})
	require.NoError(t, c.grant("app", "blog", "ReadOnly"))
	c.instances.Settle("rm-1")
	require.Equal(t, []string{"app Available blog:ReadOnly shop:ReadWrite"}, c.accounts(t, "app"))
	c.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: "DescribeAccounts", Resource: "rm-1/app"})
	require.Equal(t, []string{"app Unavailable shop:ReadWrite"}, c.accounts(t, "app"))
	require.Equal(t, []string{"app Available blog:ReadOnly shop:ReadWrite"}, c.accounts(t, "app"))
}

func TestFaultsAndPermissions(t *testing.T) {
	limited := cloudsim.Credential{AccessKeyID: "limited", Secret: "s", Account: cloudsim.DefaultCredential.Account,
		Allow: []cloudsim.Permission{{Action: "rds:ResetAccountPassword", Resource: "acs:rds:cn-hangzhou:*:dbinstance/rm-1"}}}
	c := start(t, apsarards.Instance{Accounts: []apsarards.Account{{Name: "app", Password: password}}})
	c.cloud.AddCredential(limited)
	restricted := client{Client: connect(t, "http://"+c.Domain, limited)}
	require.NoError(t, restricted.reset("app", other))
	requireCode(t, restricted.create("app2", ""), 403, "Forbidden.RAM")
	c.instances.Settle("rm-1")

	c.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, API: cloudsim.AlibabaRDS})
	requireCode(t, c.reset("app", password), 400, "Throttling.User")
	c.cloud.Inject(cloudsim.Fault{Kind: cloudsim.ErrorAfter, API: cloudsim.AlibabaRDS})
	requireCode(t, c.create("late", ""), 500, "InternalError")
	requireCode(t, c.create("late", ""), 400, "InvalidAccountName.Duplicate")

	for _, line := range c.cloud.Requests() {
		require.NotContains(t, fmt.Sprint(line), "Canary")
		require.NotContains(t, fmt.Sprint(line.Params), "Canary")
	}
	require.Equal(t, "rm-1/late", c.cloud.Requests()[len(c.cloud.Requests())-1].Resource)
}

// refusing is a server that makes no changes.
type refusing struct{ *apsarards.MemoryServer }

func (refusing) SetPassword(context.Context, string, string) error {
	return errors.New("server says 1290")
}

func (refusing) CreateAccount(context.Context, string, string) error {
	return errors.New("server says 1396")
}

func TestAServerThatRefusesLeavesTheAccountAsItWas(t *testing.T) {
	c := start(t, apsarards.Instance{Server: refusing{&apsarards.MemoryServer{}}, Accounts: []apsarards.Account{{Name: "app"}}})
	require.NoError(t, c.reset("app", other))
	require.NoError(t, c.create("new", ""))
	c.instances.Settle("rm-1")
	require.Equal(t, []string{"app Available"}, c.accounts(t, ""))
	err := c.cloud.ApsaraRDS().Errors()
	require.ErrorContains(t, err, "change account app of instance rm-1: server says 1290")
	require.ErrorContains(t, err, "change account new of instance rm-1: server says 1396")
}

func TestCloseDropsWhatIsPending(t *testing.T) {
	c := start(t, apsarards.Instance{Delay: time.Hour, Accounts: []apsarards.Account{{Name: "app", Password: password}}})
	require.NoError(t, c.reset("app", other))
	require.NoError(t, c.cloud.Close())
	require.True(t, c.server.Login("app", password))
}

func TestAccountsPrintWithoutPasswords(t *testing.T) {
	i := apsarards.Instance{Accounts: []apsarards.Account{{Name: "app", Password: "hidden"}}}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		require.NotContains(t, fmt.Sprintf(verb, i), "hidden")
	}
}
