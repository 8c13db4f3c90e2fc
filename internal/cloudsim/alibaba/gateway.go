package alibaba

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"sync"
	"time"

	"rotor/internal/cloudsim/cloudapi"
)

// Gateway authenticates requests. It is safe for concurrent use.
type Gateway struct {
	// Window is how far a request's timestamp may be from the simulator's clock; 15 minutes at the real one.
	Window time.Duration
	// Lookup finds an access key.
	Lookup func(accessKey string) (cloudapi.Credential, bool)

	mu       sync.Mutex
	nonces   map[string]bool // since turned
	previous map[string]bool // of the two windows before that
	turned   time.Time
}

const timeFormat = "2006-01-02T15:04:05Z"

var regionID = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)

// Authenticate checks who a request is from. The error is what the gateway answers.
func (g *Gateway) Authenticate(r *Request, now time.Time) (cloudapi.Credential, *Error) {
	none := cloudapi.Credential{}
	if !regionID.MatchString(r.Region) {
		return none, errorf(400, "InvalidParameter", "The specified parameter RegionId is not valid.")
	}
	if r.Action == "" {
		return none, Missing("Action")
	}
	if r.AccessKey == "" {
		return none, Missing("AccessKeyId")
	}
	credential, ok := g.Lookup(r.AccessKey)
	if !ok {
		return none, errorf(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
	}
	nonce, failure := r.verify(credential, now, g.Window)
	if failure != nil {
		return none, failure
	}
	if !g.fresh(r.AccessKey+" "+nonce, now) {
		return none, errorf(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
	}
	return credential, nil
}

// verify checks timestamp and signature and gives the nonce that they cover.
func (r *Request) verify(c cloudapi.Credential, now time.Time, window time.Duration) (string, *Error) {
	header := r.http.Header
	stamp, nonce, token := r.signed.Get("Timestamp"), r.signed.Get("SignatureNonce"), r.signed.Get("SecurityToken")
	signature, isACS3 := acs3Field(r.http, "Signature")
	if isACS3 {
		stamp, nonce = header.Get("x-acs-date"), header.Get("x-acs-signature-nonce")
		token = header.Get("x-acs-security-token")
	}
	for name, value := range map[string]string{"Timestamp": stamp, "SignatureNonce": nonce} {
		if value == "" {
			return "", Missing(name)
		}
	}
	at, err := time.Parse(timeFormat, stamp)
	if err != nil {
		return "", errorf(400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted.")
	}
	if at.Before(now.Add(-window)) || at.After(now.Add(window)) {
		return "", errorf(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
	}
	if token != c.SessionToken {
		return "", errorf(400, "InvalidSecurityToken.MismatchWithAccessKey",
			"Specified SecurityToken is mismatch with the AccessKey.")
	}
	if isACS3 {
		return nonce, r.verifyACS3(c.Secret, signature)
	}
	return nonce, r.verifyV1(c.Secret)
}

func (r *Request) verifyV1(secret string) *Error {
	if r.signed.Get("Signature") == "" {
		return Missing("Signature")
	}
	if method := r.signed.Get("SignatureMethod"); method != "HMAC-SHA1" || r.signed.Get("SignatureVersion") != "1.0" {
		return errorf(400, "IncompleteSignature", "The request signature does not conform to Aliyun standards.")
	}
	toSign := StringToSignV1(r.http.Method, r.signed)
	if !hmac.Equal([]byte(SignV1(secret, toSign)), []byte(r.signed.Get("Signature"))) {
		return mismatch(toSign)
	}
	return nil
}

func (r *Request) verifyACS3(secret, signature string) *Error {
	sum := sha256.Sum256(r.body)
	if r.http.Header.Get("x-acs-content-sha256") != hex.EncodeToString(sum[:]) {
		return errorf(400, "InvalidContentSha256", "Specified x-acs-content-sha256 is not matched with the body.")
	}
	signedHeaders, ok := acs3Field(r.http, "SignedHeaders")
	if !ok {
		return errorf(400, "IncompleteSignature", "The request signature does not conform to Aliyun standards.")
	}
	toSign := stringToSignACS3(r.http, signedHeaders)
	if !hmac.Equal([]byte(signACS3(secret, toSign)), []byte(signature)) {
		return mismatch(toSign)
	}
	return nil
}

// mismatch quotes the string to sign, as the real gateway does: with signature version 1 it holds every parameter,
// values of secrets included.
func mismatch(stringToSign string) *Error {
	return errorf(400, "SignatureDoesNotMatch",
		"Specified signature is not matched with our calculation. server string to sign is:"+stringToSign)
}

// fresh notes a nonce; false if it was used before. A timestamp may lie a window ahead, so a request stays acceptable
// for two windows, and its nonce is remembered for at least that long.
func (g *Gateway) fresh(nonce string, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.nonces == nil || now.Sub(g.turned) > 2*g.Window {
		g.nonces, g.previous, g.turned = map[string]bool{}, g.nonces, now
	}
	if g.nonces[nonce] || g.previous[nonce] {
		return false
	}
	g.nonces[nonce] = true
	return true
}
