package activities

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// An admin secret without an address counts only if it is the one in which RDS keeps the admin of that database.
func TestWhichSecretIsNamed(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:rds!db-0815-AbCdEf"
	for name, want := range map[string]bool{
		arn: true, arn[:len(arn)-7]: true, "rds!db-0815-AbCdEf": true, "rds!db-0815": true,
		"rds!db": false, "rds!db-4711": false, arn + "x": false, "": false,
		"arn:aws:secretsmanager:us-east-1:123456789012:secret:rds!db-0815-AbCdEf": false,
		"arn:aws:secretsmanager:eu-central-1:999999999999:secret:rds!db-0815":     false,
	} {
		require.Equal(t, want, isNamed(name, arn), name)
	}
	require.False(t, isNamed("rds!db-0815", ""), "RDS keeps none")
	require.False(t, isNamed("", ""))
}
