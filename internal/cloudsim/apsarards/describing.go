package apsarards

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
)

// describeAccounts shows privileges as they are on the server, which SQL may have changed. A stale read shows those
// that the API had granted.
func (s *Service) describeAccounts(c *cloudapi.Call, k key) (fields, *alibaba.Error) {
	s.mu.Lock()
	i, failure := s.find(k)
	if failure != nil {
		s.mu.Unlock()
		return nil, failure
	}
	all, server := i.state.Read(c).list(), i.Server
	s.mu.Unlock()

	if name := c.Params["AccountName"]; name != "" {
		all = slices.DeleteFunc(all, func(a Account) bool { return a.Name != name })
	}
	page, paging, failure := paged(c, all, 30, 200)
	if failure != nil {
		return nil, failure
	}
	shown := []fields{}
	for _, a := range page {
		entries := a.recorded()
		if c.Stale == (cloudapi.Staleness{}) && a.Type == Normal {
			var err error
			if entries, err = s.held(server, a.Name); err != nil {
				return nil, alibaba.NewError(400, "Database.ConnectError", "Failed to connect to the database.")
			}
		}
		shown = append(shown, fields{
			"DBInstanceId": k.id, "AccountName": a.Name, "AccountStatus": a.Status, "AccountType": a.Type,
			"AccountDescription": a.Description, "PrivExceeded": "0",
			"DatabasePrivileges": fields{"DatabasePrivilege": entries},
			"ValidUntil":         "", "CreateDB": "", "Replication": "", "CreateRole": "", "BypassRLS": "",
		})
	}
	return fields{
		"Accounts": fields{"DBInstanceAccount": shown}, "PageNumber": paging.number, "TotalRecordCount": len(all),
		"SystemAdminAccountStatus": "",
	}, nil
}

// held asks the server what an account holds on databases.
func (s *Service) held(server Server, name string) ([]fields, error) {
	ctx, cancel := context.WithTimeout(s.running, serverTimeout)
	defer cancel()
	privileges, err := server.Privileges(ctx, name)
	if err != nil && !errors.Is(err, ErrNoAccount) {
		return nil, err
	}
	entries := []fields{}
	for _, database := range slices.Sorted(maps.Keys(privileges)) {
		if database != Global && len(privileges[database]) > 0 {
			entries = append(entries, entry(database, nameOf(privileges[database]), privileges[database]))
		}
	}
	return entries, nil
}

// recorded is what the API had granted.
func (a Account) recorded() []fields {
	entries := []fields{}
	for _, database := range slices.Sorted(maps.Keys(a.Privileges)) {
		set := a.Privileges[database]
		entries = append(entries, entry(database, set, onDatabase[set]))
	}
	return entries
}

func entry(database, name string, privileges []string) fields {
	return fields{"DBName": database, "AccountPrivilege": name, "AccountPrivilegeDetail": strings.Join(privileges, ",")}
}

func (s *Service) describeAttribute(c *cloudapi.Call, k key) (fields, *alibaba.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := []fields{}
	for _, id := range list(k.id) {
		i, failure := s.find(key{k.account, k.region, id})
		if failure != nil {
			return nil, failure
		}
		replicas := []fields{}
		for _, id := range i.ReadOnly {
			replicas = append(replicas, fields{"DBInstanceId": id})
		}
		shown = append(shown, merged(i.summary(k.region), fields{
			"Port": strconv.Itoa(i.Port), "AccountMaxQuantity": i.MaxAccounts, "AccountType": "Mix",
			"SuperPermissionMode": i.superMode(), "SupportCreateSuperAccount": "Yes",
			"ReadOnlyDBInstanceIds": fields{"ReadOnlyDBInstanceId": replicas},
		}))
	}
	return fields{"Items": fields{"DBInstanceAttribute": shown}}, nil
}

// superMode tells whether there is a privileged account.
func (i *instance) superMode() string {
	if slices.ContainsFunc(i.state.Now().list(), func(a Account) bool { return a.Type == Super }) {
		return "Enable"
	}
	return "Disabled"
}

// summary is what all descriptions of an instance have.
func (i *instance) summary(region string) fields {
	return fields{
		"DBInstanceId": i.ID, "DBInstanceDescription": i.Description, "DBInstanceStatus": i.Status, "Engine": i.Engine,
		"EngineVersion": i.Version, "DBInstanceType": i.Type, "LockMode": i.LockMode, "MasterInstanceId": i.Master,
		"ConnectionString": i.Host, "InstanceNetworkType": "VPC", "RegionId": region,
	}
}

func merged(a, b fields) fields {
	maps.Copy(a, b)
	return a
}

func (s *Service) describeNetInfo(_ *cloudapi.Call, k key) (fields, *alibaba.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, failure := s.find(k)
	if failure != nil {
		return nil, failure
	}
	addresses := []fields{}
	for _, address := range []struct{ host, kind string }{{i.Host, "Private"}, {i.Public, "Public"}} {
		if address.host != "" {
			addresses = append(addresses, fields{
				"ConnectionString": address.host, "ConnectionStringType": "Normal", "IPType": address.kind,
				"Port": strconv.Itoa(i.Port), "IPAddress": "", "Upgradeable": "Disabled",
			})
		}
	}
	return fields{
		"DBInstanceNetInfos": fields{"DBInstanceNetInfo": addresses}, "InstanceNetworkType": "VPC",
		"SecurityIPMode": "normal",
	}, nil
}

func (s *Service) describeInstances(c *cloudapi.Call, k key) (fields, *alibaba.Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []*instance
	for at, i := range s.instances {
		if at.account == k.account && at.region == k.region && i.fits(c.Params) {
			found = append(found, i)
		}
	}
	slices.SortFunc(found, func(a, b *instance) int { return strings.Compare(a.ID, b.ID) })
	page, paging, failure := paged(c, found, 30, 100)
	if failure != nil {
		return nil, failure
	}
	shown := []fields{}
	for _, i := range page {
		replicas := []fields{}
		for _, id := range i.ReadOnly {
			replicas = append(replicas, fields{"DBInstanceId": id})
		}
		shown = append(shown, merged(i.summary(k.region), fields{
			"ReadOnlyDBInstanceIds": fields{"ReadOnlyDBInstanceId": replicas},
		}))
	}
	return fields{
		"Items": fields{"DBInstance": shown}, "PageNumber": paging.number, "PageRecordCount": len(shown),
		"TotalRecordCount": len(found), "NextToken": "",
	}, nil
}

// fits tells whether an instance is what DescribeDBInstances was asked for.
func (i *instance) fits(params map[string]string) bool {
	for name, value := range map[string]string{
		"DBInstanceId": i.ID, "Engine": i.Engine, "EngineVersion": i.Version, "DBInstanceStatus": i.Status,
		"DBInstanceType": i.Type, "ConnectionString": i.Host,
	} {
		if params[name] != "" && params[name] != value {
			return false
		}
	}
	search := params["SearchKey"]
	return search == "" || strings.Contains(i.ID, search) || strings.Contains(i.Description, search)
}

type paging struct{ number, size int }

// paged cuts a page out of a list.
func paged[T any](c *cloudapi.Call, list []T, size, most int) ([]T, paging, *alibaba.Error) {
	p := paging{1, size}
	for name, into := range map[string]*int{"PageNumber": &p.number, "PageSize": &p.size} {
		text := cmp.Or(c.Params[name], strconv.Itoa(*into))
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || name == "PageSize" && (n < size || n > most) {
			return nil, p, alibaba.NewError(400, "InvalidParameter", "The specified parameter "+name+" is not valid.")
		}
		*into = n
	}
	from := min((p.number-1)*p.size, len(list))
	return list[from:min(from+p.size, len(list))], p, nil
}
