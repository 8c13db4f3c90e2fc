package alibabacloud

import (
	"rotor/internal/rotation"
	"rotor/internal/wire"
)

// Networks of RouteOptions.
const (
	NetworkVPC    = "vpc"
	NetworkPublic = "public"
)

// settingNetwork is the setting that errors refer to.
const settingNetwork = "ROTOR_ALIBABA_NETWORK"

// RouteOptions say how an API is reached. The zero value is from inside of Alibaba Cloud.
type RouteOptions struct {
	// Network is NetworkVPC ("" too) for the endpoint PRODUCT-vpc.REGION.aliyuncs.com, NetworkPublic for PRODUCT.REGION.aliyuncs.com.
	Network string
	// Endpoint is a URL to use instead, whatever the region; Setting is the setting that it is from.
	Endpoint, Setting string
	// AllowHTTP lets Endpoint be plain http to another machine. To this machine it may be always.
	AllowHTTP bool
}

// Route is the way to one API.
type Route struct {
	product, network string
	// shared are hosts that several regions share from outside, by region.
	shared map[string]string
	// fixed is the endpoint of all regions, nil if each has its own.
	fixed *wire.Endpoint
}

// NewRoute makes the way to the API of a product ("kms", "rds"). shared are the hosts that several regions share from outside, by region;
// nil if there are none. Errors are permanent and name the setting that is wrong.
func NewRoute(product string, shared map[string]string, options RouteOptions) (Route, error) {
	r := Route{product: product, network: options.Network, shared: shared}
	switch r.network {
	case "":
		r.network = NetworkVPC
	case NetworkVPC, NetworkPublic:
	default:
		return Route{}, rotation.FieldError(settingNetwork, "%q is unknown; known: %s, %s", r.network, NetworkVPC, NetworkPublic)
	}
	if options.Endpoint != "" {
		endpoint, err := wire.ParseEndpoint(options.Setting, options.Endpoint, options.AllowHTTP)
		if err != nil {
			return Route{}, err
		}
		r.fixed = &endpoint
	}
	return r, nil
}

// Public says whether the way leads over the internet.
func (r Route) Public() bool { return r.network == NetworkPublic }

// Endpoint is where calls for a region go. The region must have been checked: it becomes part of a host name.
func (r Route) Endpoint(region string) wire.Endpoint {
	if r.fixed != nil {
		return *r.fixed
	}
	product := r.product
	if !r.Public() {
		product += "-vpc"
	} else if host := r.shared[region]; host != "" {
		return wire.Endpoint{Host: host}
	}
	return wire.Endpoint{Host: product + "." + region + ".aliyuncs.com"}
}

// Advice is for the most frequent reason why an API can't be reached; "" if that is not it.
func (r Route) Advice(f *wire.Failure) string {
	if r.fixed != nil || r.Public() || f.Sent {
		return ""
	}
	switch f.Cause {
	case wire.Unresolved, wire.Timeout, wire.Refused, wire.Network:
		return "; the VPC endpoint is reached from inside of Alibaba Cloud only, for elsewhere set " + settingNetwork + "=" + NetworkPublic
	}
	return ""
}
