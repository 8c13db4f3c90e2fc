package alibabakms

import (
	"context"
	"strconv"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

var _ secretstore.PasswordMaker = (*Store)(nil)

// RandomPassword implements secretstore.PasswordMaker. KMS makes passwords of 8 to 128 characters; kinds of characters that are
// excluded altogether are excluded as such, because it demands one of every other.
func (s *Store) RandomPassword(ctx context.Context, secret secretstore.Ref, length int, exclude string) (rotation.Secret, error) {
	a := attempt{doing: "make a password for", action: actionRandomPassword, ref: secret}
	request, kinds := kms.CreateGetRandomPasswordRequest(), rotation.ExcludedKinds(exclude)
	request.PasswordLength, request.ExcludeCharacters = strconv.Itoa(length), exclude
	request.ExcludeLowercase, request.ExcludeUppercase = strconv.FormatBool(kinds.Lowercase), strconv.FormatBool(kinds.Uppercase)
	request.ExcludeNumbers, request.ExcludePunctuation = strconv.FormatBool(kinds.Numbers), strconv.FormatBool(kinds.Punctuation)
	password, err := s.do(ctx, call{attempt: a, request: request, response: kms.CreateGetRandomPasswordResponse(), gets: "RandomPassword"})
	if err == nil && password.Empty() {
		err = a.failed(rotation.Retryable, "KMS's answer has no password in it")
	}
	return password, err
}
