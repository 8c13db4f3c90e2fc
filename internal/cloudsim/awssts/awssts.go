// Package awssts simulates the part of AWS's Security Token Service (API version 2011-06-15) that lets an identity take on a
// role.
package awssts

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"rotor/internal/cloudsim/awsrds"
	"rotor/internal/cloudsim/cloudapi"
)

// Version2011 is the API's version.
const Version2011 = "2011-06-15"

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/"

// Role can be taken on.
type Role struct {
	// Name is its name, Account the id of the account that it belongs to.
	Name, Account string
	// Trusts lists the accounts whose identities may take it on.
	Trusts []string
	// ExternalID is what its trust policy wants, "" for nothing.
	ExternalID string
	// Allow lists what the role may do; nil is everything.
	Allow []cloudapi.Permission
}

// ARN is the role's resource name.
func (r Role) ARN() string { return "arn:aws:iam::" + r.Account + ":role/" + r.Name }

// Service is the simulated token service of all accounts. It is safe for concurrent use.
type Service struct {
	// issue makes the credentials that were given known to the cloud.
	issue func(cloudapi.Credential)

	mu    sync.Mutex
	roles map[string]Role
}

// New makes a token service without roles.
func New(issue func(cloudapi.Credential)) *Service {
	return &Service{issue: issue, roles: map[string]Role{}}
}

// PutRole registers a role, replacing one of the same ARN.
func (s *Service) PutRole(r Role) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.roles[r.ARN()] = r
}

// Serve implements cloudapi.API.
func (s *Service) Serve(c *cloudapi.Call) cloudapi.Reply {
	if c.Action != "AssumeRole" {
		return awsrds.Refuse(http.StatusBadRequest, "InvalidAction", "Could not find operation "+c.Action+" for version "+Version2011, c.RequestID)
	}
	arn, session := c.Params["RoleArn"], c.Params["RoleSessionName"]
	for name, value := range map[string]string{"roleArn": arn, "roleSessionName": session} {
		if value == "" {
			return awsrds.Refuse(http.StatusBadRequest, "ValidationError", "1 validation error detected: Value null at '"+name+
				"' failed to satisfy constraint: Member must not be null", c.RequestID)
		}
	}
	seconds := 3600
	if text := c.Params["DurationSeconds"]; text != "" {
		var err error
		if seconds, err = strconv.Atoi(text); err != nil || seconds < 900 || seconds > 43200 {
			return awsrds.Refuse(http.StatusBadRequest, "ValidationError", "DurationSeconds is from 900 to 43200", c.RequestID)
		}
	}
	s.mu.Lock()
	role, known := s.roles[arn]
	s.mu.Unlock()
	// Whether a role exists is not told to those whom it does not trust.
	if !c.May("sts:AssumeRole", arn) || !known || !slices.Contains(role.Trusts, c.Account) ||
		role.ExternalID != "" && role.ExternalID != c.Params["ExternalId"] {
		return s.denied(c)
	}
	credential := cloudapi.Credential{
		AccessKeyID: "ASIA" + rand.Text()[:16], Secret: rand.Text(), SessionToken: rand.Text() + rand.Text(), Account: role.Account, Allow: role.Allow,
	}
	s.issue(credential)
	return answer(c, credential, strings.NewReplacer(":iam:", ":sts:", ":role/", ":assumed-role/").Replace(arn)+"/"+session, c.Now.Add(time.Duration(seconds)*time.Second))
}

func (s *Service) denied(c *cloudapi.Call) cloudapi.Reply {
	return awsrds.Refuse(http.StatusForbidden, "AccessDenied", fmt.Sprintf("User: arn:aws:iam::%s:user/%s is not authorized to perform: "+
		"sts:AssumeRole on resource: %s", c.Account, c.AccessKey, c.Params["RoleArn"]), c.RequestID)
}

func answer(c *cloudapi.Call, credential cloudapi.Credential, arn string, until time.Time) cloudapi.Reply {
	type result struct {
		AccessKeyID string `xml:"Credentials>AccessKeyId"`
		Secret      string `xml:"Credentials>SecretAccessKey"`
		Token       string `xml:"Credentials>SessionToken"`
		Expiration  string `xml:"Credentials>Expiration"`
		ARN         string `xml:"AssumedRoleUser>Arn"`
		ID          string `xml:"AssumedRoleUser>AssumedRoleId"`
	}
	body, err := xml.Marshal(struct {
		XMLName   xml.Name
		Result    result `xml:"AssumeRoleResult"`
		RequestID string `xml:"ResponseMetadata>RequestId"`
	}{
		XMLName: xml.Name{Space: namespace, Local: "AssumeRoleResponse"}, RequestID: c.RequestID,
		Result: result{credential.AccessKeyID, credential.Secret, credential.SessionToken, until.UTC().Format(time.RFC3339), arn,
			"AROA" + rand.Text()[:17] + ":" + c.Params["RoleSessionName"]},
	})
	if err != nil {
		panic("cloudsim: an answer that is no XML: " + err.Error())
	}
	return cloudapi.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/xml"}}, Body: append([]byte(xml.Header), body...)}
}

// Fail implements cloudapi.API.
func (s *Service) Fail(c *cloudapi.Call, f cloudapi.Failure) cloudapi.Reply {
	switch f {
	case cloudapi.Throttled:
		return awsrds.Refuse(http.StatusBadRequest, "Throttling", "Rate exceeded", c.RequestID)
	case cloudapi.Denied:
		return s.denied(c)
	default:
		return awsrds.Refuse(http.StatusInternalServerError, "InternalFailure", "An internal error has occurred.", c.RequestID)
	}
}

// Resource implements cloudapi.API: the ARN of the role.
func (s *Service) Resource(c *cloudapi.Call) string { return c.Params["RoleArn"] }

// Value implements cloudapi.API: no operation carries one.
func (s *Service) Value(*cloudapi.Call) string { return "" }

// Shown implements cloudapi.API. An external id is a kind of password to some.
func (s *Service) Shown(c *cloudapi.Call) map[string]string {
	shown := maps.Clone(c.Params)
	if shown["ExternalId"] != "" {
		shown["ExternalId"] = "***"
	}
	return shown
}
