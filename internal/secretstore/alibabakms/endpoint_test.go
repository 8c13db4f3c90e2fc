package alibabakms

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/secretstore"
	"rotor/internal/wire"
)

func TestEndpoints(t *testing.T) {
	for name, c := range map[string]struct {
		options Options
		want    wire.Endpoint
	}{
		"default": {Options{}, wire.Endpoint{Host: "kms-vpc.cn-hangzhou.aliyuncs.com"}},
		"vpc":     {Options{Network: NetworkVPC}, wire.Endpoint{Host: "kms-vpc.cn-hangzhou.aliyuncs.com"}},
		"public":  {Options{Network: NetworkPublic}, wire.Endpoint{Host: "kms.cn-hangzhou.aliyuncs.com"}},
		"own": {Options{Network: NetworkPublic, Endpoint: "https://kst-1.cryptoservice.kms.aliyuncs.com"},
			wire.Endpoint{Host: "kst-1.cryptoservice.kms.aliyuncs.com"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(c.options)
			require.NoError(t, err)
			require.Equal(t, c.want, s.endpoint("cn-hangzhou"))
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
		"own":        {Options{Endpoint: "https://kms.example.com"}, wire.Failure{Cause: wire.Unresolved}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(c.options)
			require.NoError(t, err)
			text := s.classify(attempt{doing: "read", ref: secretstore.Ref{Region: "cn-hangzhou", Name: "a"}}, &c.failure).Error()
			if c.advised {
				require.Contains(t, text, advice)
			} else {
				require.NotContains(t, text, advice)
			}
		})
	}
}
