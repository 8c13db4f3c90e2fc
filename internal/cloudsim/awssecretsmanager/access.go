package awssecretsmanager

import (
	"fmt"
	"slices"
	"strings"

	"rotor/internal/cloudsim/cloudapi"
)

// resolve turns a SecretId, which is a name, an ARN, or an ARN without the six characters at its end, into a key.
// A part that names nothing leaves a key that no secret has.
func (s *Service) resolve(c *cloudapi.Call, id string) key {
	parts := strings.SplitN(id, ":", 7)
	if len(parts) != 7 || parts[0] != "arn" || parts[2] != "secretsmanager" || parts[5] != "secret" {
		return key{c.Account, c.Region, id}
	}
	k := key{account: parts[4], region: parts[3], name: parts[6]}
	if i := len(k.name) - 7; i > 0 && k.name[i] == '-' {
		whole := key{k.account, k.region, k.name[:i]}
		if t := s.secrets[whole]; t != nil && t.Now() != nil && t.Now().Suffix == k.name[i+1:] {
			return whole
		}
	}
	return k
}

// find checks SecretId and the caller's permission, and gives the secret in its latest state.
func (s *Service) find(c *cloudapi.Call, id string) (key, *Secret, *failure) {
	if id == "" {
		return key{}, nil, null("secretId")
	}
	k := s.resolve(c, id)
	secret := s.live(k, c.Now)
	resource := k.prefix() + k.name
	if secret != nil {
		resource = k.arn(secret)
	}
	action := "secretsmanager:" + c.Action
	if !c.May(action, resource) {
		return k, nil, denied(c, action, resource)
	}
	if k.account != c.Account && (secret == nil || !slices.Contains(secret.SharedWith, c.Account)) {
		return k, nil, denied(c, action, resource)
	}
	if secret == nil || k.region != c.Region {
		return k, nil, noSecret()
	}
	return k, secret, nil
}

// visible is find for reads, which may see an older state.
func (s *Service) visible(c *cloudapi.Call, id string) (key, *Secret, *failure) {
	k, _, failure := s.find(c, id)
	if failure != nil {
		return k, nil, failure
	}
	secret := s.timeline(k).Read(c)
	if secret == nil || secret.gone(c.Now) {
		return k, nil, noSecret()
	}
	return k, secret, nil
}

// edit changes a secret that is in use: change gets a copy, which becomes the state if it reports no failure.
func (s *Service) edit(c *cloudapi.Call, id string, change func(key, *Secret) *failure) (key, *Secret, *failure) {
	return s.editAny(c, id, func(k key, secret *Secret) *failure {
		if !secret.Deletion.IsZero() {
			return markedForDeletion()
		}
		return change(k, secret)
	})
}

// ignored ends an edit that has nothing to change.
var ignored = fail("", "")

// editAny is edit for operations that also take secrets scheduled for deletion.
func (s *Service) editAny(c *cloudapi.Call, id string, change func(key, *Secret) *failure) (key, *Secret, *failure) {
	k, secret, failure := s.find(c, id)
	if failure != nil {
		return k, nil, failure
	}
	next := secret.clone()
	switch failure := change(k, next); failure {
	case nil:
	case ignored:
		return k, secret, nil
	default:
		return k, nil, failure
	}
	next.Changed = c.Now
	s.timeline(k).Set(next, c.Now)
	return k, next, nil
}

// unmanaged refuses changes to the value of a secret that another AWS service manages.
func (s *Secret) unmanaged() *failure {
	if s.OwningService != "" {
		return invalidRequest("You can't perform this operation on the secret because it is managed by %s.", s.OwningService)
	}
	return nil
}

// keyARN is the resource name of a KMS key that was given by id, alias or ARN.
func keyARN(k key, id string) string {
	if strings.HasPrefix(id, "arn:") {
		return id
	}
	if !strings.HasPrefix(id, "alias/") {
		id = "key/" + id
	}
	return fmt.Sprintf("arn:%s:kms:%s:%s:%s", partition(k.region), k.region, k.account, id)
}

// customerKey is false for AWS's own key, which everybody who may use the secret may use.
func customerKey(id string) bool { return id != "" && id != "alias/aws/secretsmanager" }

// decrypt checks that the secret's key can be used for reading.
func (s *Service) decrypt(c *cloudapi.Call, k key, keyID string) *failure {
	return s.useKey(c, k, keyID, "DecryptionFailure",
		"Secrets Manager can't decrypt the protected secret text using the provided KMS key.", "kms:Decrypt")
}

// encrypt checks that the secret's key can be used for writing.
func (s *Service) encrypt(c *cloudapi.Call, k key, keyID string) *failure {
	return s.useKey(c, k, keyID, "EncryptionFailure",
		"Secrets Manager can't encrypt the protected secret text using the provided KMS key.",
		"kms:GenerateDataKey", "kms:Decrypt")
}

func (s *Service) useKey(c *cloudapi.Call, k key, keyID, unusable, message string, permissions ...string) *failure {
	if !customerKey(keyID) {
		return nil
	}
	arn := keyARN(k, keyID)
	for _, permission := range permissions {
		if !c.May(permission, arn) {
			return fail("AccessDeniedException", "Access to KMS is not allowed")
		}
	}
	if s.disabled[arn] {
		return fail(unusable, message)
	}
	return nil
}
