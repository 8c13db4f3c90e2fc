package awssecretsmanager

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// Stages in Secrets Manager's spelling.
const (
	stageCurrent  = "AWSCURRENT"
	stagePending  = "AWSPENDING"
	stagePrevious = "AWSPREVIOUS"
)

var stages = map[string]rotation.Stage{
	stageCurrent: rotation.Current, stagePending: rotation.Pending, stagePrevious: rotation.Previous,
}

const (
	pageSize = 100
	// maxPages ends the reading of an endpoint whose pages never end.
	maxPages = 50
	// settling is after how long a value that can't be found is not merely late.
	settling = time.Minute
)

// Versions implements secretstore.Store. Labels are taken from one answer, which has all of them as they were at one
// moment; the list, which has the versions without labels and the times, comes page by page. Where the two differ, one of them
// lags behind, and neither says what is so: a label that is not seen yet would look like one that somebody took off.
func (s *Store) Versions(ctx context.Context, ref secretstore.Ref) (rotation.Versions, error) {
	description, err := s.describe(ctx, ref)
	if err != nil {
		return nil, err
	}
	versions, listed, err := s.list(ctx, ref)
	if err != nil {
		return nil, err
	}
	found := 0
	for i := range versions {
		labels, labelled := description.VersionIdsToStages[versions[i].ID]
		if labelled {
			found++
		}
		if !sameLabels(labels, listed[versions[i].ID]) {
			return nil, listing(ref).failed(rotation.Retryable, "the list and the description of the secret differ about the labels of a version (yet)")
		}
		label(&versions[i], labels)
	}
	if found < len(description.VersionIdsToStages) {
		return nil, listing(ref).failed(rotation.Retryable, "a version that carries a label is not in the list (yet)")
	}
	versions.SortNewestFirst()
	return versions, nil
}

// Staged implements secretstore.Store: the description has the labels.
func (s *Store) Staged(ctx context.Context, ref secretstore.Ref) (rotation.Versions, error) {
	description, err := s.describe(ctx, ref)
	if err != nil {
		return nil, err
	}
	var versions rotation.Versions
	for _, id := range slices.Sorted(maps.Keys(description.VersionIdsToStages)) {
		v := rotation.Version{ID: id}
		label(&v, description.VersionIdsToStages[id])
		versions = append(versions, v)
	}
	return versions, nil
}

// label gives a version what stands on it.
func label(v *rotation.Version, labels []string) {
	for _, l := range labels {
		if stage, known := stages[l]; known {
			v.Stages = append(v.Stages, stage)
		} else {
			v.Labels = append(v.Labels, l)
		}
	}
}

func sameLabels(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func listing(ref secretstore.Ref) attempt {
	return attempt{doing: "list the versions of", action: "ListSecretVersionIds", ref: ref}
}

// list gives the versions, and the labels that the list has of each.
func (s *Store) list(ctx context.Context, ref secretstore.Ref) (rotation.Versions, map[string][]string, error) {
	a, labels := listing(ref), map[string][]string{}
	var versions rotation.Versions
	var next *string
	for range maxPages {
		var page *secretsmanager.ListSecretVersionIdsOutput
		err := s.do(ctx, a, func(ctx context.Context, c *secretsmanager.Client, id *string) (err error) {
			page, err = c.ListSecretVersionIds(ctx, &secretsmanager.ListSecretVersionIdsInput{
				SecretId: id, IncludeDeprecated: aws.Bool(true), MaxResults: aws.Int32(pageSize), NextToken: next,
			})
			return err
		})
		if err != nil {
			return nil, nil, err
		}
		if page.ARN == nil {
			return nil, nil, a.unreadable()
		}
		for _, v := range page.Versions {
			if aws.ToString(v.VersionId) == "" || v.CreatedDate == nil {
				return nil, nil, a.unreadable()
			}
			if _, twice := versions.Find(*v.VersionId); !twice {
				versions = append(versions, rotation.Version{ID: *v.VersionId, Created: *v.CreatedDate})
				labels[*v.VersionId] = v.VersionStages
			}
		}
		if next = page.NextToken; aws.ToString(next) == "" {
			return versions, labels, nil
		}
	}
	return nil, nil, a.unreadable()
}

// describe looks at the secret and refuses one that is not to be rotated here.
func (s *Store) describe(ctx context.Context, ref secretstore.Ref) (*secretsmanager.DescribeSecretOutput, error) {
	a := attempt{doing: "describe", action: "DescribeSecret", ref: ref}
	var description *secretsmanager.DescribeSecretOutput
	err := s.do(ctx, a, func(ctx context.Context, c *secretsmanager.Client, id *string) (err error) {
		description, err = c.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: id})
		return err
	})
	if err != nil {
		return nil, err
	}
	if description.ARN == nil {
		return nil, a.unreadable()
	}
	if err := a.another(*description.ARN); err != nil {
		return nil, err
	}
	if finding, reason, do := refusal(ref, description); reason != "" {
		refused := rotation.Errorf(rotation.Permanent, "secret %s in %s can't be rotated here: %s", ref.Name, regionOf(ref), reason).Advise("%s", do).Found(finding)
		refused.Gone = description.DeletedDate != nil
		return nil, refused
	}
	return description, nil
}

// Forms of what a description says and an error repeats.
var (
	serviceForm  = regexp.MustCompile(`^[a-z0-9.-]{1,64}$`)
	functionForm = regexp.MustCompile(`^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]+:function:[A-Za-z0-9_:$-]{1,170}$`)
)

func ifForm(form *regexp.Regexp, s, otherwise string) string {
	if form.MatchString(s) {
		return s
	}
	return otherwise
}

// refusal says why a secret is not to be rotated here, and how it could be; "" if it is.
func refusal(ref secretstore.Ref, d *secretsmanager.DescribeSecretOutput) (finding, reason, do string) {
	region := regionOf(ref)
	switch {
	case d.DeletedDate != nil:
		return rotation.FindingDeleted, "it is scheduled for deletion", "restore it (RestoreSecret) if it is still needed"
	case aws.ToString(d.OwningService) != "":
		return rotation.FindingOwned, fmt.Sprintf("it is managed by %s, which rotates it itself", ifForm(serviceForm, *d.OwningService, "an AWS service")),
			"for accounts of your own, make a secret of your own"
	case aws.ToBool(d.RotationEnabled):
		by := ""
		if d.RotationLambdaARN != nil {
			by = " with " + ifForm(functionForm, *d.RotationLambdaARN, "a Lambda function")
		}
		return rotation.FindingOtherRotator, fmt.Sprintf("Secrets Manager rotates it%s, and two rotators would take it from each other", by),
			fmt.Sprintf("hand it over with: aws secretsmanager cancel-rotate-secret --region %s --secret-id %s", region, ref.Name)
	case aws.ToString(d.PrimaryRegion) != "" && *d.PrimaryRegion != region:
		return rotation.FindingReplicaSecret, "it is a replica", "rotate the one in " + ifForm(regionForm, *d.PrimaryRegion, "its primary region")
	}
	return "", "", ""
}

// ReadCurrent implements secretstore.Store. It refuses nothing that Versions refuses: an admin secret may be AWS's own.
func (s *Store) ReadCurrent(ctx context.Context, ref secretstore.Ref) (secretstore.Value, error) {
	a := attempt{doing: "read the current version of", action: "GetSecretValue", ref: ref}
	return s.read(ctx, a, secretsmanager.GetSecretValueInput{VersionStage: aws.String(stageCurrent)})
}

// Read implements secretstore.Store. A version that is not there is retryable: one that was just written may not be
// visible yet, and the code does not tell the two apart. One that has been there for a while without a value (RotateSecret
// leaves such placeholders) is permanent.
func (s *Store) Read(ctx context.Context, ref secretstore.Ref, version string) (secretstore.Value, error) {
	a := attempt{doing: fmt.Sprintf("read version %s of", version), action: "GetSecretValue", ref: ref, version: version}
	if version == "" {
		return secretstore.Value{}, a.failed(rotation.Permanent, "no version was named")
	}
	value, err := s.read(ctx, a, secretsmanager.GetSecretValueInput{VersionId: aws.String(version)})
	if err == nil || rotation.CodeOf(err) != codeNotFound {
		return value, err
	}
	versions, _, listErr := s.list(ctx, ref)
	if listErr != nil {
		return secretstore.Value{}, listErr
	}
	if v, exists := versions.Find(version); exists && time.Since(v.Created) > settling {
		return secretstore.Value{}, a.failed(rotation.Permanent, "the version has no value; RotateSecret leaves such versions behind").WithCode(codeNotFound)
	}
	return secretstore.Value{}, err
}

func (s *Store) read(ctx context.Context, a attempt, in secretsmanager.GetSecretValueInput) (secretstore.Value, error) {
	var out *secretsmanager.GetSecretValueOutput
	err := s.do(ctx, a, func(ctx context.Context, c *secretsmanager.Client, id *string) (err error) {
		in.SecretId = id
		out, err = c.GetSecretValue(ctx, &in)
		return err
	})
	switch {
	case err != nil:
		return secretstore.Value{}, s.explain(ctx, a, err)
	case a.another(aws.ToString(out.ARN)) != nil:
		return secretstore.Value{}, a.another(aws.ToString(out.ARN))
	case out.SecretString == nil && out.SecretBinary != nil:
		return secretstore.Value{}, a.failed(rotation.Permanent, "its value is binary (SecretBinary), not text; store the document as SecretString").Found(rotation.FindingType)
	case out.SecretString == nil, out.CreatedDate == nil, aws.ToString(out.VersionId) == "", a.version != "" && *out.VersionId != a.version:
		return secretstore.Value{}, a.unreadable()
	}
	return secretstore.Value{Version: *out.VersionId, Data: rotation.NewSecret(*out.SecretString), Created: *out.CreatedDate}, nil
}

// explain finds out what InvalidRequestException is about: its text says so, but may not be repeated.
func (s *Store) explain(ctx context.Context, a attempt, err error) error {
	if rotation.CodeOf(err) != codeInvalidRequest {
		return err
	}
	if _, refused := s.describe(ctx, a.ref); refused != nil && rotation.KindOf(refused) == rotation.Permanent && rotation.CodeOf(refused) == "" {
		return refused
	}
	return err
}
