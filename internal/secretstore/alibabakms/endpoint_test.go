package alibabakms

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/secretstore"
	"rotor/internal/wire"
)

func TestEndpoint(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	require.Equal(t, wire.Endpoint{Host: "kms-vpc.cn-hangzhou.aliyuncs.com"}, s.route.Endpoint("cn-hangzhou"))
	s, err = New(Options{Network: "public"})
	require.NoError(t, err)
	require.Equal(t, wire.Endpoint{Host: "kms.cn-hangzhou.aliyuncs.com"}, s.route.Endpoint("cn-hangzhou"))
}

// TestNetworkAdvice is about a worker outside of Alibaba Cloud that was left at the default.
func TestNetworkAdvice(t *testing.T) {
	s, err := New(Options{})
	require.NoError(t, err)
	failed := s.classify(attempt{doing: "read", ref: secretstore.Ref{Region: "cn-hangzhou", Name: "a"}}, &wire.Failure{Cause: wire.Unresolved})
	require.ErrorContains(t, failed, "set ROTOR_ALIBABA_NETWORK=public")
}
