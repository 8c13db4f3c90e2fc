package awsrds

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"rotor/internal/cloudsim/cloudapi"
)

// Serve implements cloudapi.API.
func (s *Service) Serve(c *cloudapi.Call) cloudapi.Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.Action {
	case "DescribeDBInstances":
		return describe(c, "db", "DBInstanceIdentifier", "DBInstanceNotFound", s.instances,
			func(i Instance, filter string) []string {
				return map[string][]string{"db-instance-id": {i.ID, i.ARN}, "db-cluster-id": {i.Cluster}, "engine": {i.Engine}}[filter]
			}, func(list []Instance, marker string) any {
				return struct {
					Instances []Instance `xml:"DBInstances>DBInstance"`
					Marker    string     `xml:",omitempty"`
				}{list, marker}
			})
	case "DescribeDBClusters":
		return describe(c, "cluster", "DBClusterIdentifier", "DBClusterNotFoundFault", s.clusters,
			func(cl Cluster, filter string) []string {
				return map[string][]string{"db-cluster-id": {cl.ID, cl.ARN}, "engine": {cl.Engine}}[filter]
			}, func(list []Cluster, marker string) any {
				return struct {
					Clusters []Cluster `xml:"DBClusters>DBCluster"`
					Marker   string    `xml:",omitempty"`
				}{list, marker}
			})
	default:
		return Refuse(http.StatusBadRequest, "InvalidAction", "Could not find operation "+c.Action+" for version "+
			Version2014, c.RequestID)
	}
}

// describe answers a Describe operation: one thing by name or ARN, or those that fit the filters, in pages.
func describe[T any](c *cloudapi.Call, kind, param, missing string, all map[key]T, field func(T, string) []string,
	result func([]T, string) any) cloudapi.Reply {
	id := c.Params[param]
	id = id[strings.LastIndex(id, ":")+1:]
	resource := id
	if resource == "" {
		resource = "*"
	}
	if action := "rds:" + c.Action; !c.May(action, arn(c.Region, c.Account, kind+":"+resource)) {
		return denied(c, action, arn(c.Region, c.Account, kind+":"+resource))
	}
	filters, failure := filtersOf(c)
	if failure != nil {
		return *failure
	}
	var found []T
	for _, k := range slices.SortedFunc(maps.Keys(all), func(a, b key) int { return strings.Compare(a.id, b.id) }) {
		if k.account != c.Account || k.region != c.Region || id != "" && k.id != strings.ToLower(id) {
			continue
		}
		fits := true
		for name, values := range filters {
			fits = fits && slices.ContainsFunc(field(all[k], name), func(v string) bool { return slices.Contains(values, v) })
		}
		if fits {
			found = append(found, all[k])
		}
	}
	if id != "" && len(found) == 0 {
		return Refuse(http.StatusNotFound, missing, kind+" "+id+" not found.", c.RequestID)
	}
	return page(c, found, result)
}

func page[T any](c *cloudapi.Call, found []T, result func([]T, string) any) cloudapi.Reply {
	size, from := 100, 0
	var err error
	if text := c.Params["MaxRecords"]; text != "" {
		if size, err = strconv.Atoi(text); err != nil || size < 20 || size > 100 {
			return Refuse(http.StatusBadRequest, "InvalidParameterValue",
				"Invalid value "+text+" for MaxRecords. Must be between 20 and 100", c.RequestID)
		}
	}
	if text := c.Params["Marker"]; text != "" {
		if from, err = strconv.Atoi(text); err != nil || from < 0 || from > len(found) {
			return Refuse(http.StatusBadRequest, "InvalidParameterValue", "Invalid Marker", c.RequestID)
		}
	}
	to, marker := min(from+size, len(found)), ""
	if to < len(found) {
		marker = strconv.Itoa(to)
	}
	return answer(c, result(found[from:to], marker))
}

// filtersOf reads Filters.Filter.1.Name, Filters.Filter.1.Values.Value.1 and so on.
func filtersOf(c *cloudapi.Call) (map[string][]string, *cloudapi.Reply) {
	filters := map[string][]string{}
	for n := 1; ; n++ {
		prefix := fmt.Sprintf("Filters.Filter.%d.", n)
		name := c.Params[prefix+"Name"]
		if name == "" {
			return filters, nil
		}
		if !slices.Contains([]string{"db-instance-id", "db-cluster-id", "engine"}, name) {
			reply := Refuse(http.StatusBadRequest, "InvalidParameterValue", "Unrecognized filter name: "+name, c.RequestID)
			return nil, &reply
		}
		for v := 1; c.Params[fmt.Sprintf("%sValues.Value.%d", prefix, v)] != ""; v++ {
			filters[name] = append(filters[name], c.Params[fmt.Sprintf("%sValues.Value.%d", prefix, v)])
		}
	}
}

// Fail implements cloudapi.API.
func (s *Service) Fail(c *cloudapi.Call, f cloudapi.Failure) cloudapi.Reply {
	switch f {
	case cloudapi.Throttled:
		return Refuse(http.StatusBadRequest, "Throttling", "Rate exceeded", c.RequestID)
	case cloudapi.Denied:
		return denied(c, "rds:"+c.Action, s.Resource(c))
	default:
		return Refuse(http.StatusInternalServerError, "InternalFailure", "An internal error has occurred.", c.RequestID)
	}
}

// Resource implements cloudapi.API: the identifier of the instance or cluster.
func (s *Service) Resource(c *cloudapi.Call) string {
	id := c.Params["DBInstanceIdentifier"] + c.Params["DBClusterIdentifier"]
	return id[strings.LastIndex(id, ":")+1:]
}

// Value implements cloudapi.API: no operation carries one.
func (s *Service) Value(*cloudapi.Call) string { return "" }

// Shown implements cloudapi.API. No parameter of these operations is secret.
func (s *Service) Shown(c *cloudapi.Call) map[string]string { return maps.Clone(c.Params) }
