package alibabakms

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
)

const timeFormat = "2006-01-02T15:04:05Z"

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(timeFormat)
}

func stageList(stages []string) map[string]any {
	if stages == nil {
		stages = []string{}
	}
	return map[string]any{"VersionStage": stages}
}

// visible is the secret that a read sees, which may be an older state of it.
func (s *Service) visible(c *cloudapi.Call) (key, *Secret, *alibaba.Error) {
	k, failure := s.named(c)
	if failure != nil {
		return k, nil, failure
	}
	t := s.secrets[k]
	if t == nil {
		return k, nil, notFound()
	}
	secret := t.Read(c)
	if secret == nil || secret.gone(c.Now) {
		return k, nil, notFound()
	}
	return k, secret, nil
}

func (s *Service) getSecretValue(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	dryRun, failure := boolean(c, "DryRun")
	if failure != nil {
		return nil, failure
	}
	fetchConfig, failure := boolean(c, "FetchExtendedConfig")
	if failure != nil {
		return nil, failure
	}
	k, secret, failure := s.visible(c)
	if failure != nil {
		return nil, failure
	}
	if !secret.PlannedDelete.IsZero() {
		return nil, inDeleteWindow()
	}
	if failure := mayUseKey(c, "kms:Decrypt", k, secret.KeyID); failure != nil {
		return nil, failure
	}
	v := secret.asked(c.Params["VersionId"], c.Params["VersionStage"])
	if v == nil {
		return nil, notFound()
	}
	if dryRun {
		return nil, alibaba.NewError(400, "DryRunOperationError",
			"The request is validated by DryRun flag and should be succeeded without DryRun flag.")
	}
	fields := map[string]any{
		"SecretName": secret.Name, "SecretType": secret.Type, "VersionId": v.ID, "SecretData": v.Data,
		"SecretDataType": v.DataType, "VersionStages": stageList(v.Stages), "CreateTime": stamp(v.Created),
	}
	addRotation(fields, secret)
	if fetchConfig && secret.Type != Generic {
		fields["ExtendedConfig"] = secret.ExtendedConfig
	}
	return fields, nil
}

// asked finds the version that GetSecretValue means; both a version and a stage must agree. Managed secrets ignore
// the version.
func (s *Secret) asked(id, stage string) *Version {
	if s.Type != Generic {
		id = ""
	}
	if id == "" {
		if stage == "" {
			stage = Current
		}
		return s.Holder(stage)
	}
	v := s.Version(id)
	if v != nil && stage != "" && !slices.Contains(v.Stages, stage) {
		return nil
	}
	return v
}

func addRotation(fields map[string]any, s *Secret) {
	fields["AutomaticRotation"] = s.AutomaticRotation
	if s.RotationInterval != "" {
		fields["RotationInterval"] = s.RotationInterval
	}
}

func (s *Service) listSecretVersionIDs(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	deprecated, failure := boolean(c, "IncludeDeprecated")
	if failure != nil {
		return nil, failure
	}
	_, secret, failure := s.visible(c)
	if failure != nil {
		return nil, failure
	}
	list := []map[string]any{}
	for _, v := range secret.Versions {
		if len(v.Stages) == 0 && !deprecated {
			continue
		}
		list = append(list, map[string]any{
			"VersionId": v.ID, "CreateTime": stamp(v.Created), "VersionStages": stageList(v.Stages),
		})
	}
	fields, failure := paged(c, list, "VersionIds", "VersionId")
	if failure == nil {
		fields["SecretName"] = secret.Name
	}
	return fields, failure
}

func (s *Service) describeSecret(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	tags, failure := boolean(c, "FetchTags")
	if failure != nil {
		return nil, failure
	}
	k, secret, failure := s.visible(c)
	if failure != nil {
		return nil, failure
	}
	fields := map[string]any{
		"Arn": k.arn(), "SecretName": secret.Name, "SecretType": secret.Type, "Description": secret.Description,
		"EncryptionKeyId": secret.KeyID, "DKMSInstanceId": secret.DKMSInstanceID,
		"CreateTime": stamp(secret.Created), "UpdateTime": stamp(secret.Updated),
		"PlannedDeleteTime": stamp(secret.PlannedDelete),
	}
	addRotation(fields, secret)
	if secret.ExtendedConfig != "" {
		fields["ExtendedConfig"] = secret.ExtendedConfig
	}
	if tags {
		fields["Tags"] = secret.tagList()
	}
	return fields, nil
}

func (s *Secret) tagList() map[string]any {
	list := []map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(s.Tags)) {
		list = append(list, map[string]string{"TagKey": name, "TagValue": s.Tags[name]})
	}
	return map[string]any{"Tag": list}
}

type filter struct {
	Key    string
	Values []string
}

// matches is true when any of the filter's values fits: names and descriptions by their beginning, tags exactly.
func (f filter) matches(s *Secret) bool {
	return slices.ContainsFunc(f.Values, func(value string) bool {
		switch f.Key {
		case "SecretName":
			return strings.HasPrefix(s.Name, value)
		case "Description":
			return strings.HasPrefix(s.Description, value)
		case "TagKey":
			_, ok := s.Tags[value]
			return ok
		default:
			return slices.Contains(slices.Collect(maps.Values(s.Tags)), value)
		}
	})
}

func parseFilters(text string) ([]filter, *alibaba.Error) {
	if text == "" {
		return nil, nil
	}
	var filters []filter
	if json.Unmarshal([]byte(text), &filters) != nil {
		return nil, invalid("Filters")
	}
	keys := []string{"SecretName", "Description", "TagKey", "TagValue"}
	for _, f := range filters {
		if !slices.Contains(keys, f.Key) || len(f.Values) == 0 || len(f.Values) > 10 {
			return nil, invalid("Filters")
		}
	}
	return filters, nil
}

func (s *Service) listSecrets(c *cloudapi.Call) (map[string]any, *alibaba.Error) {
	tags, failure := boolean(c, "FetchTags")
	if failure != nil {
		return nil, failure
	}
	filters, failure := parseFilters(c.Params["Filters"])
	if failure != nil {
		return nil, failure
	}
	var found []*Secret
	for k, t := range s.secrets {
		secret := t.Read(c)
		if k.account != c.Account || k.region != c.Region || secret == nil || secret.gone(c.Now) {
			continue
		}
		if !slices.ContainsFunc(filters, func(f filter) bool { return !f.matches(secret) }) {
			found = append(found, secret)
		}
	}
	slices.SortFunc(found, func(a, b *Secret) int { return strings.Compare(a.Name, b.Name) })
	list := make([]map[string]any, 0, len(found))
	for _, secret := range found {
		entry := map[string]any{
			"SecretName": secret.Name, "SecretType": secret.Type, "CreateTime": stamp(secret.Created),
			"UpdateTime": stamp(secret.Updated), "PlannedDeleteTime": stamp(secret.PlannedDelete),
		}
		if tags {
			entry["Tags"] = secret.tagList()
		}
		list = append(list, entry)
	}
	return paged(c, list, "SecretList", "Secret")
}

// paged cuts a page out of a list, wrapped as outer{inner[]}.
func paged(c *cloudapi.Call, list []map[string]any, outer, inner string) (map[string]any, *alibaba.Error) {
	number, failure := integer(c, "PageNumber", 1, 1, 1<<30)
	if failure != nil {
		return nil, failure
	}
	size, failure := integer(c, "PageSize", 10, 1, 100)
	if failure != nil {
		return nil, failure
	}
	from := min((number-1)*size, len(list))
	return map[string]any{
		outer:        map[string]any{inner: list[from:min(from+size, len(list))]},
		"PageNumber": number, "PageSize": size, "TotalCount": len(list),
	}, nil
}

func integer(c *cloudapi.Call, name string, absent, least, most int) (int, *alibaba.Error) {
	text := c.Params[name]
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, invalid(name)
	}
	return n, nil
}

func boolean(c *cloudapi.Call, name string) (bool, *alibaba.Error) {
	switch c.Params[name] {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, invalid(name)
	}
}
