package alibabakms

import (
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"

	"rotor/internal/alibabacloud"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

// parameterData carries a value, in requests and in answers.
const parameterData = "SecretData"

// putRequest writes a pending version; its value is not among the fields.
func putRequest(ref secretstore.Ref, version string) *kms.PutSecretValueRequest {
	request := kms.CreatePutSecretValueRequest()
	request.SecretName, request.VersionId, request.SecretDataType = ref.Name, version, dataText
	request.VersionStages = `["` + stagePending + `"]`
	return request
}

// moveRequest moves the current stage. Whether RemoveFromVersion may come with a move of ACSCurrent is not documented; the documented move
// is this one.
func moveRequest(ref secretstore.Ref, to string) *kms.UpdateSecretVersionStageRequest {
	request := kms.CreateUpdateSecretVersionStageRequest()
	request.SecretName, request.VersionStage, request.MoveToVersion = ref.Name, stageCurrent, to
	return request
}

// removeRequest takes the pending stage off a version.
func removeRequest(ref secretstore.Ref, version string) *kms.UpdateSecretVersionStageRequest {
	request := kms.CreateUpdateSecretVersionStageRequest()
	request.SecretName, request.VersionStage, request.RemoveFromVersion = ref.Name, stagePending, version
	return request
}

// Calls implements secretstore.Store, of the requests that are sent.
func (s *Store) Calls(ref secretstore.Ref, _, version string) (calls secretstore.Calls, err error) {
	for _, one := range []struct {
		into    *string
		request requests.AcsRequest
		sends   string
	}{
		{&calls.Put, putRequest(ref, version), parameterData}, {&calls.Move, moveRequest(ref, version), ""},
		{&calls.RemovePending, removeRequest(ref, version), ""},
	} {
		if *one.into, err = alibabacloud.Describe(one.request, one.sends); err != nil {
			return calls, rotation.Errorf(rotation.Retryable, "a request to KMS can't be described")
		}
	}
	return calls, nil
}
