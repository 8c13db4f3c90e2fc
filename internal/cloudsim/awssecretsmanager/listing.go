package awssecretsmanager

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"rotor/internal/cloudsim/cloudapi"
)

type filter struct {
	Key    string
	Values []string
}

type listSecretsRequest struct {
	Filters                []filter
	IncludePlannedDeletion bool
	MaxResults             *int
	NextToken              string
	SortOrder, SortBy      string
}

func (s *Service) listSecrets(c *cloudapi.Call, r listSecretsRequest) (any, *failure) {
	if !c.May("secretsmanager:ListSecrets", "*") {
		return nil, denied(c, "secretsmanager:ListSecrets", "*")
	}
	if failure := validFilters(r.Filters); failure != nil {
		return nil, failure
	}
	list := []description{}
	for k, t := range s.secrets {
		secret := t.Read(c)
		if k.account != c.Account || k.region != c.Region || secret == nil || secret.gone(c.Now) ||
			!secret.Deletion.IsZero() && !r.IncludePlannedDeletion {
			continue
		}
		if !slices.ContainsFunc(r.Filters, func(f filter) bool { return !f.matches(secret, c.Region) }) {
			d := s.describe(k, secret)
			d.SecretVersionsToStages = secret.labelled()
			list = append(list, d)
		}
	}
	if failure := sortBy(list, r.SortBy, r.SortOrder); failure != nil {
		return nil, failure
	}
	page, next, failure := paged(list, r.MaxResults, r.NextToken)
	if failure != nil {
		return nil, failure
	}
	return struct {
		SecretList []description
		NextToken  string `json:",omitempty"`
	}{page, next}, nil
}

// sortBy sorts by creation unless asked otherwise; equals by name, so that pages fit together.
func sortBy(list []description, by, order string) *failure {
	dates := map[string]func(description) *float64{
		"":                   func(d description) *float64 { return d.CreatedDate },
		"created-date":       func(d description) *float64 { return d.CreatedDate },
		"last-changed-date":  func(d description) *float64 { return d.LastChangedDate },
		"last-accessed-date": func(d description) *float64 { return d.LastAccessedDate },
		"name":               func(description) *float64 { return nil },
	}
	of, ok := dates[by]
	if !ok || !slices.Contains([]string{"", "asc", "desc"}, order) {
		return fail("ValidationException", "SortBy or SortOrder has no valid value.")
	}
	slices.SortFunc(list, func(a, b description) int {
		n := cmp.Or(cmp.Compare(orZero(of(a)), orZero(of(b))), strings.Compare(a.Name, b.Name))
		if order == "desc" {
			return -n
		}
		return n
	})
	return nil
}

func orZero(f *float64) float64 {
	if f == nil {
		return 0
	}
	return *f
}

func validFilters(filters []filter) *failure {
	keys := []string{"description", "name", "tag-key", "tag-value", "primary-region", "owning-service", "all"}
	if len(filters) > 10 {
		return invalidParameter("There can be 10 filters at most.")
	}
	for _, f := range filters {
		if !slices.Contains(keys, f.Key) {
			return fail("ValidationException", "1 validation error detected: Value at 'filters.member.key' failed to "+
				"satisfy constraint: Member must satisfy enum value set: ["+strings.Join(keys, ", ")+"]")
		}
		if len(f.Values) == 0 || len(f.Values) > 10 {
			return invalidParameter("A filter has 1-10 values.")
		}
	}
	return nil
}

// matches is true when any value fits. A value that starts with ! fits what it does not match.
func (f filter) matches(s *Secret, region string) bool {
	return slices.ContainsFunc(f.Values, func(value string) bool {
		if rest, negated := strings.CutPrefix(value, "!"); negated {
			return !f.fits(s, rest, region)
		}
		return f.fits(s, value, region)
	})
}

func (f filter) fits(s *Secret, value, region string) bool {
	startsWith := func(text string) bool { return strings.HasPrefix(text, value) }
	anyCase := func(text string) bool { return strings.HasPrefix(strings.ToLower(text), strings.ToLower(value)) }
	inDescription := anyCase(s.Description) || slices.ContainsFunc(strings.Fields(s.Description), anyCase)
	tagKey, tagValue := false, false
	for name, v := range s.Tags {
		tagKey, tagValue = tagKey || startsWith(name), tagValue || startsWith(v)
	}
	switch f.Key {
	case "name":
		return startsWith(s.Name)
	case "description":
		return inDescription
	case "tag-key":
		return tagKey
	case "tag-value":
		return tagValue
	case "primary-region":
		return value == region
	case "owning-service":
		return startsWith(s.OwningService)
	default: // all
		return anyCase(s.Name) || inDescription || tagKey || tagValue
	}
}

// paged cuts a page out of a list. The token says where the next one begins.
func paged[T any](list []T, most *int, token string) ([]T, string, *failure) {
	size, from := 100, 0
	if most != nil {
		size = *most
	}
	if size < 1 || size > 100 {
		return nil, "", fail("ValidationException", "1 validation error detected: Value at 'maxResults' failed to satisfy "+
			"constraint: Member must be between 1 and 100")
	}
	if token != "" {
		text, err := base64.StdEncoding.DecodeString(token)
		if err == nil {
			from, err = strconv.Atoi(string(text))
		}
		if err != nil || from < 0 {
			return nil, "", fail("InvalidNextTokenException", "The NextToken value is invalid.")
		}
	}
	from = min(from, len(list))
	to := min(from+size, len(list))
	next := ""
	if to < len(list) {
		next = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(to)))
	}
	return list[from:to], next, nil
}
