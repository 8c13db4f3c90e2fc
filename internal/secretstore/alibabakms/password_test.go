package alibabakms_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/rotation"
	"rotor/internal/secretstore/alibabakms"
)

func TestRandomPassword(t *testing.T) {
	b := start(t, alibabakms.Options{})
	for name, policy := range map[string]rotation.PasswordPolicy{
		"default":        {},
		"digits only":    {ExcludePunctuation: true, ExcludeLowercase: true, ExcludeUppercase: true, Length: 12},
		"few characters": {ExcludeCharacters: "abcdefghijklmnopqrstuvwxyz0", Punctuation: "!?"},
	} {
		t.Run(name, func(t *testing.T) {
			policy.Source = rotation.PasswordSourceStore
			recipe, err := policy.Fit(rotation.PasswordRule{})
			require.NoError(t, err)
			for range 20 {
				password, err := b.RandomPassword(t.Context(), ref, recipe.Length, recipe.Excluded())
				require.NoError(t, err)
				require.True(t, recipe.Fits(password))
			}
		})
	}
	b.cloud.Inject(cloudsim.Fault{Kind: cloudsim.Deny, Action: "GetRandomPassword"})
	_, err := b.RandomPassword(t.Context(), ref, 32, "")
	requireKind(t, err, rotation.Permanent, "Forbidden.NoPermission", "kms:GetRandomPassword on * to the worker's RAM identity")
}
