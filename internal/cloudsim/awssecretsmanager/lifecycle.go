package awssecretsmanager

import (
	"regexp"
	"time"

	"rotor/internal/cloudsim/cloudapi"
	"rotor/internal/cloudsim/randompassword"
)

var secretName = regexp.MustCompile(`^[A-Za-z0-9/_+=.@!-]{1,512}$`)

type createSecretRequest struct {
	newValue
	Name, Description, KmsKeyId string
	Tags                        []tag
}

type created struct {
	ARN, Name string
	VersionId string `json:",omitempty"`
}

func (s *Service) createSecret(c *cloudapi.Call, r createSecretRequest) (any, *failure) {
	if r.Name == "" {
		return nil, null("name")
	}
	k := key{c.Account, c.Region, r.Name}
	if !c.May("secretsmanager:CreateSecret", k.prefix()+k.name) {
		return nil, denied(c, "secretsmanager:CreateSecret", k.prefix()+k.name)
	}
	switch {
	case !secretName.MatchString(r.Name):
		return nil, fail("ValidationException", "Invalid name. Must be a valid name containing alphanumeric characters, "+
			"or any of the following: -/_+=.@!")
	case len(r.Description) > 2048:
		return nil, invalidParameter("A description can't be longer than 2048 characters.")
	}
	secret := Secret{Name: r.Name, Description: r.Description, KeyID: r.KmsKeyId, Created: c.Now, Tags: map[string]string{}}
	for _, t := range r.Tags {
		secret.Tags[t.Key] = t.Value
	}
	secret.withDefaults(c.Now)
	if old := s.live(k, c.Now); old != nil {
		return s.createAgain(k, old, c, r)
	}
	if r.given() {
		version, failure := r.version(c)
		if failure != nil {
			return nil, failure
		}
		if failure := s.encrypt(c, k, r.KmsKeyId); failure != nil {
			return nil, failure
		}
		secret.put(version, []string{Current})
	}
	s.timeline(k).Set(&secret, c.Now)
	answer := created{ARN: k.arn(&secret), Name: r.Name}
	if r.given() {
		answer.VersionId = r.ClientRequestToken
	}
	return answer, nil
}

// createAgain answers a CreateSecret of a name that is taken: a repeat of the call that made it is fine.
func (s *Service) createAgain(k key, old *Secret, c *cloudapi.Call, r createSecretRequest) (any, *failure) {
	if !old.Deletion.IsZero() {
		return nil, invalidRequest("You can't create this secret because a secret with this name is already scheduled " +
			"for deletion.")
	}
	if version, failure := r.version(c); failure == nil {
		if v := old.Version(version.ID); v != nil && v.sameValue(version) {
			return created{k.arn(old), k.name, v.ID}, nil
		}
	}
	return nil, fail("ResourceExistsException", "The operation failed because the secret "+k.name+" already exists.")
}

type updateSecretRequest struct {
	newValue
	SecretId    string
	Description *string
	KmsKeyId    *string
}

func (s *Service) updateSecret(c *cloudapi.Call, r updateSecretRequest) (any, *failure) {
	k, secret, failure := s.edit(c, r.SecretId, func(k key, secret *Secret) *failure {
		if r.Description != nil {
			secret.Description = *r.Description
		}
		if r.KmsKeyId != nil {
			secret.KeyID = *r.KmsKeyId
		}
		if !r.given() {
			return nil
		}
		version, failure := r.version(c)
		if failure != nil {
			return failure
		}
		if failure := secret.unmanaged(); failure != nil {
			return failure
		}
		if failure := s.encrypt(c, k, secret.KeyID); failure != nil {
			return failure
		}
		if secret.Version(version.ID) != nil {
			return tokenInUse(k, secret, version.ID)
		}
		secret.put(version, []string{Current})
		return nil
	})
	if failure != nil {
		return nil, failure
	}
	answer := created{ARN: k.arn(secret), Name: k.name}
	if r.given() {
		answer.VersionId = r.ClientRequestToken
	}
	return answer, nil
}

type deleteSecretRequest struct {
	SecretId                   string
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

func (s *Service) deleteSecret(c *cloudapi.Call, r deleteSecretRequest) (any, *failure) {
	days := 30
	if r.RecoveryWindowInDays != nil {
		days = *r.RecoveryWindowInDays
	}
	switch {
	case r.ForceDeleteWithoutRecovery && r.RecoveryWindowInDays != nil:
		return nil, invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case days < 7 || days > 30:
		return nil, invalidParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	k, secret, failure := s.edit(c, r.SecretId, func(_ key, secret *Secret) *failure {
		secret.Deletion = c.Now
		if !r.ForceDeleteWithoutRecovery {
			secret.Deletion = c.Now.AddDate(0, 0, days)
		}
		return nil
	})
	if failure != nil {
		return nil, failure
	}
	return struct {
		ARN, Name    string
		DeletionDate float64
	}{k.arn(secret), k.name, epoch(secret.Deletion)}, nil
}

func (s *Service) restoreSecret(c *cloudapi.Call, r secretID) (any, *failure) {
	k, secret, failure := s.editAny(c, r.SecretId, func(_ key, secret *Secret) *failure {
		secret.Deletion = time.Time{}
		return nil
	})
	if failure != nil {
		return nil, failure
	}
	return named{k.arn(secret), k.name}, nil
}

type tagRequest struct {
	SecretId string
	Tags     []tag
	TagKeys  []string
}

func (s *Service) tagResource(c *cloudapi.Call, r tagRequest) (any, *failure) {
	_, _, failure := s.edit(c, r.SecretId, func(_ key, secret *Secret) *failure {
		if secret.Tags == nil {
			secret.Tags = map[string]string{}
		}
		for _, t := range r.Tags {
			if t.Key == "" {
				return null("tags.member.key")
			}
			secret.Tags[t.Key] = t.Value
		}
		return nil
	})
	return struct{}{}, failure
}

func (s *Service) untagResource(c *cloudapi.Call, r tagRequest) (any, *failure) {
	_, _, failure := s.edit(c, r.SecretId, func(_ key, secret *Secret) *failure {
		for _, name := range r.TagKeys {
			delete(secret.Tags, name)
		}
		return nil
	})
	return struct{}{}, failure
}

type randomPasswordRequest struct {
	PasswordLength          *int
	ExcludeCharacters       string
	ExcludeLowercase        bool
	ExcludeUppercase        bool
	ExcludeNumbers          bool
	ExcludePunctuation      bool
	IncludeSpace            bool
	RequireEachIncludedType *bool
}

func (s *Service) getRandomPassword(c *cloudapi.Call, r randomPasswordRequest) (any, *failure) {
	if !c.May("secretsmanager:GetRandomPassword", "*") {
		return nil, denied(c, "secretsmanager:GetRandomPassword", "*")
	}
	length := 32
	if r.PasswordLength != nil {
		length = *r.PasswordLength
	}
	if length < 1 || length > 4096 {
		return nil, invalidParameter("The password length must be between 1 and 4096 characters.")
	}
	var classes []string
	for _, class := range []struct {
		out        bool
		characters string
	}{
		{r.ExcludeLowercase, randompassword.Lowercase},
		{r.ExcludeUppercase, randompassword.Uppercase},
		{r.ExcludeNumbers, randompassword.Numbers},
		{r.ExcludePunctuation, randompassword.Punctuation},
		{!r.IncludeSpace, " "},
	} {
		if !class.out {
			classes = append(classes, class.characters)
		}
	}
	each := r.RequireEachIncludedType == nil || *r.RequireEachIncludedType
	password, err := randompassword.Make(length, classes, r.ExcludeCharacters, each)
	if err != nil {
		return nil, invalidParameter("The parameters leave no characters to make a password of that length from.")
	}
	return struct{ RandomPassword string }{password}, nil
}
