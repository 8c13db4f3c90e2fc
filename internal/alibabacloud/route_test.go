package alibabacloud_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/alibabacloud"
	"rotor/internal/rotation"
	"rotor/internal/wire"
)

func TestEndpoints(t *testing.T) {
	shared := map[string]string{"cn-hangzhou": "kms.aliyuncs.com"}
	for name, c := range map[string]struct {
		options alibabacloud.RouteOptions
		region  string
		want    wire.Endpoint
	}{
		"default":               {alibabacloud.RouteOptions{}, "cn-hangzhou", wire.Endpoint{Host: "kms-vpc.cn-hangzhou.aliyuncs.com"}},
		"vpc":                   {alibabacloud.RouteOptions{Network: "vpc"}, "eu-central-1", wire.Endpoint{Host: "kms-vpc.eu-central-1.aliyuncs.com"}},
		"public":                {alibabacloud.RouteOptions{Network: "public"}, "eu-central-1", wire.Endpoint{Host: "kms.eu-central-1.aliyuncs.com"}},
		"public, a shared host": {alibabacloud.RouteOptions{Network: "public"}, "cn-hangzhou", wire.Endpoint{Host: "kms.aliyuncs.com"}},
		"own": {alibabacloud.RouteOptions{Network: "public", Endpoint: "https://kst-1.cryptoservice.kms.aliyuncs.com:8443"}, "cn-hangzhou",
			wire.Endpoint{Host: "kst-1.cryptoservice.kms.aliyuncs.com:8443"}},
		"own, plain":          {alibabacloud.RouteOptions{Endpoint: "http://127.0.0.1:80"}, "cn-hangzhou", wire.Endpoint{Host: "127.0.0.1:80", Plain: true}},
		"own, plain, allowed": {alibabacloud.RouteOptions{Endpoint: "http://kms.example", AllowHTTP: true}, "x", wire.Endpoint{Host: "kms.example", Plain: true}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := alibabacloud.NewRoute("kms", shared, c.options)
			require.NoError(t, err)
			require.Equal(t, c.want, r.Endpoint(c.region))
		})
	}
}

func TestRoutesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		options alibabacloud.RouteOptions
		words   []string
	}{
		"network":    {alibabacloud.RouteOptions{Network: "wan"}, []string{"ROTOR_ALIBABA_NETWORK", `"wan"`, "vpc, public"}},
		"plain http": {alibabacloud.RouteOptions{Endpoint: "http://kms.example.com", Setting: "ROTOR_X_ENDPOINT"}, []string{"ROTOR_X_ENDPOINT", "ROTOR_ALLOW_HTTP=1"}},
		"no url":     {alibabacloud.RouteOptions{Endpoint: "kms.example.com", Setting: "ROTOR_X_ENDPOINT"}, []string{"ROTOR_X_ENDPOINT", "https://"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := alibabacloud.NewRoute("kms", nil, c.options)
			require.Equal(t, rotation.Permanent, rotation.KindOf(err))
			for _, w := range c.words {
				require.ErrorContains(t, err, w)
			}
		})
	}
}

// TestNetworkAdvice is about a worker outside of Alibaba Cloud that was left at the default.
func TestNetworkAdvice(t *testing.T) {
	for name, c := range map[string]struct {
		options alibabacloud.RouteOptions
		failure wire.Failure
		advised bool
	}{
		"unresolved": {alibabacloud.RouteOptions{}, wire.Failure{Cause: wire.Unresolved}, true},
		"timeout":    {alibabacloud.RouteOptions{}, wire.Failure{Cause: wire.Timeout}, true},
		"connected":  {alibabacloud.RouteOptions{}, wire.Failure{Cause: wire.Timeout, Sent: true}, false},
		"untrusted":  {alibabacloud.RouteOptions{}, wire.Failure{Cause: wire.Untrusted}, false},
		"public":     {alibabacloud.RouteOptions{Network: "public"}, wire.Failure{Cause: wire.Unresolved}, false},
		"own":        {alibabacloud.RouteOptions{Endpoint: "https://kms.example.com"}, wire.Failure{Cause: wire.Unresolved}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := alibabacloud.NewRoute("kms", nil, c.options)
			require.NoError(t, err)
			if c.advised {
				require.Contains(t, r.Advice(&c.failure), "set ROTOR_ALIBABA_NETWORK=public")
			} else {
				require.Empty(t, r.Advice(&c.failure))
			}
		})
	}
}
