package apsarards

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/wire"
)

func TestEndpoint(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		region  string
		want    string
	}{
		"default":               {Options{}, "cn-hangzhou", "rds-vpc.cn-hangzhou.aliyuncs.com"},
		"public":                {Options{Network: "public"}, "eu-central-1", "rds.eu-central-1.aliyuncs.com"},
		"public, a shared host": {Options{Network: "public"}, "cn-hangzhou", "rds.aliyuncs.com"},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := New(c.options)
			require.NoError(t, err)
			require.Equal(t, wire.Endpoint{Host: c.want}, made.route.Endpoint(c.region))
		})
	}
}

// TestNetworkAdvice is about a worker outside of Alibaba Cloud that was left at the default.
func TestNetworkAdvice(t *testing.T) {
	made, err := New(Options{})
	require.NoError(t, err)
	failed := made.classify(describing("list the accounts of", rotation.Place{Instance: "rm-1", Region: "cn-hangzhou"}), &wire.Failure{Cause: wire.Unresolved})
	require.ErrorContains(t, failed, "set ROTOR_ALIBABA_NETWORK=public")
}
