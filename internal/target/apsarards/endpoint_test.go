package apsarards

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/wire"
)

func TestEndpoints(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		region  string
		want    wire.Endpoint
	}{
		"default":               {Options{}, "cn-hangzhou", wire.Endpoint{Host: "rds-vpc.cn-hangzhou.aliyuncs.com"}},
		"vpc":                   {Options{Network: NetworkVPC}, "eu-central-1", wire.Endpoint{Host: "rds-vpc.eu-central-1.aliyuncs.com"}},
		"public":                {Options{Network: NetworkPublic}, "eu-central-1", wire.Endpoint{Host: "rds.eu-central-1.aliyuncs.com"}},
		"public, a shared host": {Options{Network: NetworkPublic}, "cn-hangzhou", wire.Endpoint{Host: "rds.aliyuncs.com"}},
		"own":                   {Options{Network: NetworkPublic, Endpoint: "https://rds.example:8443"}, "cn-hangzhou", wire.Endpoint{Host: "rds.example:8443"}},
		"own, plain":            {Options{Endpoint: "http://127.0.0.1:80"}, "cn-hangzhou", wire.Endpoint{Host: "127.0.0.1:80", Plain: true}},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := New(c.options)
			require.NoError(t, err)
			require.Equal(t, c.want, made.endpoint(c.region))
		})
	}
}

// TestNetworkAdvice is about a worker outside of Alibaba Cloud that was left at the default.
func TestNetworkAdvice(t *testing.T) {
	const advice = "set ROTOR_ALIBABA_NETWORK=public"
	for name, c := range map[string]struct {
		options Options
		failure wire.Failure
		advised bool
	}{
		"unresolved": {Options{}, wire.Failure{Cause: wire.Unresolved}, true},
		"timeout":    {Options{}, wire.Failure{Cause: wire.Timeout}, true},
		"connected":  {Options{}, wire.Failure{Cause: wire.Timeout, Sent: true}, false},
		"untrusted":  {Options{}, wire.Failure{Cause: wire.Untrusted}, false},
		"public":     {Options{Network: NetworkPublic}, wire.Failure{Cause: wire.Unresolved}, false},
		"own":        {Options{Endpoint: "https://rds.example.com"}, wire.Failure{Cause: wire.Unresolved}, false},
	} {
		t.Run(name, func(t *testing.T) {
			made, err := New(c.options)
			require.NoError(t, err)
			text := made.classify(describing("list the accounts of", rotation.Place{Instance: "rm-1", Region: "cn-hangzhou"}), &c.failure).Error()
			if c.advised {
				require.Contains(t, text, advice)
			} else {
				require.NotContains(t, text, advice)
			}
		})
	}
}
