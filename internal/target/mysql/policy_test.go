package mysql

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/target/mysql/account"
)

func TestTheServersPolicyIsTheRule(t *testing.T) {
	require.Equal(t, rotation.PasswordRule{}, passwordRule(nil))
	require.Equal(t, rotation.PasswordRule{MinLength: 33, Lower: 2, Upper: 3, Digits: 4, Special: 5},
		passwordRule(&account.Policy{Length: 33, Lower: 2, Upper: 3, Digits: 4, Special: 5, NotUserName: true, Dictionary: true}))
}
