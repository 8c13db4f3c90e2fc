package awssecretsmanager

import (
	"slices"

	"rotor/internal/cloudsim/cloudapi"
)

type getSecretValueRequest struct{ SecretId, VersionId, VersionStage string }

type secretValue struct {
	ARN, Name, VersionId string
	SecretString         *string `json:",omitempty"`
	SecretBinary         []byte  `json:",omitempty"`
	VersionStages        []string
	CreatedDate          float64
}

func (s *Service) getSecretValue(c *cloudapi.Call, r getSecretValueRequest) (any, *failure) {
	k, secret, failure := s.visible(c, r.SecretId)
	if failure != nil {
		return nil, failure
	}
	if !secret.Deletion.IsZero() {
		return nil, markedForDeletion()
	}
	v, failure := secret.asked(r.VersionId, r.VersionStage)
	if failure != nil {
		return nil, failure
	}
	if failure := s.decrypt(c, k, secret.KeyID); failure != nil {
		return nil, failure
	}
	s.accessed[k] = c.Now
	value := secretValue{ARN: k.arn(secret), Name: k.name, VersionId: v.ID, SecretBinary: v.Binary,
		VersionStages: v.Stages, CreatedDate: epoch(v.Created)}
	if v.Binary == nil {
		value.SecretString = &v.String
	}
	return value, nil
}

// asked finds the version that GetSecretValue means. An empty placeholder counts as missing.
func (s *Secret) asked(id, stage string) (*Version, *failure) {
	if id == "" {
		if stage == "" {
			stage = Current
		}
		v := s.Holder(stage)
		if v == nil || v.Empty() {
			return nil, notFound("Secrets Manager can't find the specified secret value for staging label: " + stage)
		}
		return v, nil
	}
	v := s.Version(id)
	if v == nil || v.Empty() {
		return nil, notFound("Secrets Manager can't find the specified secret value for VersionId: " + id)
	}
	if stage != "" && !slices.Contains(v.Stages, stage) {
		return nil, invalidRequest("You provided a VersionStage that is not associated to the provided VersionId.")
	}
	return v, nil
}

// newValue is what CreateSecret, PutSecretValue and UpdateSecret say about a new version.
type newValue struct {
	ClientRequestToken string
	SecretString       *string
	SecretBinary       []byte
}

func (n newValue) given() bool { return n.SecretString != nil || n.SecretBinary != nil }

func (n newValue) version(c *cloudapi.Call) (Version, *failure) {
	v := Version{ID: n.ClientRequestToken, Binary: n.SecretBinary, Created: c.Now}
	if n.SecretString != nil {
		v.String = *n.SecretString
	}
	switch {
	case n.ClientRequestToken == "":
		return v, invalidRequest("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
	case len(n.ClientRequestToken) < 32 || len(n.ClientRequestToken) > 64:
		return v, invalidParameter("ClientRequestToken must be 32-64 characters long.")
	case n.SecretString != nil && n.SecretBinary != nil:
		return v, invalidParameter("You can't specify both a binary secret value and a string secret value in the same secret.")
	case v.Empty():
		return v, invalidRequest("You must provide either SecretString or SecretBinary.")
	case len(v.String) > maxValueBytes || len(v.Binary) > maxValueBytes:
		return v, invalidParameter("The secret value can't be longer than %d bytes.", maxValueBytes)
	}
	return v, nil
}

type putSecretValueRequest struct {
	newValue
	SecretId      string
	VersionStages []string
}

type putSecretValueAnswer struct {
	ARN, Name, VersionId string
	VersionStages        []string
}

func (s *Service) putSecretValue(c *cloudapi.Call, r putSecretValueRequest) (any, *failure) {
	stages := []string{Current}
	if r.VersionStages != nil {
		stages = r.VersionStages
	}
	k, secret, failure := s.edit(c, r.SecretId, func(k key, secret *Secret) *failure {
		version, failure := r.version(c)
		if failure != nil {
			return failure
		}
		if len(stages) == 0 || len(stages) > maxStages || slices.ContainsFunc(stages, badStage) {
			return invalidParameter("VersionStages must be 1-20 staging labels of 1-256 characters.")
		}
		if failure := secret.unmanaged(); failure != nil {
			return failure
		}
		if failure := s.encrypt(c, k, secret.KeyID); failure != nil {
			return failure
		}
		old := secret.Version(version.ID)
		switch {
		case old == nil:
			secret.put(version, stages)
		case old.Empty():
			// The placeholder of RotateSecret takes its value once.
			old.String, old.Binary = version.String, version.Binary
			for _, stage := range stages {
				secret.move(stage, old.ID)
			}
		case old.sameValue(version):
			return ignored
		default:
			return tokenInUse(k, secret, version.ID)
		}
		if secret.stages() > maxStages {
			return limitExceeded()
		}
		return nil
	})
	if failure != nil {
		return nil, failure
	}
	return putSecretValueAnswer{k.arn(secret), k.name, r.ClientRequestToken,
		secret.Version(r.ClientRequestToken).Stages}, nil
}

func badStage(stage string) bool { return stage == "" || len(stage) > 256 }

func tokenInUse(k key, s *Secret, token string) *failure {
	return fail("ResourceExistsException", "You can't use ClientRequestToken "+token+
		" because that value is already in use for a version of secret "+k.arn(s)+".")
}

type updateStageRequest struct{ SecretId, VersionStage, MoveToVersionId, RemoveFromVersionId string }

type named struct{ ARN, Name string }

func (s *Service) updateSecretVersionStage(c *cloudapi.Call, r updateStageRequest) (any, *failure) {
	k, secret, failure := s.edit(c, r.SecretId, func(_ key, secret *Secret) *failure {
		switch {
		case r.VersionStage == "":
			return null("versionStage")
		case badStage(r.VersionStage):
			return invalidParameter("A staging label is 1-256 characters long.")
		}
		if failure := secret.unmanaged(); failure != nil {
			return failure
		}
		return secret.updateStage(r.VersionStage, r.MoveToVersionId, r.RemoveFromVersionId)
	})
	if failure != nil {
		return nil, failure
	}
	return named{k.arn(secret), k.name}, nil
}

// updateStage moves, adds or removes a label. Who moves one that is on another version must name that version: this
// is the compare-and-swap that keeps two writers apart.
func (s *Secret) updateStage(stage, to, from string) *failure {
	for _, id := range []string{to, from} {
		if id != "" && s.Version(id) == nil {
			return notFound("Secrets Manager can't find the specified secret version: " + id)
		}
	}
	holder := s.Holder(stage)
	if to == "" && from == "" {
		return invalidParameter("You must provide MoveToVersionId, RemoveFromVersionId, or both.")
	}
	if to == "" && stage == Current {
		return invalidParameter("You can only move staging label AWSCURRENT to a different secret version. " +
			"It can’t be completely removed.")
	}
	if from != "" && (holder == nil || holder.ID != from) {
		return invalidParameter("When you move staging label %s, if you specify RemoveFromVersionId, it must be set to "+
			"the version that currently has the staging label %s.", stage, stage)
	}
	if from == "" && holder != nil && holder.ID != to {
		return invalidParameter("The parameter RemoveFromVersionId can't be empty. Staging label %s is currently attached "+
			"to version %s, so you must explicitly reference that version in RemoveFromVersionId.", stage, holder.ID)
	}
	if to == "" {
		holder.drop(stage)
		return nil
	}
	s.move(stage, to)
	if s.stages() > maxStages {
		return limitExceeded()
	}
	return nil
}
