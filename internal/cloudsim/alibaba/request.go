// Package alibaba is the gateway in front of Alibaba Cloud's RPC-style APIs: it reads what the old SDK (everything in
// the query, signature version 1) and the newer one (ACS3-HMAC-SHA256, action and version in headers) send, checks
// signature, timestamp and nonce, and answers as the gateway does.
package alibaba

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// Request is a request as it came in, before it is authenticated.
type Request struct {
	Action  string
	Version string
	Region  string
	// AccessKey is who it says it is from.
	AccessKey string
	// Params are the API's own parameters; those of the protocol are left out.
	Params map[string]string

	http   *http.Request
	body   []byte
	signed url.Values // query and form, as signature version 1 covers them
}

// protocolParams belong to the RPC protocol rather than to an API.
var protocolParams = map[string]bool{
	"AccessKeyId": true, "Action": true, "BearerToken": true, "Format": true, "RegionId": true,
	"SecurityToken": true, "Signature": true, "SignatureMethod": true, "SignatureNonce": true, "SignatureType": true,
	"SignatureVersion": true, "Timestamp": true, "Version": true,
}

// regionOfHost finds the region in a public or VPC endpoint's name. The newer SDK sends no RegionId.
var regionOfHost = regexp.MustCompile(`^[a-z]+(?:-vpc)?\.([a-z0-9-]+)\.aliyuncs\.com(?::\d+)?$`)

// Parse reads a request. defaultRegion is for requests that name none.
func Parse(r *http.Request, body []byte, defaultRegion string) *Request {
	signed := r.URL.Query()
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded") {
		// A body that can't be read as a form adds nothing: the parameters that it should have had are then missing.
		form, _ := url.ParseQuery(string(body))
		for name, values := range form {
			signed[name] = append(signed[name], values...)
		}
	}
	req := &Request{
		Action: signed.Get("Action"), Version: signed.Get("Version"), Region: signed.Get("RegionId"),
		AccessKey: signed.Get("AccessKeyId"), Params: map[string]string{},
		http: r, body: body, signed: signed,
	}
	if req.Action == "" {
		req.Action = r.Header.Get("x-acs-action")
	}
	if req.Version == "" {
		req.Version = r.Header.Get("x-acs-version")
	}
	if credential, ok := acs3Field(r, "Credential"); ok {
		req.AccessKey = credential
	}
	if req.Region == "" {
		req.Region = defaultRegion
		if m := regionOfHost.FindStringSubmatch(r.Host); m != nil {
			req.Region = m[1]
		}
	}
	for name := range signed {
		if !protocolParams[name] {
			req.Params[name] = signed.Get(name)
		}
	}
	return req
}
