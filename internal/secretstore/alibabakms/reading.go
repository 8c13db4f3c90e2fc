package alibabakms

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/wire"
)

// Stages in KMS's spelling.
const (
	stageCurrent  = "ACSCurrent"
	stagePending  = "ACSPending"
	stagePrevious = "ACSPrevious"
)

var stages = map[string]rotation.Stage{
	stageCurrent: rotation.Current, stagePending: rotation.Pending, stagePrevious: rotation.Previous,
}

// What a rotation can handle of GetSecretValue's types.
const (
	typeGeneric = "Generic"
	dataText    = "text"
)

const (
	// pageSize is the documented default, so it is allowed for certain; a secret has 10 versions at most.
	pageSize = 20
	// maxPages ends the reading of an endpoint whose pages never end.
	maxPages = 50
)

// Staged implements secretstore.Store. The one list of KMS has all versions and their stages.
func (s *Store) Staged(ctx context.Context, ref secretstore.Ref) (rotation.Versions, error) {
	return s.Versions(ctx, ref)
}

// Versions implements secretstore.Store. The list does not say what type the secret is of; reading a value does.
func (s *Store) Versions(ctx context.Context, ref secretstore.Ref) (rotation.Versions, error) {
	a := attempt{doing: "list the versions of", action: "ListSecretVersionIds", ref: ref}
	listed := listing{seen: map[string]bool{}}
	for page := 1; page <= maxPages; page++ {
		request := kms.CreateListSecretVersionIdsRequest()
		request.SecretName, request.IncludeDeprecated = ref.Name, "true"
		request.PageNumber, request.PageSize = requests.NewInteger(page), requests.NewInteger(pageSize)
		response := kms.CreateListSecretVersionIdsResponse()
		if _, err := s.do(ctx, call{attempt: a, request: request, response: response}); err != nil {
			return nil, err
		}
		if !listed.add(response) {
			return nil, a.unreadable()
		}
		if listed.complete(response) {
			if len(listed.versions) < listed.total {
				return nil, a.failed(rotation.Retryable, "the list changed while it was read")
			}
			listed.versions.SortNewestFirst()
			return listed.versions, nil
		}
	}
	return nil, a.unreadable()
}

// listing puts pages together.
type listing struct {
	versions rotation.Versions
	seen     map[string]bool
	// total is the largest count that an answer gave. Of older versions of the API it is the page's, of newer ones the list's.
	total int
}

// add takes a page. A version that moves to the next page while the list is read is seen twice, and counts once.
func (l *listing) add(page *kms.ListSecretVersionIdsResponse) bool {
	l.total = max(l.total, page.TotalCount)
	for _, v := range page.VersionIds.VersionId {
		created, err := time.Parse(time.RFC3339, v.CreateTime)
		if err != nil || v.VersionId == "" {
			return false
		}
		if l.seen[v.VersionId] {
			continue
		}
		l.seen[v.VersionId] = true
		version := rotation.Version{ID: v.VersionId, Created: created}
		for _, label := range v.VersionStages.VersionStage {
			if stage, known := stages[label]; known {
				version.Stages = append(version.Stages, stage)
			} else {
				version.Labels = append(version.Labels, label)
			}
		}
		l.versions = append(l.versions, version)
	}
	return true
}

// complete says whether no page follows: the page is not full, by the size that was asked for or a smaller one that KMS
// says it used.
func (l *listing) complete(page *kms.ListSecretVersionIdsResponse) bool {
	size := pageSize
	if page.PageSize > 0 && page.PageSize < size {
		size = page.PageSize
	}
	return len(page.VersionIds.VersionId) < size
}

// ReadCurrent implements secretstore.Store.
func (s *Store) ReadCurrent(ctx context.Context, ref secretstore.Ref) (secretstore.Value, error) {
	request := kms.CreateGetSecretValueRequest()
	request.VersionStage = stageCurrent
	return s.read(ctx, attempt{doing: "read the current version of", action: "GetSecretValue", ref: ref}, request)
}

// Read implements secretstore.Store. A version that is not there is retryable: one that was just written may not be
// visible yet, and KMS's code does not tell the two apart.
func (s *Store) Read(ctx context.Context, ref secretstore.Ref, version string) (secretstore.Value, error) {
	a := attempt{doing: fmt.Sprintf("read version %s of", version), action: "GetSecretValue", ref: ref, version: version}
	if version == "" {
		return secretstore.Value{}, a.failed(rotation.Permanent, "no version was named")
	}
	request := kms.CreateGetSecretValueRequest()
	request.VersionId = version
	return s.read(ctx, a, request)
}

func (s *Store) read(ctx context.Context, a attempt, request *kms.GetSecretValueRequest) (secretstore.Value, error) {
	request.SecretName = a.ref.Name
	response := kms.CreateGetSecretValueResponse()
	data, err := s.do(ctx, call{attempt: a, request: request, response: response, gets: parameterData})
	if err != nil {
		return secretstore.Value{}, err
	}
	switch {
	case response.SecretType != typeGeneric && response.SecretType != "":
		return secretstore.Value{}, a.failed(rotation.Permanent, fmt.Sprintf("it is of type %s, and only those of type Generic are rotated "+
			"here; KMS rotates the others itself: use its automatic rotation, or make a generic secret", word(response.SecretType))).Found(rotation.FindingType)
	case response.SecretDataType != dataText && response.SecretDataType != "":
		return secretstore.Value{}, a.failed(rotation.Permanent, fmt.Sprintf("its value is of type %s, not text; store the document as text",
			word(response.SecretDataType))).Found(rotation.FindingType)
	}
	created, err := time.Parse(time.RFC3339, response.CreateTime)
	if err != nil || response.SecretType == "" || response.SecretDataType == "" || response.VersionId == "" ||
		a.version != "" && response.VersionId != a.version {
		return secretstore.Value{}, a.unreadable()
	}
	return secretstore.Value{Version: response.VersionId, Data: data, Created: created}, nil
}

var wordForm = regexp.MustCompile(`^[A-Za-z]{1,32}$`)

// word lets a type through if it looks like one.
func word(s string) string {
	if !wordForm.MatchString(s) {
		return "unknown"
	}
	return s
}

// unreadable is the error of an answer that has the form of KMS's but not what it should hold.
func (a attempt) unreadable() *rotation.Error {
	what := "the answer is not understood; is the endpoint KMS's?"
	if a.writes {
		what += wire.FateUnknown
	}
	failed := a.failed(rotation.Retryable, what).WithCode("malformed")
	failed.Unanswered = a.writes
	return failed
}
