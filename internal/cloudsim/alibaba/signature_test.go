package alibaba_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/alibaba"
	"rotor/internal/cloudsim/cloudapi"
)

// String and signature are the API documentation's (which prints the string's inner ampersands unencoded).
func TestSignatureV1MatchesTheDocumentedVector(t *testing.T) {
	require.Equal(t, "s/OdVWMTmNGagvWlljdAJ7Itsew=", alibaba.SignV1("testsecret",
		"GET&%2F&AccessKeyId%3Dtestid&Action%3DCreateKey&Format%3Djson&SignatureMethod%3DHMAC-SHA1"+
			"&SignatureVersion%3D1.0&Timestamp%3D2016-03-28T03%253A13%253A08Z&Version%3D2016-01-20"))
}

func TestStringToSignV1SortsByNameAndEncodesTwice(t *testing.T) {
	toSign := alibaba.StringToSignV1("POST", url.Values{"Tag.1": {"b"}, "Tag": {"a *~+"}})
	require.Equal(t, "POST&%2F&Tag%3Da%2520%252A~%252B%26Tag.1%3Db", toSign)
}

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func gateway() *alibaba.Gateway {
	return &alibaba.Gateway{Window: 15 * time.Minute, Lookup: func(key string) (cloudapi.Credential, bool) {
		switch key {
		case "known":
			return cloudapi.Credential{AccessKeyID: key, Secret: "right"}, true
		case "session":
			return cloudapi.Credential{AccessKeyID: key, Secret: "right", SessionToken: "token"}, true
		}
		return cloudapi.Credential{}, false
	}}
}

// request makes what the old SDK would send, signed after change had its turn.
func request(secret string, change func(url.Values)) *http.Request {
	params := url.Values{
		"AccessKeyId": {"known"}, "Action": {"GetSecretValue"}, "Format": {"JSON"}, "RegionId": {"cn-hangzhou"},
		"SecretName": {"db/app"}, "SignatureMethod": {"HMAC-SHA1"}, "SignatureNonce": {"n1"}, "SignatureType": {""},
		"SignatureVersion": {"1.0"}, "Timestamp": {"2026-03-04T05:06:07Z"}, "Version": {"2016-01-20"},
	}
	change(params)
	if !params.Has("Signature") {
		params.Set("Signature", alibaba.SignV1(secret, alibaba.StringToSignV1("POST", params)))
	}
	return httptest.NewRequest("POST", "http://kms/?"+params.Encode(), nil)
}

func TestAuthenticate(t *testing.T) {
	for name, tc := range map[string]struct {
		secret string
		change func(url.Values)
		code   string
	}{
		"right":             {"right", func(url.Values) {}, ""},
		"almost expired":    {"right", func(p url.Values) { p.Set("Timestamp", "2026-03-04T04:51:07Z") }, ""},
		"expired":           {"right", func(p url.Values) { p.Set("Timestamp", "2026-03-04T04:51:06Z") }, "InvalidTimeStamp.Expired"},
		"from the future":   {"right", func(p url.Values) { p.Set("Timestamp", "2026-03-04T05:21:08Z") }, "InvalidTimeStamp.Expired"},
		"bad timestamp":     {"right", func(p url.Values) { p.Set("Timestamp", "yesterday") }, "InvalidTimeStamp.Format"},
		"no timestamp":      {"right", func(p url.Values) { p.Del("Timestamp") }, "MissingParameter"},
		"wrong secret":      {"wrong", func(url.Values) {}, "SignatureDoesNotMatch"},
		"wrong signature":   {"right", func(p url.Values) { p.Set("Signature", "c2ln") }, "SignatureDoesNotMatch"},
		"no signature":      {"right", func(p url.Values) { p.Set("Signature", "") }, "MissingParameter"},
		"no nonce":          {"right", func(p url.Values) { p.Del("SignatureNonce") }, "MissingParameter"},
		"unknown key":       {"right", func(p url.Values) { p.Set("AccessKeyId", "other") }, "InvalidAccessKeyId.NotFound"},
		"no key":            {"right", func(p url.Values) { p.Del("AccessKeyId") }, "MissingParameter"},
		"no action":         {"right", func(p url.Values) { p.Del("Action") }, "MissingParameter"},
		"strange region":    {"right", func(p url.Values) { p.Set("RegionId", "a.b") }, "InvalidParameter"},
		"other method":      {"right", func(p url.Values) { p.Set("SignatureMethod", "HMAC-MD5") }, "IncompleteSignature"},
		"no token":          {"right", func(p url.Values) { p.Set("AccessKeyId", "session") }, "InvalidSecurityToken.MismatchWithAccessKey"},
		"with its token":    {"right", func(p url.Values) { p.Set("AccessKeyId", "session"); p.Set("SecurityToken", "token") }, ""},
		"a token too many":  {"right", func(p url.Values) { p.Set("SecurityToken", "token") }, "InvalidSecurityToken.MismatchWithAccessKey"},
		"odd characters":    {"right", func(p url.Values) { p.Set("SecretData", "a+b c&d=e%~*'é") }, ""},
		"prefix names":      {"right", func(p url.Values) { p.Set("Tag", "1"); p.Set("Tag.1", "2") }, ""},
		"empty query value": {"right", func(p url.Values) { p.Set("Description", "") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := alibaba.Parse(request(tc.secret, tc.change), nil, "cn-hangzhou")
			credential, failure := gateway().Authenticate(r, now)
			if tc.code == "" {
				require.Nil(t, failure)
				require.Equal(t, r.AccessKey, credential.AccessKeyID)
				return
			}
			require.NotNil(t, failure)
			require.Equal(t, tc.code, failure.Code)
		})
	}
}

func TestANonceIsGoodForOneRequest(t *testing.T) {
	g := gateway()
	send := func(nonce string, at time.Time) string {
		r := request("right", func(p url.Values) {
			p.Set("SignatureNonce", nonce)
			p.Set("Timestamp", at.Format("2006-01-02T15:04:05Z"))
		})
		if _, failure := g.Authenticate(alibaba.Parse(r, nil, ""), at); failure != nil {
			return failure.Code
		}
		return ""
	}
	require.Empty(t, send("a", now))
	require.Equal(t, "SignatureNonceUsed", send("a", now))
	require.Empty(t, send("b", now))
	require.Equal(t, "SignatureNonceUsed", send("a", now.Add(29*time.Minute)))
	require.Empty(t, send("c", now.Add(31*time.Minute)))
	require.Equal(t, "SignatureNonceUsed", send("b", now.Add(32*time.Minute)))
	require.Empty(t, send("d", now.Add(62*time.Minute)))
	require.Empty(t, send("a", now.Add(93*time.Minute)), "long after its timestamp has expired it is forgotten")
}

func TestAnUnsignedNonceIsNotUsedUp(t *testing.T) {
	g := gateway()
	_, failure := g.Authenticate(alibaba.Parse(request("wrong", func(url.Values) {}), nil, ""), now)
	require.Equal(t, "SignatureDoesNotMatch", failure.Code)
	_, failure = g.Authenticate(alibaba.Parse(request("right", func(url.Values) {}), nil, ""), now)
	require.Nil(t, failure)
}

func TestRegionOfARequest(t *testing.T) {
	for name, tc := range map[string]struct{ host, query, want string }{
		"named":          {"127.0.0.1:1", "?RegionId=cn-beijing", "cn-beijing"},
		"by public host": {"kms.cn-shanghai.aliyuncs.com", "", "cn-shanghai"},
		"by VPC host":    {"kms-vpc.cn-shanghai.aliyuncs.com:443", "", "cn-shanghai"},
		"neither":        {"127.0.0.1:1", "", "cn-hangzhou"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "http://"+tc.host+"/"+tc.query, nil)
			require.Equal(t, tc.want, alibaba.Parse(r, nil, "cn-hangzhou").Region)
		})
	}
}

func TestFormParametersCountAsQuery(t *testing.T) {
	body := "Action=ListSecrets&Version=2016-01-20&PageSize=3"
	r := httptest.NewRequest("POST", "http://kms/", nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	parsed := alibaba.Parse(r, []byte(body), "cn-hangzhou")
	require.Equal(t, "ListSecrets", parsed.Action)
	require.Equal(t, map[string]string{"PageSize": "3"}, parsed.Params)
}
