package guides_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// standIn is AWS's command line as far as the guides need it: it makes the same calls, by AWS's SDK.
func standIn(args []string) error {
	if len(args) < 2 || args[0] != "secretsmanager" {
		return fmt.Errorf("the stand-in for aws knows no %s", strings.Join(args, " "))
	}
	flags := flag.NewFlagSet("aws", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	region, secret := flags.String("region", "", ""), flags.String("secret-id", "", "")
	lambda, rules := flags.String("rotation-lambda-arn", "", ""), flags.String("rotation-rules", "", "")
	later := flags.Bool("no-rotate-immediately", false, "")
	if err := flags.Parse(args[2:]); err != nil {
		return err
	}
	ctx := context.Background()
	settings, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(*region))
	if err != nil {
		return err
	}
	client := secretsmanager.NewFromConfig(settings)
	switch args[1] {
	case "cancel-rotate-secret":
		_, err = client.CancelRotateSecret(ctx, &secretsmanager.CancelRotateSecretInput{SecretId: secret})
	case "rotate-secret":
		var days int64
		if _, err := fmt.Sscanf(*rules, "AutomaticallyAfterDays=%d", &days); err != nil {
			return fmt.Errorf("--rotation-rules %s: %w", *rules, err)
		}
		_, err = client.RotateSecret(ctx, &secretsmanager.RotateSecretInput{SecretId: secret, RotationLambdaARN: lambda,
			RotateImmediately: aws.Bool(!*later), RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: &days}})
	default:
		err = errors.New("the stand-in for aws knows no " + args[1])
	}
	return err
}
