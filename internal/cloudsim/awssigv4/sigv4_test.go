package awssigv4_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim/awssigv4"
	"rotor/internal/cloudsim/cloudapi"
)

var (
	example = cloudapi.Credential{AccessKeyID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	at      = time.Date(2015, 8, 30, 12, 36, 0, 0, time.UTC)
)

func request(target, signature string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	r.Host = "example.amazonaws.com"
	r.Header.Set("X-Amz-Date", "20150830T123600Z")
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "+
		"SignedHeaders=host;x-amz-date, Signature="+signature)
	return r
}

// The signatures are those of AWS's Signature Version 4 test suite (get-vanilla, get-vanilla-query-order-key-case).
func TestVerifyMatchesThePublishedVectors(t *testing.T) {
	for target, signature := range map[string]string{
		"/":                             "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
		"/?Param2=value2&Param1=value1": "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
	} {
		t.Run(target, func(t *testing.T) {
			r := request(target, signature)
			s, fault := awssigv4.Parse(r)
			require.Zero(t, fault)
			require.Equal(t, "us-east-1", s.Region)
			require.Equal(t, "service", s.Service)
			require.Equal(t, "AKIDEXAMPLE", s.AccessKey)
			require.Zero(t, s.Verify(r, nil, example, at, time.Minute))
			require.Equal(t, awssigv4.Mismatch, s.Verify(r, []byte("body"), example, at, time.Minute))
			require.Equal(t, awssigv4.Mismatch, s.Verify(r, nil, cloudapi.Credential{Secret: "other"}, at, time.Minute))
			require.Equal(t, awssigv4.Expired, s.Verify(r, nil, example, at.Add(61*time.Second), time.Minute))
			require.Equal(t, awssigv4.Expired, s.Verify(r, nil, example, at.Add(-61*time.Second), time.Minute))
			r.Header.Set("X-Amz-Content-Sha256", "0000")
			require.Equal(t, awssigv4.Mismatch, s.Verify(r, nil, example, at, time.Minute))
		})
	}
}

func TestParseRefusesWhatIsNoSignature(t *testing.T) {
	for name, tc := range map[string]struct {
		header string
		want   awssigv4.Fault
	}{
		"nothing":         {"", awssigv4.Missing},
		"other algorithm": {"AWS4-ECDSA-P256-SHA256 Credential=a/b/c/d/aws4_request", awssigv4.Incomplete},
		"short scope":     {"AWS4-HMAC-SHA256 Credential=a/20150830/us-east-1, SignedHeaders=host, Signature=00", awssigv4.Incomplete},
		"no signature":    {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=host", awssigv4.Incomplete},
		"host not signed": {"AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=x-amz-date, Signature=00", awssigv4.Incomplete},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header.Set("Authorization", tc.header)
			_, fault := awssigv4.Parse(r)
			require.Equal(t, tc.want, fault)
		})
	}
}
