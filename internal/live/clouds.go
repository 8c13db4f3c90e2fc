package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"rotor/internal/alibabacloud"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
)

// cloud makes secrets, looks at them and deletes them, past the code of the store that is tried.
type cloud interface {
	// document is the value of a secret; admin names the admin secret, or its ARN, "" for none.
	document(s settings, account string, password rotation.Secret, database, admin string) map[string]any
	// create gives what another document names it by.
	create(ctx context.Context, name string, document map[string]any) (reference string, err error)
	// current is the account and password of the current version.
	current(ctx context.Context, name string) (account string, password rotation.Secret, err error)
	remove(ctx context.Context, name string) error
}

var clouds = map[string]func(context.Context, settings) (cloud, error){
	rotation.StoreAlibabaKMS: newAlibaba,
	rotation.StoreAWS:        newAWS,
}

type alibaba struct {
	caller *alibabacloud.Caller
	route  alibabacloud.Route
	region string
}

func newAlibaba(_ context.Context, s settings) (cloud, error) {
	route, err := alibabacloud.NewRoute("kms", nil, alibabacloud.RouteOptions{
		Network: s.worker.AlibabaNetwork, Endpoint: s.worker.AlibabaKMSEndpoint, Setting: "ROTOR_ALIBABA_KMS_ENDPOINT", AllowHTTP: s.worker.AllowHTTP,
	})
	if err != nil {
		return nil, err
	}
	return &alibaba{alibabacloud.NewCaller(alibabacloud.Options{}), route, s.region}, nil
}

func (a *alibaba) document(s settings, account string, password rotation.Secret, database, admin string) map[string]any {
	d := map[string]any{"Endpoint": s.host, "Port": s.port, "AccountName": account, "AccountPassword": password.Reveal()}
	if database != "" {
		d["DBName"] = database
	}
	if admin != "" {
		d["MasterSecret"] = admin
	}
	return d
}

func (a *alibaba) create(ctx context.Context, name string, document map[string]any) (string, error) {
	request := kms.CreateCreateSecretRequest()
	request.SecretName, request.VersionId, request.Description = name, "v1", "made by Rotor's make test-live, can be deleted"
	_, err := a.caller.Do(ctx, alibabacloud.Call{Endpoint: a.route.Endpoint(a.region), Region: a.region, Request: request,
		Response: kms.CreateCreateSecretResponse(), Sends: "SecretData", Value: encoded(document)})
	return name, err
}

func (a *alibaba) current(ctx context.Context, name string) (string, rotation.Secret, error) {
	request := kms.CreateGetSecretValueRequest()
	request.SecretName = name
	data, err := a.caller.Do(ctx, alibabacloud.Call{Endpoint: a.route.Endpoint(a.region), Region: a.region, Request: request,
		Response: kms.CreateGetSecretValueResponse(), Gets: "SecretData"})
	if err != nil {
		return "", rotation.Secret{}, err
	}
	return login(data.Reveal(), "AccountName", "AccountPassword")
}

func (a *alibaba) remove(ctx context.Context, name string) error {
	request := kms.CreateDeleteSecretRequest()
	request.SecretName, request.ForceDeleteWithoutRecovery = name, "true"
	_, err := a.caller.Do(ctx, alibabacloud.Call{Endpoint: a.route.Endpoint(a.region), Region: a.region, Request: request, Response: kms.CreateDeleteSecretResponse()})
	return err
}

type amazon struct{ client *secretsmanager.Client }

func newAWS(ctx context.Context, s settings) (cloud, error) {
	config, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(s.region))
	if err != nil {
		return nil, errors.New("read AWS's own configuration: it can't be used")
	}
	return &amazon{secretsmanager.NewFromConfig(config, func(o *secretsmanager.Options) {
		if s.worker.AWSEndpoint != "" {
			o.BaseEndpoint = &s.worker.AWSEndpoint
		}
	})}, nil
}

func (a *amazon) document(s settings, account string, password rotation.Secret, database, admin string) map[string]any {
	d := map[string]any{"engine": "mysql", "host": s.host, "port": s.port, "username": account, "password": password.Reveal()}
	if database != "" {
		d["dbname"] = database
	}
	if admin != "" {
		d["masterarn"] = admin
	}
	return d
}

func (a *amazon) create(ctx context.Context, name string, document map[string]any) (string, error) {
	value, about := encoded(document), "made by Rotor's make test-live, can be deleted"
	text := value.Reveal()
	made, err := a.client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &name, SecretString: &text, Description: &about})
	if err != nil {
		return "", answered(err)
	}
	return *made.ARN, nil
}

func (a *amazon) current(ctx context.Context, name string) (string, rotation.Secret, error) {
	value, err := a.client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return "", rotation.Secret{}, answered(err)
	}
	return login(*value.SecretString, "username", "password")
}

func (a *amazon) remove(ctx context.Context, name string) error {
	now := true
	_, err := a.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{SecretId: &name, ForceDeleteWithoutRecovery: &now})
	return answered(err)
}

// answered says what came back, without the SDK's text.
func answered(err error) error {
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("secrets manager answered %s", refused.ErrorCode())
	}
	if err != nil {
		return errors.New("secrets manager did not answer, or there are no credentials")
	}
	return nil
}

func encoded(document map[string]any) rotation.Secret {
	data, err := json.Marshal(document)
	if err != nil {
		panic("a document is always JSON") // texts and numbers
	}
	return rotation.NewSecret(string(data))
}

func login(document, account, password string) (string, rotation.Secret, error) {
	var fields map[string]any
	if json.Unmarshal([]byte(document), &fields) != nil {
		return "", rotation.Secret{}, errors.New("the current version is no JSON any more")
	}
	name, _ := fields[account].(string)
	word, _ := fields[password].(string)
	return name, rotation.NewSecret(word), nil
}

// seeder makes the accounts on the server.
func seeder(s settings, db dbHandle) devstack.Seeder {
	return devstack.Seeder{DB: db, Host: s.host, Port: s.port}
}
