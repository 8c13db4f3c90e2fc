// Package awssigv4 checks AWS Signature Version 4 as a server does.
package awssigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"rotor/internal/cloudsim/cloudapi"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	timeFormat = "20060102T150405Z"
)

// Signature is what an Authorization header says.
type Signature struct {
	AccessKey string
	Region    string
	// Service is the name that the request was signed for: secretsmanager, rds.
	Service string

	date          string
	signedHeaders []string
	signature     string
}

// Fault says what is wrong with a signature; how it is worded on the wire differs by protocol.
type Fault int

const (
	// Missing: there is no signature.
	Missing Fault = iota + 1
	// Incomplete: it lacks a part or can't be read.
	Incomplete
	// UnknownKey: the access key or its session token is not known.
	UnknownKey
	// Expired: the date is too far from the server's.
	Expired
	// Mismatch: computed with another secret or over something else.
	Mismatch
)

// Parse reads the Authorization header; the fault is zero if there is nothing wrong with its form.
func Parse(r *http.Request) (Signature, Fault) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return Signature{}, Missing
	}
	fields, ok := strings.CutPrefix(header, algorithm+" ")
	if !ok {
		return Signature{}, Incomplete
	}
	var s Signature
	for part := range strings.SplitSeq(fields, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "Credential":
			// key/20260102/region/service/aws4_request
			scope := strings.Split(value, "/")
			if len(scope) != 5 || scope[4] != "aws4_request" {
				return Signature{}, Incomplete
			}
			s.AccessKey, s.date, s.Region, s.Service = scope[0], scope[1], scope[2], scope[3]
		case "SignedHeaders":
			s.signedHeaders = strings.Split(value, ";")
		case "Signature":
			s.signature = value
		}
	}
	if s.AccessKey == "" || s.signature == "" || !slices.Contains(s.signedHeaders, "host") {
		return Signature{}, Incomplete
	}
	return s, 0
}

// Verify checks the signature of a request against the secret of its access key; the fault is zero if it is right.
func (s Signature) Verify(r *http.Request, body []byte, c cloudapi.Credential, now time.Time, window time.Duration) Fault {
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse(timeFormat, stamp)
	if err != nil || !strings.HasPrefix(stamp, s.date) || !slices.Contains(s.signedHeaders, "x-amz-date") {
		return Incomplete
	}
	if r.Header.Get("X-Amz-Security-Token") != c.SessionToken {
		return UnknownKey
	}
	if at.Before(now.Add(-window)) || at.After(now.Add(window)) {
		return Expired
	}
	bodySum := sha256.Sum256(body)
	payload := hex.EncodeToString(bodySum[:])
	if claimed := r.Header.Get("X-Amz-Content-Sha256"); claimed != "" && claimed != payload {
		return Mismatch
	}
	canonical := sha256.Sum256([]byte(s.canonical(r, payload)))
	scope := strings.Join([]string{s.date, s.Region, s.Service, "aws4_request"}, "/")
	toSign := strings.Join([]string{algorithm, stamp, scope, hex.EncodeToString(canonical[:])}, "\n")
	key := []byte("AWS4" + c.Secret)
	for part := range strings.SplitSeq(scope, "/") {
		key = sign(key, part)
	}
	if !hmac.Equal([]byte(hex.EncodeToString(sign(key, toSign))), []byte(s.signature)) {
		return Mismatch
	}
	return 0
}

// canonical is the request in the form that is signed.
func (s Signature) canonical(r *http.Request, payload string) string {
	path := r.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	var headers strings.Builder
	for _, name := range s.signedHeaders {
		values := slices.Clone(r.Header.Values(name))
		switch name {
		case "host":
			values = []string{r.Host}
		case "content-length":
			// net/http keeps it out of the headers.
			values = []string{strconv.FormatInt(r.ContentLength, 10)}
		}
		for i, value := range values {
			values[i] = strings.Join(strings.Fields(value), " ")
		}
		headers.WriteString(name + ":" + strings.Join(values, ",") + "\n")
	}
	return strings.Join([]string{r.Method, path, canonicalQuery(r.URL.Query()), headers.String(),
		strings.Join(s.signedHeaders, ";"), payload}, "\n")
}

func canonicalQuery(query url.Values) string {
	encode := func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(query)) {
		for _, value := range slices.Sorted(slices.Values(query[name])) {
			pairs = append(pairs, encode(name)+"="+encode(value))
		}
	}
	return strings.Join(pairs, "&")
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
