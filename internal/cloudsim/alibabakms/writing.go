package alibabakms

import (
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
)

var (
	secretName = regexp.MustCompile(`^[A-Za-z0-9_/+=.@-]{1,192}$`)
	label      = regexp.MustCompile(`^[A-Za-z0-9_./@+=-]{1,64}$`) // of versions and stages
)

// ignored ends an edit that has nothing to change.
var ignored = alibaba.NewError(200, "", "")

// edit changes a secret: change gets a copy, which becomes the state if it reports no failure.
func (s *Service) edit(c *cloudapi.Call, change func(key, *Secret) *alibaba.Error) *alibaba.Error {
	k, failure := s.named(c)
	if failure != nil {
		return failure
	}
	secret := s.live(k, c.Now)
	if secret == nil {
		return notFound()
	}
	next := secret.clone()
	switch failure := change(k, next); failure {
	case nil:
	case ignored:
		return nil
	default:
		return failure
	}
	next.Updated = c.Now
	s.timeline(k).Set(next, c.Now)
	return nil
}

// generic refuses what only generic secrets in use allow. What KMS answers for a managed type is not documented.
func (s *Secret) generic() *alibaba.Error {
	if !s.PlannedDelete.IsZero() {
		return inDeleteWindow()
	}
	if s.Type != Generic {
		return alibaba.NewError(400, "InvalidParameter",
			"The specified parameter SecretName is not valid: the operation supports generic secrets only.")
	}
	return nil
}

func (s *Service) putSecretValue(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	version, failure := versionParams(c)
	if failure != nil {
		return nil, failure
	}
	stages := []string{Current}
	if text := c.Params["VersionStages"]; text != "" {
		if json.Unmarshal([]byte(text), &stages) != nil || len(stages) == 0 || slices.ContainsFunc(stages,
			func(stage string) bool { return !label.MatchString(stage) }) {
			return nil, invalid("VersionStages")
		}
	}
	var result []string
	failure = s.edit(c, func(k key, secret *Secret) *alibaba.Error {
		if failure := secret.generic(); failure != nil {
			return failure
		}
		if failure := mayUseKey(c, "kms:GenerateDataKey", k, secret.KeyID); failure != nil {
			return failure
		}
		if old := secret.Version(version.ID); old != nil {
			if old.Data != version.Data || old.DataType != version.DataType {
				return exists()
			}
			result = old.Stages
			return ignored
		}
		secret.put(version, stages)
		if secret.stages() > maxStages {
			return limitExceeded()
		}
		result = secret.Version(version.ID).Stages
		return nil
	})
	return map[string]any{
		"SecretName": s.Resource(c), "VersionId": version.ID, "VersionStages": stageList(result),
	}, failure
}

// versionParams reads what CreateSecret and PutSecretValue say about a new version.
func versionParams(c *cloudapi.Call) (Version, *alibaba.Error) {
	for _, name := range []string{"VersionId", "SecretData"} {
		if c.Params[name] == "" {
			return Version{}, alibaba.Missing(name)
		}
	}
	v := Version{
		ID: c.Params["VersionId"], Data: c.Params["SecretData"],
		DataType: cmp.Or(c.Params["SecretDataType"], "text"), Created: c.Now,
	}
	switch {
	case !label.MatchString(v.ID):
		return v, invalid("VersionId")
	case len(v.Data) > 30720: // documented: 30,720 bytes
		return v, invalid("SecretData")
	case v.DataType != "text" && v.DataType != "binary":
		return v, invalid("SecretDataType")
	}
	return v, nil
}

func (s *Service) updateSecretVersionStage(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	stage, to, from := c.Params["VersionStage"], c.Params["MoveToVersion"], c.Params["RemoveFromVersion"]
	switch {
	case stage == "":
		return nil, alibaba.Missing("VersionStage")
	case !label.MatchString(stage):
		return nil, invalid("VersionStage")
	case to == "" && from == "":
		return nil, alibaba.Missing("MoveToVersion")
	case to == "" && (stage == Current || stage == Previous):
		// These two can be moved, never removed.
		return nil, invalid("VersionStage")
	}
	failure := s.edit(c, func(_ key, secret *Secret) *alibaba.Error {
		if failure := secret.generic(); failure != nil {
			return failure
		}
		if from != "" {
			v := secret.Version(from)
			if v == nil || !slices.Contains(v.Stages, stage) {
				return notFound()
			}
			if to == "" {
				v.drop(stage)
			}
		}
		if to != "" {
			if secret.Version(to) == nil {
				return notFound()
			}
			secret.move(stage, to)
		}
		if secret.stages() > maxStages {
			return limitExceeded()
		}
		return nil
	})
	return map[string]any{"SecretName": s.Resource(c)}, failure
}

func (s *Service) createSecret(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	k, failure := s.named(c)
	if failure != nil {
		return nil, failure
	}
	version, failure := versionParams(c)
	if failure != nil {
		return nil, failure
	}
	secret := Secret{
		Name: k.name, Type: c.Params["SecretType"], Description: c.Params["Description"],
		KeyID: c.Params["EncryptionKeyId"], DKMSInstanceID: c.Params["DKMSInstanceId"],
		ExtendedConfig: c.Params["ExtendedConfig"], Created: c.Now, Tags: map[string]string{},
	}
	secret.withDefaults(c.Now)
	switch {
	case !secretName.MatchString(k.name), secret.Type == Generic && strings.HasPrefix(k.name, "acs/"):
		return nil, invalid("SecretName")
	case !slices.Contains([]string{Generic, "Rds", "RAMCredentials", "ECS", "Redis", "PolarDB"}, secret.Type):
		return nil, invalid("SecretType")
	}
	if failure := rotationParams(c, &secret); failure != nil {
		return nil, failure
	}
	if failure := addTags(secret.Tags, c.Params["Tags"]); failure != nil {
		return nil, failure
	}
	if old := s.live(k, c.Now); old != nil {
		if !old.PlannedDelete.IsZero() {
			return nil, inDeleteWindow()
		}
		return nil, exists()
	}
	if failure := mayUseKey(c, "kms:GenerateDataKey", k, secret.KeyID); failure != nil {
		return nil, failure
	}
	secret.put(version, []string{Current})
	s.timeline(k).Set(&secret, c.Now)
	fields := map[string]any{
		"Arn": k.arn(), "SecretName": k.name, "VersionId": version.ID, "SecretType": secret.Type,
		"DKMSInstanceId": secret.DKMSInstanceID, "ExtendedConfig": secret.ExtendedConfig,
	}
	addRotation(fields, &secret)
	return fields, nil
}

// rotationParams reads KMS's own rotation, which only managed types have, every 6 hours to 8760.
func rotationParams(c *cloudapi.Call, secret *Secret) *alibaba.Error {
	automatic, failure := boolean(c, "EnableAutomaticRotation")
	if failure != nil || !automatic {
		return failure
	}
	if secret.Type == Generic {
		return invalid("EnableAutomaticRotation")
	}
	text := c.Params["RotationInterval"]
	if days, ok := strings.CutSuffix(text, "d"); ok { // the API's day; Go has none
		if n, err := time.ParseDuration(days + "h"); err == nil {
			text = (24 * n).String()
		}
	}
	interval, err := time.ParseDuration(text)
	if err != nil || interval < 6*time.Hour || interval > 8760*time.Hour {
		return invalid("RotationInterval")
	}
	secret.AutomaticRotation, secret.RotationInterval = "Enabled", seconds(interval)
	return nil
}

func (s *Service) updateSecret(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	failure := s.edit(c, func(_ key, secret *Secret) *alibaba.Error {
		if !secret.PlannedDelete.IsZero() {
			return inDeleteWindow()
		}
		if text, ok := c.Params["Description"]; ok {
			secret.Description = text
		}
		if text, ok := c.Params["ExtendedConfig.CustomData"]; ok {
			return secret.setCustomData(text)
		}
		return nil
	})
	return map[string]any{"SecretName": s.Resource(c)}, failure
}

func (s *Secret) setCustomData(text string) *alibaba.Error {
	config := map[string]json.RawMessage{}
	if s.Type == Generic || !json.Valid([]byte(text)) {
		return invalid("ExtendedConfig.CustomData")
	}
	if s.ExtendedConfig != "" && json.Unmarshal([]byte(s.ExtendedConfig), &config) != nil {
		return invalid("ExtendedConfig.CustomData")
	}
	config["CustomData"] = json.RawMessage(text)
	document, err := json.Marshal(config)
	if err != nil {
		return invalid("ExtendedConfig.CustomData")
	}
	s.ExtendedConfig = string(document)
	return nil
}
