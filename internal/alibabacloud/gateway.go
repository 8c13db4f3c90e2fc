package alibabacloud

import (
	"strings"

	"rotor/internal/rotation"
)

// Meaning is what an error code means for a rotation, and in words what came back and what to do.
type Meaning struct {
	Kind rotation.Kind
	Text string
}

const clockAdvice = "it does not accept the time of the request; check this machine's clock, which may be 15 minutes off at most"

// gatewayMeanings are the codes of the gateway in front of all of Alibaba Cloud's APIs
// (https://help.aliyun.com/document_detail/48054.html) and the throttling that each API does itself.
var gatewayMeanings = map[string]Meaning{
	"InvalidTimeStamp.Expired": {rotation.Retryable, clockAdvice},
	"InvalidTimeStamp.Format":  {rotation.Retryable, clockAdvice},
	"IllegalTimestamp":         {rotation.Retryable, clockAdvice},
	"SignatureNonceUsed":       {rotation.Retryable, "it has seen this very request before; the next attempt is a new one"},
	"SignatureDoesNotMatch":    {rotation.Permanent, "it finds the signature wrong; the access key secret does not belong to the access key id"},
	"IncompleteSignature":      {rotation.Permanent, "it finds the signature incomplete; check access key id and secret"},

	"InvalidAccessKeyId.NotFound": {rotation.Permanent, "it does not know the access key id; check the worker's credentials"},
	"InvalidAccessKeyId.Inactive": {rotation.Permanent, "the access key is disabled; enable it or give the worker another one"},
	"InvalidAccessKeyId":          {rotation.Permanent, "it does not take the access key id; check the worker's credentials"},

	"InvalidSecurityToken.Expired":               {rotation.Retryable, "the worker's temporary credentials have expired; the next attempt asks for new ones"},
	"InvalidSecurityToken.Malformed":             {rotation.Permanent, "it does not take the security token; check ALIBABA_CLOUD_SECURITY_TOKEN"},
	"InvalidSecurityToken.MismatchWithAccessKey": {rotation.Permanent, "the security token does not belong to the access key; check the worker's credentials"},
	"MissingSecurityToken":                       {rotation.Permanent, "the access key is a temporary one that needs its security token; set ALIBABA_CLOUD_SECURITY_TOKEN"},

	"InvalidApi.NotFound":      {rotation.Permanent, "the endpoint does not know this operation; is it the right one?"},
	"InvalidProtocol.NeedSsl":  {rotation.Permanent, "the endpoint takes https only"},
	"InvalidRegionId":          {rotation.Permanent, "it does not know the region"},
	"InvalidRegionId.NotFound": {rotation.Permanent, "it does not know the region"},

	"ServiceUnavailable":          {rotation.Retryable, "it is not available at the moment"},
	"ServiceUnavailableTemporary": {rotation.Retryable, "it is not available at the moment"},
	"InternalError":               {rotation.Retryable, "it failed inside"},
	"InternalFailure":             {rotation.Retryable, "it failed inside"},
}

// IsThrottling says whether a code means that there are too many calls. It is told by the code: the gateway answers it with status 400.
func IsThrottling(code string) bool {
	return code == "Throttling" || strings.HasPrefix(code, "Throttling.") || strings.HasPrefix(code, "Rejected.Throttling")
}

// GatewayMeaning gives the meaning of a code that all of Alibaba Cloud's APIs share.
func GatewayMeaning(code string) (Meaning, bool) {
	if IsThrottling(code) {
		return Meaning{rotation.Retryable, "it takes no more requests from this account at the moment"}, true
	}
	m, known := gatewayMeanings[code]
	return m, known
}
