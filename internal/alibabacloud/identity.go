package alibabacloud

import (
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
)

// sessionName stands in ActionTrail for what a role that was taken on does.
const sessionName = "rotor"

// Identity says who makes the calls. The zero value is whom the SDK's default chain finds.
type Identity struct {
	// Profile is one of ~/.aliyun/config.json to take the credentials from, instead of the chain.
	Profile string
	// RoleARN is a RAM role to take on, ExternalID what its trust policy wants.
	RoleARN, ExternalID string
	// STSEndpoint is the host of the token service; "": sts.aliyuncs.com, or what ALIBABA_CLOUD_STS_REGION and
	// ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED make of it.
	STSEndpoint string
}

// provider makes the SDK's provider, nil if it can't be made.
func (i Identity) provider() (provider credentials.CredentialsProvider) {
	provider = credentials.NewDefaultCredentialsProvider()
	if i.Profile != "" {
		provider = credentials.NewCLIProfileCredentialsProviderBuilder().WithProfileName(i.Profile).Build()
	}
	if i.RoleARN == "" {
		return provider
	}
	role, err := credentials.NewRAMRoleARNCredentialsProviderBuilder().WithCredentialsProvider(provider).WithRoleArn(i.RoleARN).
		WithExternalId(i.ExternalID).WithRoleSessionName(sessionName).WithStsEndpoint(i.STSEndpoint).Build()
	if err != nil {
		return nil
	}
	return role
}

// sources is where credentials are looked for.
func (i Identity) sources() string {
	from := sources
	if i.Profile != "" {
		from = "neither the store's profile in ~/.aliyun/config.json"
	}
	if i.RoleARN != "" {
		from += ", nor the role that is to be taken on (it may not trust the worker's identity, or want another external id),"
	}
	return from
}
