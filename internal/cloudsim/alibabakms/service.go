package alibabakms

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
)

// Version2016 is the API's version.
const Version2016 = "2016-01-20"

// Service is the simulated KMS of all accounts and regions. It is safe for concurrent use.
type Service struct {
	clock func() time.Time

	mu      sync.Mutex
	secrets map[key]*cloudapi.Timeline[Secret]
}

type key struct{ account, region, name string }

// New makes a KMS without secrets.
func New(clock func() time.Time) *Service {
	return &Service{clock: clock, secrets: map[key]*cloudapi.Timeline[Secret]{}}
}

// Region is one account's secrets in one region, for seeding and looking at them past the API.
type Region struct {
	service         *Service
	account, region string
}

// In gives the secrets of an account in a region.
func (s *Service) In(account, region string) Region { return Region{s, account, region} }

// Put stores a secret as it is given, replacing one of the same name.
func (r Region) Put(secret Secret) {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	c := secret.clone()
	now := r.service.clock()
	c.withDefaults(now)
	r.service.timeline(r.key(secret.Name)).Set(c, now)
}

// Secret gives a copy of a secret with everything in it; false if there is none.
func (r Region) Secret(name string) (Secret, bool) {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	secret := r.service.live(r.key(name), r.service.clock())
	if secret == nil {
		return Secret{}, false
	}
	return *secret.clone(), true
}

// Names lists the secrets, sorted.
func (r Region) Names() []string {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	var names []string
	for k := range r.service.secrets {
		if k.account == r.account && k.region == r.region && r.service.live(k, r.service.clock()) != nil {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}

// Remove forgets a secret at once.
func (r Region) Remove(name string) {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	r.service.timeline(r.key(name)).Set(nil, r.service.clock())
}

// ARN gives a secret's resource name.
func (r Region) ARN(name string) string { return r.key(name).arn() }

func (r Region) key(name string) key { return key{r.account, r.region, name} }

func (k key) arn() string { return fmt.Sprintf("acs:kms:%s:%s:secret/%s", k.region, k.account, k.name) }

func (s *Service) timeline(k key) *cloudapi.Timeline[Secret] {
	t := s.secrets[k]
	if t == nil {
		t = &cloudapi.Timeline[Secret]{}
		s.secrets[k] = t
	}
	return t
}

// live is a secret as it is now; nil when it does not exist or its delete window is over.
func (s *Service) live(k key, now time.Time) *Secret {
	t := s.secrets[k]
	if t == nil {
		return nil
	}
	secret := t.Now()
	if secret != nil && secret.gone(now) {
		t.Set(nil, now)
		return nil
	}
	return secret
}

func (s *Secret) gone(now time.Time) bool {
	return !s.PlannedDelete.IsZero() && !now.Before(s.PlannedDelete)
}

// action is one operation of the API.
type action struct {
	run func(*Service, *cloudapi.Call) (map[string]any, *alibaba.Error)
	// on is true for operations on one secret, which is named by SecretName.
	on bool
}

var actions = map[string]action{
	"CreateSecret":             {(*Service).createSecret, true},
	"DeleteSecret":             {(*Service).deleteSecret, true},
	"DescribeSecret":           {(*Service).describeSecret, true},
	"GetRandomPassword":        {(*Service).getRandomPassword, false},
	"GetSecretValue":           {(*Service).getSecretValue, true},
	"ListSecretVersionIds":     {(*Service).listSecretVersionIDs, true},
	"ListSecrets":              {(*Service).listSecrets, false},
	"PutSecretValue":           {(*Service).putSecretValue, true},
	"RestoreSecret":            {(*Service).restoreSecret, true},
	"TagResource":              {(*Service).tagResource, true},
	"UntagResource":            {(*Service).untagResource, true},
	"UpdateSecret":             {(*Service).updateSecret, true},
	"UpdateSecretVersionStage": {(*Service).updateSecretVersionStage, true},
}

// Serve implements cloudapi.API.
func (s *Service) Serve(c *cloudapi.Call) cloudapi.Reply {
	a, ok := actions[c.Action]
	if !ok {
		return alibaba.UnknownAPI().Reply(c.RequestID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.on {
		if failure := s.authorize(c); failure != nil {
			return failure.Reply(c.RequestID)
		}
	} else if !c.May("kms:"+c.Action, fmt.Sprintf("acs:kms:%s:%s:secret", c.Region, c.Account)) {
		return noPermission().Reply(c.RequestID)
	}
	fields, failure := a.run(s, c)
	if failure != nil {
		return failure.Reply(c.RequestID)
	}
	return alibaba.Answer(c.RequestID, fields)
}

// authorize checks the parameter that names the secret, and that the caller may do this to it. A secret of another
// account must let the caller's account in, too.
func (s *Service) authorize(c *cloudapi.Call) *alibaba.Error {
	name := c.Params["SecretName"]
	if name == "" {
		return alibaba.Missing("SecretName")
	}
	k, failure := s.named(c)
	if failure != nil {
		return failure
	}
	if !c.May("kms:"+c.Action, k.arn()) {
		return noPermission()
	}
	if k.account != c.Account {
		secret := s.live(k, c.Now)
		if secret == nil || !slices.Contains(secret.SharedWith, c.Account) {
			return noPermission()
		}
	}
	return nil
}

// named resolves SecretName, which is a name or an ARN.
func (s *Service) named(c *cloudapi.Call) (key, *alibaba.Error) {
	name := c.Params["SecretName"]
	if !strings.HasPrefix(name, "acs:kms:") {
		return key{c.Account, c.Region, name}, nil
	}
	parts := strings.SplitN(name, ":", 5)
	resource := ""
	if len(parts) == 5 {
		resource, _ = strings.CutPrefix(parts[4], "secret/")
	}
	// A request goes to one region's endpoint; an ARN of another region names nothing there.
	if resource == "" || resource == parts[4] || parts[2] != c.Region {
		return key{}, invalid("SecretName")
	}
	return key{parts[3], parts[2], resource}, nil
}

// mayUseKey checks the permission on the customer's key that encrypts a secret, if it has one.
func mayUseKey(c *cloudapi.Call, permission string, k key, keyID string) *alibaba.Error {
	if keyID != "" && !c.May(permission, fmt.Sprintf("acs:kms:%s:%s:key/%s", k.region, k.account, keyID)) {
		return noPermission()
	}
	return nil
}

// Fail implements cloudapi.API.
func (s *Service) Fail(c *cloudapi.Call, f cloudapi.Failure) cloudapi.Reply {
	return alibaba.Failure(f,
		alibaba.NewError(429, "Rejected.Throttling", "QPS Limit Exceeded"),
		alibaba.NewError(500, "InternalFailure", "Internal Failure"),
		noPermission(), c.RequestID)
}

// Resource implements cloudapi.API: the name of the secret, also where an ARN was sent.
func (s *Service) Resource(c *cloudapi.Call) string {
	name := c.Params["SecretName"]
	if k, failure := s.named(c); failure == nil {
		name = k.name
	}
	return name
}

// Value implements cloudapi.API.
func (s *Service) Value(c *cloudapi.Call) string { return c.Params["SecretData"] }

// Shown implements cloudapi.API.
func (s *Service) Shown(c *cloudapi.Call) map[string]string {
	shown := maps.Clone(c.Params)
	if _, ok := shown["SecretData"]; ok {
		shown["SecretData"] = "***"
	}
	return shown
}
