package alibabakms

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

const (
	actionListSecrets = "ListSecrets"
	// secretsOfPage is the most that KMS gives at once.
	secretsOfPage = 100
	// mostFiltered is how many secrets a filter by tags finds at most, as documented. Of a list that is as long as that nobody knows how long it is.
	mostFiltered = 4000
)

// place is where a page of the list begins. KMS counts pages, so a secret that comes or goes meanwhile moves those after it: a list whose length changes
// may have left one out.
type place struct {
	// all: of the list of all secrets, because the one of a filter is too short.
	all         bool
	page, total int
}

func (p place) String() string { return fmt.Sprintf("%t %d %d", p.all, p.page, p.total) }

func parsePlace(text string) (p place, ok bool) {
	if text == "" {
		return place{page: 1}, true
	}
	n, err := fmt.Sscanf(text, "%t %d %d", &p.all, &p.page, &p.total)
	return p, err == nil && n == 3 && p.page > 0
}

// Tagged implements secretstore.Store. KMS is asked for those that have one of the keys, with all of their tags: that values and further keys of a filter
// are all demanded is not documented.
func (s *Store) Tagged(ctx context.Context, region string, tags map[string]string, after string) (secretstore.Tagged, error) {
	a := attempt{doing: "list the secrets", action: actionListSecrets, ref: secretstore.Ref{Region: region}}
	from, ok := parsePlace(after)
	if !ok || len(tags) == 0 {
		return secretstore.Tagged{}, a.failed(rotation.Permanent, "no tags, or no place in the list")
	}
	key := slices.Sorted(maps.Keys(tags))[0]
	page, err := s.secretsOf(ctx, a, from, key)
	if err != nil {
		return secretstore.Tagged{}, err
	}
	if !from.all && page.TotalCount >= mostFiltered {
		from = place{all: true, page: 1}
		if page, err = s.secretsOf(ctx, a, from, key); err != nil {
			return secretstore.Tagged{}, err
		}
	}
	if from.page > 1 && page.TotalCount != from.total {
		return secretstore.Tagged{}, a.failed(rotation.Conflict, "the list changed while it was read, so that a secret may be missing; list anew")
	}
	var found secretstore.Tagged
	for _, secret := range page.SecretList.Secret {
		has := map[string]string{}
		for _, tag := range secret.Tags.Tag {
			has[tag.TagKey] = tag.TagValue
		}
		switch {
		case secret.SecretName == "":
			return secretstore.Tagged{}, a.unreadable()
		case secret.PlannedDeleteTime == "" && secretstore.Bears(has, tags):
			found.Names = append(found.Names, secret.SecretName)
		}
	}
	if from.page*secretsOfPage < page.TotalCount {
		if len(page.SecretList.Secret) == 0 {
			return secretstore.Tagged{}, a.unreadable()
		}
		found.Next = place{all: from.all, page: from.page + 1, total: page.TotalCount}.String()
	}
	return found, nil
}

// secretsOf gives a page of the secrets that have a tag with the key, or of all.
func (s *Store) secretsOf(ctx context.Context, a attempt, at place, key string) (*kms.ListSecretsResponse, error) {
	request := kms.CreateListSecretsRequest()
	request.FetchTags = "true"
	request.PageNumber, request.PageSize = requests.NewInteger(at.page), requests.NewInteger(secretsOfPage)
	if !at.all {
		filter, err := json.Marshal([]map[string]any{{"Key": "TagKey", "Values": []string{key}}})
		if err != nil {
			return nil, a.failed(rotation.Permanent, "the tag can't be written as JSON")
		}
		request.Filters = string(filter)
	}
	response := kms.CreateListSecretsResponse()
	_, err := s.do(ctx, call{attempt: a, request: request, response: response})
	return response, err
}
