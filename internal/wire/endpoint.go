package wire

import (
	"net/netip"
	"net/url"
	"strings"

	"rotor/internal/rotation"
)

// SettingAllowHTTP is the setting that allows plain http to other machines.
const SettingAllowHTTP = "ROTOR_ALLOW_HTTP"

// Endpoint is where calls go. The zero value is none.
type Endpoint struct {
	// Host is a host name or address, with a port where it is not the scheme's own.
	Host string
	// Plain says that the connection is not encrypted.
	Plain bool
}

// ParseEndpoint reads an endpoint from a URL. Plain http is an error unless the host is this machine or it is allowed.
// Errors are permanent and name the setting that the URL came from; they do not quote it, for it may hold credentials.
func ParseEndpoint(setting, text string, allowHTTP bool) (Endpoint, error) {
	wanted := "wanted: a URL like https://host.example.com"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Hostname() == "":
		return Endpoint{}, rotation.FieldError(setting, "not a URL with a host; %s", wanted)
	case u.Scheme != "https" && u.Scheme != "http":
		return Endpoint{}, rotation.FieldError(setting, "the URL begins with neither https:// nor http://; %s", wanted)
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return Endpoint{}, rotation.FieldError(setting, "the URL has more than scheme, host and port; %s", wanted)
	case u.Scheme == "http" && !allowHTTP && !IsThisMachine(u.Hostname()):
		return Endpoint{}, rotation.FieldError(setting, "plain http to %s would show secrets to the network; use https, or set %s=1 "+
			"if the way there is protected otherwise", u.Host, SettingAllowHTTP)
	}
	return Endpoint{Host: u.Host, Plain: u.Scheme == "http"}, nil
}

// IsThisMachine says whether a host can be no other machine.
func IsThisMachine(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
