package awssecretsmanager

import (
	"maps"
	"slices"
	"time"

	"rotor/internal/cloudsim/cloudapi"
)

// epoch is a time as the JSON protocol writes it: seconds, with milliseconds as a fraction.
func epoch(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// date is epoch for times that are left out when they are not set.
func date(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	e := epoch(t)
	return &e
}

type tag struct{ Key, Value string }

type rotationRules struct {
	AutomaticallyAfterDays int64  `json:",omitempty"`
	Duration               string `json:",omitempty"`
	ScheduleExpression     string `json:",omitempty"`
}

// description is what DescribeSecret and ListSecrets tell of a secret; only what is set.
type description struct {
	ARN, Name          string
	Description        string              `json:",omitempty"`
	KmsKeyId           string              `json:",omitempty"`
	RotationEnabled    *bool               `json:",omitempty"`
	RotationLambdaARN  string              `json:",omitempty"`
	RotationRules      *rotationRules      `json:",omitempty"`
	OwningService      string              `json:",omitempty"`
	CreatedDate        *float64            `json:",omitempty"`
	LastChangedDate    *float64            `json:",omitempty"`
	LastAccessedDate   *float64            `json:",omitempty"`
	LastRotatedDate    *float64            `json:",omitempty"`
	NextRotationDate   *float64            `json:",omitempty"`
	DeletedDate        *float64            `json:",omitempty"`
	Tags               []tag               `json:",omitempty"`
	VersionIdsToStages map[string][]string `json:",omitempty"`
	// ListSecrets has another name for it.
	SecretVersionsToStages map[string][]string `json:",omitempty"`
}

func (s *Service) describe(k key, secret *Secret) description {
	d := description{
		ARN: k.arn(secret), Name: k.name, Description: secret.Description, KmsKeyId: secret.KeyID,
		OwningService: secret.OwningService, CreatedDate: date(secret.Created), LastChangedDate: date(secret.Changed),
		LastRotatedDate: date(secret.Rotated), DeletedDate: date(secret.Deletion), Tags: tagList(secret.Tags),
	}
	if at, ok := s.accessed[k]; ok {
		// Only the day is told.
		d.LastAccessedDate = date(at.UTC().Truncate(24 * time.Hour))
	}
	if rotation := secret.Rotation; rotation != nil {
		d.RotationEnabled, d.RotationLambdaARN = &rotation.Enabled, rotation.LambdaARN
		d.RotationRules = &rotationRules{rotation.AfterDays, rotation.Duration, rotation.ScheduleExpression}
		if rotation.Enabled && rotation.AfterDays > 0 {
			last := secret.Rotated
			if last.IsZero() {
				last = secret.Created
			}
			d.NextRotationDate = date(last.AddDate(0, 0, int(rotation.AfterDays)))
		}
	}
	return d
}

func tagList(tags map[string]string) []tag {
	var list []tag
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, tag{name, tags[name]})
	}
	return list
}

// labelled maps versions to their stages; versions without any are left out.
func (s *Secret) labelled() map[string][]string {
	m := map[string][]string{}
	for _, v := range s.Versions {
		if len(v.Stages) > 0 {
			m[v.ID] = v.Stages
		}
	}
	return m
}

type secretID struct{ SecretId string }

func (s *Service) describeSecret(c *cloudapi.Call, r secretID) (any, *failure) {
	k, secret, failure := s.visible(c, r.SecretId)
	if failure != nil {
		return nil, failure
	}
	d := s.describe(k, secret)
	d.VersionIdsToStages = secret.labelled()
	return d, nil
}

type listVersionsRequest struct {
	SecretId          string
	IncludeDeprecated bool
	MaxResults        *int
	NextToken         string
}

type versionEntry struct {
	VersionId     string
	VersionStages []string `json:",omitempty"`
	CreatedDate   float64
}

func (s *Service) listSecretVersionIDs(c *cloudapi.Call, r listVersionsRequest) (any, *failure) {
	k, secret, failure := s.visible(c, r.SecretId)
	if failure != nil {
		return nil, failure
	}
	list := []versionEntry{}
	for _, v := range secret.Versions {
		if len(v.Stages) > 0 || r.IncludeDeprecated {
			list = append(list, versionEntry{v.ID, v.Stages, epoch(v.Created)})
		}
	}
	page, next, failure := paged(list, r.MaxResults, r.NextToken)
	if failure != nil {
		return nil, failure
	}
	return struct {
		ARN, Name string
		Versions  []versionEntry
		NextToken string `json:",omitempty"`
	}{k.arn(secret), k.name, page, next}, nil
}
