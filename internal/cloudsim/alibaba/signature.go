package alibaba

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const acs3 = "ACS3-HMAC-SHA256"

// SignV1 computes signature version 1 (RPC): HMAC-SHA1 with the secret and "&" over the string to sign, in Base64.
func SignV1(secret, stringToSign string) string {
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte(stringToSign))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// StringToSignV1 is what signature version 1 covers: all parameters but the signature, sorted and encoded twice.
func StringToSignV1(method string, params url.Values) string {
	return method + "&%2F&" + percentEncode(canonicalQuery(params, "Signature"))
}

// stringToSignACS3 is what the ACS3 signature covers.
func stringToSignACS3(r *http.Request, signedHeaders string) string {
	var headers strings.Builder
	for _, name := range strings.Split(signedHeaders, ";") {
		value := strings.TrimSpace(strings.Join(r.Header.Values(name), ","))
		if name == "host" {
			value = r.Host
		}
		headers.WriteString(name + ":" + value + "\n")
	}
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	canonical := strings.Join([]string{r.Method, path, canonicalQuery(r.URL.Query(), ""), headers.String(),
		signedHeaders, r.Header.Get("x-acs-content-sha256")}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	return acs3 + "\n" + hex.EncodeToString(sum[:])
}

func signACS3(secret, stringToSign string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(stringToSign))
	return hex.EncodeToString(mac.Sum(nil))
}

// acs3Field gives a field of an ACS3 Authorization header; false if there is no such header or field.
func acs3Field(r *http.Request, field string) (string, bool) {
	fields, ok := strings.CutPrefix(r.Header.Get("Authorization"), acs3+" ")
	if !ok {
		return "", false
	}
	for part := range strings.SplitSeq(fields, ",") {
		if name, value, _ := strings.Cut(strings.TrimSpace(part), "="); name == field {
			return value, true
		}
	}
	return "", false
}

func canonicalQuery(params url.Values, except string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if name == except {
			continue
		}
		for _, value := range params[name] {
			pairs = append(pairs, percentEncode(name)+"="+percentEncode(value))
		}
	}
	return strings.Join(pairs, "&")
}

// percentEncode is RFC 3986: everything but letters, digits and -_.~ is encoded.
func percentEncode(s string) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(url.QueryEscape(s))
}
