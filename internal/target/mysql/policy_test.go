package mysql

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql/account"
)

func TestGeneratedPasswordsMustSatisfyThePolicy(t *testing.T) {
	s := surveyor{Question: target.Question{By: target.Login{Place: rotation.Place{Host: "db", Port: 3306}}}}
	for name, test := range map[string]struct {
		policy  *account.Policy
		because string
	}{
		"none":             {},
		"everything once":  {policy: &account.Policy{Length: 32, Lower: 1, Upper: 1, Digits: 1, Special: 1, NotUserName: true, Dictionary: true}},
		"too long":         {policy: &account.Policy{Length: 33}, because: "wants 33 characters; generated passwords have 32 at most"},
		"lower case":       {policy: &account.Policy{Lower: 2}, because: "wants 2 lower-case letters"},
		"upper case":       {policy: &account.Policy{Upper: 3}, because: "wants 3 upper-case letters"},
		"digits":           {policy: &account.Policy{Digits: 4}, because: "wants 4 digits"},
		"other characters": {policy: &account.Policy{Special: 2}, because: "wants 2 special characters"},
	} {
		t.Run(name, func(t *testing.T) {
			err := s.checkPolicy(test.policy)
			if test.because == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, test.because)
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
		})
	}
}
