package cloudapi

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Credential is a static access key that the simulator knows.
type Credential struct {
	AccessKeyID string
	Secret      string
	// SessionToken, if set, must come with each request (STS credentials).
	SessionToken string
	// Account is the id of the cloud account that the key belongs to.
	Account string
	// Allow lists what the key may do; nil is everything.
	Allow []Permission
}

// String leaves the secrets out.
func (c Credential) String() string { return c.AccessKeyID + " of account " + c.Account }

// GoString leaves the secrets out.
func (c Credential) GoString() string { return c.String() }

// Permission allows an action on a resource. Both may hold `*` and `?`, as in RAM and IAM policies; an empty Resource
// is every resource. Actions are compared without regard to case, as both clouds do.
type Permission struct {
	Action   string
	Resource string
}

// Covers tells whether the permission allows the action on the resource.
func (p Permission) Covers(action, resource string) bool {
	return wildcard(strings.ToLower(p.Action), strings.ToLower(action)) &&
		(p.Resource == "" || wildcard(p.Resource, resource))
}

// Actions is a list of permissions on every resource.
func Actions(actions ...string) []Permission {
	permissions := make([]Permission, 0, len(actions))
	for _, action := range actions {
		permissions = append(permissions, Permission{Action: action})
	}
	return permissions
}

// ParsePolicy reads the Allow statements of a RAM or IAM policy document. A document with Deny, NotAction, NotResource
// or Condition is an error: leaving them out would make the policy mean something else.
func ParsePolicy(document []byte) ([]Permission, error) {
	var policy struct {
		Version   string
		ID        string `json:"Id"`
		Statement oneOrMore[struct {
			Sid      string
			Effect   string
			Action   oneOrMore[string]
			Resource oneOrMore[string]
		}]
	}
	dec := json.NewDecoder(strings.NewReader(string(document)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&policy); err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	permissions := []Permission{}
	for i, s := range policy.Statement {
		if s.Effect != "Allow" {
			return nil, fmt.Errorf("read policy: statement %d has effect %q, only Allow is understood", i+1, s.Effect)
		}
		for _, action := range s.Action {
			for _, resource := range s.Resource {
				permissions = append(permissions, Permission{Action: action, Resource: resource})
			}
		}
	}
	return permissions, nil
}

// oneOrMore reads what policies write as a value or as a list of values. Unknown fields inside are errors here too:
// a decoder's setting does not reach into UnmarshalJSON.
type oneOrMore[T any] []T

func (o *oneOrMore[T]) UnmarshalJSON(data []byte) error {
	strict := func(into any) error {
		dec := json.NewDecoder(strings.NewReader(string(data)))
		dec.DisallowUnknownFields()
		return dec.Decode(into)
	}
	if strings.HasPrefix(strings.TrimSpace(string(data)), "[") {
		return strict((*[]T)(o))
	}
	var one T
	if err := strict(&one); err != nil {
		return err
	}
	*o = oneOrMore[T]{one}
	return nil
}

// wildcard matches text against a pattern with `*` (any run) and `?` (any one character).
func wildcard(pattern, text string) bool {
	star, mark := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p, t = p+1, t+1
		case star >= 0:
			mark++
			p, t = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
