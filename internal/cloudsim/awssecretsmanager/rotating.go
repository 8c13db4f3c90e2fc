package awssecretsmanager

import (
	"slices"

	"rotor/internal/cloudsim/cloudapi"
)

type rotateSecretRequest struct {
	SecretId           string
	ClientRequestToken string
	RotationLambdaARN  string
	RotationRules      *rotationRules
	RotateImmediately  *bool
}

// rotateSecret begins a rotation as far as the store goes: it leaves an empty version under AWSPENDING, which the
// rotation function would fill. No function is called.
func (s *Service) rotateSecret(c *cloudapi.Call, r rotateSecretRequest) (any, *failure) {
	immediately := r.RotateImmediately == nil || *r.RotateImmediately
	answer := created{}
	k, secret, failure := s.edit(c, r.SecretId, func(_ key, secret *Secret) *failure {
		if r.ClientRequestToken == "" {
			return invalidRequest("You must provide a ClientRequestToken value. We recommend a UUID-type value.")
		}
		if failure := secret.configureRotation(r); failure != nil {
			return failure
		}
		if !immediately {
			return nil
		}
		answer.VersionId = r.ClientRequestToken
		if secret.unfinished() {
			if secret.Holder(Pending).ID == r.ClientRequestToken {
				return nil
			}
			return invalidRequest("A previous rotation isn't complete. That rotation will be reattempted.")
		}
		if secret.Version(r.ClientRequestToken) == nil {
			secret.put(Version{ID: r.ClientRequestToken, Created: c.Now}, []string{Pending})
		}
		return nil
	})
	if failure != nil {
		return nil, failure
	}
	answer.ARN, answer.Name = k.arn(secret), k.name
	return answer, nil
}

func (s *Secret) configureRotation(r rotateSecretRequest) *failure {
	rotation := Rotation{}
	if s.Rotation != nil {
		rotation = *s.Rotation
	}
	if r.RotationLambdaARN != "" {
		rotation.LambdaARN = r.RotationLambdaARN
	}
	if rotation.LambdaARN == "" && s.OwningService == "" {
		return invalidRequest("You tried to enable rotation on a secret that doesn't already have a Lambda function ARN " +
			"configured and you didn't include such an ARN as a parameter in this call.")
	}
	if rules := r.RotationRules; rules != nil {
		if rules.AutomaticallyAfterDays != 0 && rules.ScheduleExpression != "" || rules.AutomaticallyAfterDays > 1000 {
			return invalidParameter("RotationRules takes AutomaticallyAfterDays (1-1000) or ScheduleExpression, not both.")
		}
		rotation.AfterDays, rotation.Duration = rules.AutomaticallyAfterDays, rules.Duration
		rotation.ScheduleExpression = rules.ScheduleExpression
	}
	rotation.Enabled = true
	s.Rotation = &rotation
	return nil
}

// cancelRotateSecret turns rotation off. A version under AWSPENDING keeps the label.
func (s *Service) cancelRotateSecret(c *cloudapi.Call, r secretID) (any, *failure) {
	k, secret, failure := s.edit(c, r.SecretId, func(_ key, secret *Secret) *failure {
		if secret.Rotation == nil || !secret.Rotation.Enabled {
			return invalidRequest("You tried to cancel rotation on a secret that does not have rotation enabled.")
		}
		secret.Rotation.Enabled = false
		return nil
	})
	if failure != nil {
		return nil, failure
	}
	answer := created{ARN: k.arn(secret), Name: k.name}
	if pending := secret.Holder(Pending); pending != nil && !slices.Contains(pending.Stages, Current) {
		answer.VersionId = pending.ID
	}
	return answer, nil
}
