package rotation_test

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
)

// apsaraRule is what ApsaraDB RDS takes; mediumRule what validate_password's default wants.
var (
	apsaraRule = rotation.PasswordRule{MinLength: 8, MaxLength: 32, Classes: 3, Punctuation: "!@#$%^&*()_+-="}
	mediumRule = rotation.PasswordRule{MinLength: 8, Lower: 1, Upper: 1, Digits: 1, Special: 1}
)

func TestPasswordsFitPolicyAndTarget(t *testing.T) {
	for name, test := range map[string]struct {
		policy  rotation.PasswordPolicy
		rule    rotation.PasswordRule
		length  int
		only    string // every character is one of these
		problem string
	}{
		"nothing said":                {length: 32, only: letters + numbers + "-_"},
		"apsara":                      {rule: apsaraRule, length: 32, only: letters + numbers + "-_"},
		"validate_password":           {rule: mediumRule, length: 32, only: letters + numbers + "-_"},
		"a long one":                  {policy: rotation.PasswordPolicy{Length: 64}, length: 64, only: letters + numbers + "-_"},
		"too long for the target":     {policy: rotation.PasswordPolicy{Length: 64}, rule: apsaraRule, problem: "Password.Length"},
		"too short for the target":    {policy: rotation.PasswordPolicy{Length: 8}, rule: rotation.PasswordRule{MinLength: 20}, problem: "Password.Length"},
		"the target wants long ones":  {rule: rotation.PasswordRule{MinLength: 50}, length: 50, only: letters + numbers + "-_"},
		"the target wants short ones": {rule: rotation.PasswordRule{MaxLength: 16}, length: 16, only: letters + numbers + "-_"},
		"no punctuation":              {policy: rotation.PasswordPolicy{ExcludePunctuation: true}, length: 32, only: letters + numbers},
		"no punctuation, but wanted":  {policy: rotation.PasswordPolicy{ExcludePunctuation: true}, rule: mediumRule, problem: "punctuation"},
		"other punctuation":           {policy: rotation.PasswordPolicy{Punctuation: "!#%"}, length: 32, only: letters + numbers + "!#%"},
		"punctuation the target refuses": {policy: rotation.PasswordPolicy{Punctuation: "[]"}, rule: rotation.PasswordRule{Special: 1, Punctuation: "!@"},
			problem: "punctuation"},
		"excluded characters":        {policy: rotation.PasswordPolicy{ExcludeCharacters: "0O1lI-"}, length: 32, only: without(letters+numbers+"_", "0O1lI")},
		"digits only":                {policy: rotation.PasswordPolicy{ExcludeLowercase: true, ExcludeUppercase: true, ExcludePunctuation: true}, length: 32, only: numbers},
		"too few kinds":              {policy: rotation.PasswordPolicy{ExcludeLowercase: true, ExcludeUppercase: true}, rule: apsaraRule, problem: "kinds"},
		"nothing left":               {policy: rotation.PasswordPolicy{ExcludeCharacters: letters + numbers + "-_"}, problem: "no characters"},
		"many of a kind":             {rule: rotation.PasswordRule{Special: 5}, length: 32, only: letters + numbers + "-_"},
		"more of a kind than length": {policy: rotation.PasswordPolicy{Length: 8}, rule: rotation.PasswordRule{Special: 9}, problem: "too short"},
	} {
		t.Run(name, func(t *testing.T) {
			recipe, err := test.policy.Fit(test.rule)
			if test.problem != "" {
				require.ErrorContains(t, err, test.problem)
				require.Equal(t, rotation.Permanent, rotation.KindOf(err))
				return
			}
			require.NoError(t, err)
			seen := map[string]bool{}
			for range 200 {
				secret, err := recipe.Generate(rand.Reader)
				require.NoError(t, err)
				p := secret.Reveal()
				require.Len(t, p, test.length)
				require.Empty(t, without(p, test.only), "nothing else is in it")
				require.True(t, recipe.Fits(secret))
				for _, want := range []struct {
					least int
					of    string
				}{{test.rule.Lower, lower}, {test.rule.Upper, upper}, {test.rule.Digits, numbers}} {
					require.GreaterOrEqual(t, len(p)-len(without(p, want.of)), want.least)
				}
				require.GreaterOrEqual(t, len(without(p, letters+numbers)), test.rule.Special)
				if strings.ContainsAny(test.only, letters) {
					require.Contains(t, letters, p[:1], "it begins with a letter")
				}
				require.False(t, seen[p])
				seen[p] = true
			}
		})
	}
}

const (
	lower   = "abcdefghijklmnopqrstuvwxyz"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	letters = lower + upper
	numbers = "0123456789"
)

// without gives s without the characters of others.
func without(s, others string) string {
	for _, c := range others {
		s = strings.ReplaceAll(s, string(c), "")
	}
	return s
}

// What a store's generator leaves out is, for each target, what the rotation functions leave out of it.
func TestRecipeForAStoresGenerator(t *testing.T) {
	byStore := rotation.PasswordPolicy{Source: rotation.PasswordSourceStore}
	recipe, err := byStore.Fit(rotation.PasswordRule{})
	require.NoError(t, err)
	require.ElementsMatch(t, []byte(`/@"'\`), []byte(recipe.Excluded()), "by a connection")
	recipe, err = byStore.Fit(apsaraRule)
	require.NoError(t, err)
	require.ElementsMatch(t, []byte("\\\"',./:;<>?[]{|}~`"), []byte(recipe.Excluded()), "by the API of ApsaraDB RDS")
	for password, fits := range map[string]bool{
		strings.Repeat("aA1!", 8): true, strings.Repeat("aA1!", 7): false, strings.Repeat("aA1/", 8): false, strings.Repeat("aA11", 8): false,
	} {
		require.Equal(t, fits, recipe.Fits(rotation.NewSecret(password)), password)
	}
}

func TestPolicyOverAnother(t *testing.T) {
	defaults := rotation.PasswordPolicy{Length: 20, ExcludeCharacters: "x", ExcludeNumbers: true}
	require.Equal(t, rotation.PasswordPolicy{Length: 24, ExcludeCharacters: "x", ExcludeNumbers: true}, rotation.PasswordPolicy{Length: 24}.Over(defaults))
}

func TestNoEntropy(t *testing.T) {
	recipe, err := rotation.PasswordPolicy{}.Fit(rotation.PasswordRule{})
	require.NoError(t, err)
	_, err = recipe.Generate(iotest.ErrReader(errors.New("/dev/urandom is broken")))
	require.ErrorContains(t, err, "no random bytes")
}

func TestWhatARuleTakes(t *testing.T) {
	for name, test := range map[string]struct {
		rule     rotation.PasswordRule
		password string
		takes    bool
	}{
		"no rule":             {rotation.PasswordRule{}, "", true},
		"apsara":              {apsaraRule, "Aa1-Aa1-", true},
		"three kinds":         {apsaraRule, "Aaaaaaa1", true},
		"two kinds":           {apsaraRule, "aaaaaaa1", false},
		"too short":           {apsaraRule, "Aa1-Aa1", false},
		"longest":             {apsaraRule, strings.Repeat("Aa1-", 8), true},
		"too long":            {apsaraRule, strings.Repeat("Aa1-", 8) + "x", false},
		"strange punctuation": {apsaraRule, "Aa1-Aa1-/", false},
		"no ASCII":            {apsaraRule, "Aa1-Aa1-ä", false},
		"medium":              {mediumRule, "Aa1-Aa1-", true},
		"no special":          {mediumRule, "Aa1aAa1a", false},
		"no upper case":       {mediumRule, "aa1-aa1-", false},
		"no digit":            {mediumRule, "Aaa-Aaa-", false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.takes, test.rule.Takes(rotation.NewSecret(test.password)))
		})
	}
}
