package awssecretsmanager

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

var _ secretstore.PasswordMaker = (*Store)(nil)

// RandomPassword implements secretstore.PasswordMaker. Kinds of characters that are excluded altogether are excluded as
// such: Secrets Manager demands one of every other.
func (s *Store) RandomPassword(ctx context.Context, secret secretstore.Ref, length int, exclude string) (rotation.Secret, error) {
	a := attempt{doing: "make a password for", action: actionRandomPassword, ref: secret}
	var out *secretsmanager.GetRandomPasswordOutput
	kinds := rotation.ExcludedKinds(exclude)
	err := s.do(ctx, a, func(ctx context.Context, c *secretsmanager.Client, _ *string) (err error) {
		out, err = c.GetRandomPassword(ctx, &secretsmanager.GetRandomPasswordInput{
			PasswordLength: aws.Int64(int64(length)), ExcludeCharacters: aws.String(exclude), ExcludeLowercase: aws.Bool(kinds.Lowercase),
			ExcludeUppercase: aws.Bool(kinds.Uppercase), ExcludeNumbers: aws.Bool(kinds.Numbers), ExcludePunctuation: aws.Bool(kinds.Punctuation),
		})
		return err
	})
	switch {
	case err != nil:
		return rotation.Secret{}, err
	case strings.TrimSpace(aws.ToString(out.RandomPassword)) == "":
		return rotation.Secret{}, a.unreadable()
	}
	return rotation.NewSecret(*out.RandomPassword), nil
}
