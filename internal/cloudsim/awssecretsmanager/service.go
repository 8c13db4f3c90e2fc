package awssecretsmanager

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"rotor/internal/cloudsim/cloudapi"
)

// TargetPrefix stands before the operation in the X-Amz-Target header.
const TargetPrefix = "secretsmanager."

// Service is the simulated Secrets Manager of all accounts and regions. It is safe for concurrent use.
type Service struct {
	clock func() time.Time

	mu       sync.Mutex
	secrets  map[key]*cloudapi.Timeline[Secret]
	accessed map[key]time.Time
	disabled map[string]bool // ARNs of KMS keys
}

type key struct{ account, region, name string }

// New makes a Secrets Manager without secrets.
func New(clock func() time.Time) *Service {
	return &Service{clock: clock, secrets: map[key]*cloudapi.Timeline[Secret]{}, accessed: map[key]time.Time{},
		disabled: map[string]bool{}}
}

// Region is one account's secrets in one region, for seeding and looking at them past the API.
type Region struct {
	service         *Service
	account, region string
}

// In gives the secrets of an account in a region.
func (s *Service) In(account, region string) Region { return Region{s, account, region} }

// Put stores a secret as it is given, replacing one of the same name, and returns its ARN.
func (r Region) Put(secret Secret) string {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	c, now := secret.clone(), r.service.clock()
	c.withDefaults(now)
	k := r.key(secret.Name)
	r.service.timeline(k).Set(c, now)
	return k.arn(c)
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

// ARN gives a secret's resource name; empty if there is no such secret.
func (r Region) ARN(name string) string {
	secret, ok := r.Secret(name)
	if !ok {
		return ""
	}
	return r.key(name).arn(&secret)
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

// DisableKey makes a KMS key unusable: reading and writing secrets under it fail.
func (r Region) DisableKey(keyID string) {
	r.service.mu.Lock()
	defer r.service.mu.Unlock()
	r.service.disabled[keyARN(r.key(""), keyID)] = true
}

func (r Region) key(name string) key { return key{r.account, r.region, name} }

// partition is the first part of ARNs: China's regions have their own.
func partition(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "aws-cn"
	}
	return "aws"
}

func (k key) arn(s *Secret) string { return k.prefix() + k.name + "-" + s.Suffix }

func (k key) prefix() string {
	return fmt.Sprintf("arn:%s:secretsmanager:%s:%s:secret:", partition(k.region), k.region, k.account)
}

func suffix() string {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	var b [6]byte
	// Never fails, as documented.
	_, _ = rand.Read(b[:])
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b[:])
}

func (s *Service) timeline(k key) *cloudapi.Timeline[Secret] {
	t := s.secrets[k]
	if t == nil {
		t = &cloudapi.Timeline[Secret]{}
		s.secrets[k] = t
	}
	return t
}

// live is a secret as it is now; nil when it does not exist or its recovery window is over.
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

func (s *Secret) gone(now time.Time) bool { return !s.Deletion.IsZero() && !now.Before(s.Deletion) }

// operation decodes a call's body, carries it out and gives the answer's document.
type operation func(*Service, *cloudapi.Call) (any, *failure)

// on makes an operation of a function over a request type.
func on[T any](run func(*Service, *cloudapi.Call, T) (any, *failure)) operation {
	return func(s *Service, c *cloudapi.Call) (any, *failure) {
		var request T
		dec := json.NewDecoder(bytes.NewReader(c.Body))
		if err := dec.Decode(&request); err != nil {
			return nil, fail("SerializationException", "The request body is no JSON document of the expected shape.")
		}
		return run(s, c, request)
	}
}

var operations = map[string]operation{
	"CancelRotateSecret":       on((*Service).cancelRotateSecret),
	"CreateSecret":             on((*Service).createSecret),
	"DeleteSecret":             on((*Service).deleteSecret),
	"DescribeSecret":           on((*Service).describeSecret),
	"GetRandomPassword":        on((*Service).getRandomPassword),
	"GetSecretValue":           on((*Service).getSecretValue),
	"ListSecretVersionIds":     on((*Service).listSecretVersionIDs),
	"ListSecrets":              on((*Service).listSecrets),
	"PutSecretValue":           on((*Service).putSecretValue),
	"RestoreSecret":            on((*Service).restoreSecret),
	"RotateSecret":             on((*Service).rotateSecret),
	"TagResource":              on((*Service).tagResource),
	"UntagResource":            on((*Service).untagResource),
	"UpdateSecret":             on((*Service).updateSecret),
	"UpdateSecretVersionStage": on((*Service).updateSecretVersionStage),
}

// Serve implements cloudapi.API.
func (s *Service) Serve(c *cloudapi.Call) cloudapi.Reply {
	run, ok := operations[c.Action]
	if !ok {
		return fail("UnknownOperationException", "").reply(c.RequestID)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	document, failure := run(s, c)
	if failure != nil {
		return failure.reply(c.RequestID)
	}
	return answer(http.StatusOK, document, c.RequestID)
}

// Fail implements cloudapi.API.
func (s *Service) Fail(c *cloudapi.Call, f cloudapi.Failure) cloudapi.Reply {
	switch f {
	case cloudapi.Throttled:
		return fail("ThrottlingException", "Rate exceeded").reply(c.RequestID)
	case cloudapi.Denied:
		return denied(c, "secretsmanager:"+c.Action, s.Resource(c)).reply(c.RequestID)
	default:
		return fail("InternalServiceError", "An error occurred on the server side.").reply(c.RequestID)
	}
}

// Resource implements cloudapi.API: the name of the secret, also where an ARN was sent.
func (s *Service) Resource(c *cloudapi.Call) string {
	var request struct{ SecretId, Name string }
	// What can't be read names nothing; Serve will say what is wrong with it.
	_ = json.Unmarshal(c.Body, &request)
	if request.SecretId == "" {
		return request.Name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.resolve(c, request.SecretId).name
}

// Value implements cloudapi.API.
func (s *Service) Value(c *cloudapi.Call) string {
	var carries struct{ SecretString string }
	// What is no JSON object carries none.
	_ = json.Unmarshal(c.Body, &carries)
	return carries.SecretString
}

// Shown implements cloudapi.API.
func (s *Service) Shown(c *cloudapi.Call) map[string]string {
	fields := map[string]json.RawMessage{}
	// What is no JSON object has no parameters to show.
	_ = json.Unmarshal(c.Body, &fields)
	shown := map[string]string{}
	for name, raw := range fields {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		if name == "SecretString" || name == "SecretBinary" || name == "RotationToken" {
			text = "***"
		}
		shown[name] = text
	}
	return shown
}

// Refuse answers a request whose signature is not right.
func Refuse(code, message, requestID string) cloudapi.Reply {
	return fail(code, message).reply(requestID)
}
