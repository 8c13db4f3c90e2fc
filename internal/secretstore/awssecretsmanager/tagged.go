package awssecretsmanager

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

const actionListSecrets = "ListSecrets"

// Tagged implements secretstore.Store. Secrets Manager's list may be five minutes old.
func (s *Store) Tagged(ctx context.Context, region string, tags map[string]string, after string) (secretstore.Tagged, error) {
	a := attempt{doing: "list the secrets", action: actionListSecrets, ref: secretstore.Ref{Region: region}}
	if len(tags) == 0 {
		return secretstore.Tagged{}, a.failed(rotation.Permanent, "no tags")
	}
	in := &secretsmanager.ListSecretsInput{MaxResults: aws.Int32(pageSize), Filters: filters(tags)}
	if after != "" {
		in.NextToken = aws.String(after)
	}
	var page *secretsmanager.ListSecretsOutput
	err := s.do(ctx, a, func(ctx context.Context, c *secretsmanager.Client, _ *string) (err error) {
		page, err = c.ListSecrets(ctx, in)
		return err
	})
	if err != nil {
		return secretstore.Tagged{}, err
	}
	found := secretstore.Tagged{Next: aws.ToString(page.NextToken)}
	for _, secret := range page.SecretList {
		has := map[string]string{}
		for _, tag := range secret.Tags {
			has[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
		}
		switch name := aws.ToString(secret.Name); {
		case name == "":
			return secretstore.Tagged{}, a.unreadable()
		case secret.DeletedDate == nil && secretstore.Bears(has, tags):
			found.Names = append(found.Names, name)
		}
	}
	return found, nil
}

// mostFilters is how many a request may have.
const mostFilters = 10

// filters have Secrets Manager leave out most of what is not wanted: it looks at beginnings, and at keys and values apart.
func filters(tags map[string]string) (list []types.Filter) {
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, types.Filter{Key: types.FilterNameStringTypeTagKey, Values: []string{key}})
		if value := tags[key]; value != "" {
			list = append(list, types.Filter{Key: types.FilterNameStringTypeTagValue, Values: []string{value}})
		}
	}
	return list[:min(len(list), mostFilters)]
}
