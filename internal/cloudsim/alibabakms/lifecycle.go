package alibabakms

import (
	"encoding/json"
	"strconv"
	"time"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
)

func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second)) + "s" }

func (s *Service) deleteSecret(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	force, failure := boolean(c, "ForceDeleteWithoutRecovery")
	if failure != nil {
		return nil, failure
	}
	days, failure := integer(c, "RecoveryWindowInDays", 30, 7, 30)
	if failure != nil {
		return nil, failure
	}
	if force && c.Params["RecoveryWindowInDays"] != "" {
		return nil, invalid("RecoveryWindowInDays")
	}
	fields := map[string]any{"SecretName": s.Resource(c)}
	failure = s.edit(c, func(_ key, secret *Secret) *alibaba.Error {
		if force {
			secret.PlannedDelete = c.Now
			return nil
		}
		if !secret.PlannedDelete.IsZero() {
			return inDeleteWindow()
		}
		secret.PlannedDelete = c.Now.AddDate(0, 0, days)
		fields["PlannedDeleteTime"] = stamp(secret.PlannedDelete)
		return nil
	})
	return fields, failure
}

func (s *Service) restoreSecret(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	failure := s.edit(c, func(_ key, secret *Secret) *alibaba.Error {
		secret.PlannedDelete = time.Time{}
		return nil
	})
	return map[string]any{"SecretName": s.Resource(c)}, failure
}

func (s *Service) tagResource(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	if c.Params["Tags"] == "" {
		return nil, alibaba.Missing("Tags")
	}
	return nil, s.edit(c, func(_ key, secret *Secret) *alibaba.Error {
		if secret.Tags == nil {
			secret.Tags = map[string]string{}
		}
		return addTags(secret.Tags, c.Params["Tags"])
	})
}

func (s *Service) untagResource(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	var names []string
	if c.Params["TagKeys"] == "" {
		return nil, alibaba.Missing("TagKeys")
	}
	if json.Unmarshal([]byte(c.Params["TagKeys"]), &names) != nil {
		return nil, invalid("TagKeys")
	}
	return nil, s.edit(c, func(_ key, secret *Secret) *alibaba.Error {
		for _, name := range names {
			delete(secret.Tags, name)
		}
		return nil
	})
}

// addTags reads the JSON list of tags that CreateSecret and TagResource take.
func addTags(tags map[string]string, text string) *alibaba.Error {
	if text == "" {
		return nil
	}
	var list []struct{ TagKey, TagValue string }
	if json.Unmarshal([]byte(text), &list) != nil {
		return invalid("Tags")
	}
	for _, tag := range list {
		if tag.TagKey == "" {
			return invalid("Tags")
		}
		tags[tag.TagKey] = tag.TagValue
	}
	return nil
}
