package awssecretsmanager

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"rotor/internal/rotation"
	"rotor/internal/secretstore"
)

func putInput(id *string, version, value string) *secretsmanager.PutSecretValueInput {
	return &secretsmanager.PutSecretValueInput{
		SecretId: id, ClientRequestToken: aws.String(version), SecretString: aws.String(value), VersionStages: []string{stagePending},
	}
}

func moveInput(from, to string) secretsmanager.UpdateSecretVersionStageInput {
	return secretsmanager.UpdateSecretVersionStageInput{
		VersionStage: aws.String(stageCurrent), MoveToVersionId: aws.String(to), RemoveFromVersionId: aws.String(from),
	}
}

func removeInput(version string) secretsmanager.UpdateSecretVersionStageInput {
	return secretsmanager.UpdateSecretVersionStageInput{VersionStage: aws.String(stagePending), RemoveFromVersionId: aws.String(version)}
}

// Calls implements secretstore.Store, of the requests that are sent.
func (s *Store) Calls(ref secretstore.Ref, base, version string) (calls secretstore.Calls, err error) {
	id := aws.String(ref.Name)
	move, remove := moveInput(base, version), removeInput(version)
	move.SecretId, remove.SecretId = id, id
	for _, one := range []struct {
		into   *string
		action string
		input  any
	}{
		{&calls.Put, "PutSecretValue", putInput(id, version, "***")}, {&calls.Move, "UpdateSecretVersionStage", move},
		{&calls.RemovePending, "UpdateSecretVersionStage", remove},
	} {
		if *one.into, err = describeInput(one.action, one.input); err != nil {
			return calls, rotation.Errorf(rotation.Retryable, "a request to Secrets Manager can't be described")
		}
	}
	return calls, nil
}

// describeInput says in one line what a request would ask for.
func describeInput(action string, input any) (string, error) {
	text, err := json.Marshal(input)
	if err != nil {
		return "", err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return "", err
	}
	line := action
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch value := fields[name].(type) {
		case nil:
		case string:
			line += " " + name + "=" + value
		default:
			list, err := json.Marshal(value)
			if err != nil {
				return "", err
			}
			line += fmt.Sprintf(" %s=%s", name, list)
		}
	}
	return line, nil
}
