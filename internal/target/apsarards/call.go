package apsarards

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"

	"rotor/internal/alibabacloud"
	"rotor/internal/rotation"
)

// passwordParameter carries the password in the requests that have one. It travels in the URL.
const passwordParameter = "AccountPassword"

// attempt is what was tried, for the text of an error.
type attempt struct {
	// doing reads "cannot <doing> instance ...".
	doing  string
	action string
	place  rotation.Place
	// writes says that the API was asked to change something.
	writes bool
}

// Forms of what comes from requests; they become part of host names and of errors.
var (
	instanceForm = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	regionForm   = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

func check(place rotation.Place) error {
	if !instanceForm.MatchString(place.Instance) {
		return rotation.FieldError("InstanceId", "no id of an instance: it has letters, digits and dashes, like rm-uf6wjk5xxxxxxxxxx")
	}
	if !regionForm.MatchString(place.Region) {
		return rotation.FieldError("RegionId", "no region: it has lower-case letters, digits and dashes, like cn-hangzhou")
	}
	return nil
}

// call makes one call. Every error is a *rotation.Error.
func (t *Target) call(ctx context.Context, a attempt, request requests.AcsRequest, response responses.AcsResponse) error {
	return t.callWith(ctx, a, request, response, rotation.Secret{})
}

// callWith makes a call that carries a password.
func (t *Target) callWith(ctx context.Context, a attempt, request requests.AcsRequest, response responses.AcsResponse, password rotation.Secret) error {
	if err := check(a.place); err != nil {
		return err
	}
	sends := ""
	if !password.Empty() {
		sends = passwordParameter
	}
	for tries := 0; ; tries++ {
		_, err := t.caller.Do(ctx, alibabacloud.Call{
			Endpoint: t.route.Endpoint(a.place.Region), Region: a.place.Region, Request: request, Response: response, Sends: sends, Value: password,
		})
		if err == nil {
			return nil
		}
		failed := t.classify(a, err)
		if tries == throttleTries || !throttled(failed) || !sleep(ctx, t.wait/50<<tries) {
			return failed
		}
	}
}

// throttleTries is how often a call is made again that was turned away for there being too many, which had no effect. A step makes a dozen
// calls, and begins with the first when one of them fails: where many rotations share the limit, it would hardly come to an end.
// The pauses before are small parts of the wait for an account, 1.4 seconds together.
const throttleTries = 3

func throttled(err *rotation.Error) bool {
	return err.Kind == rotation.Retryable && strings.HasPrefix(err.Code, "Throttling")
}

// sleep is false if the context ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
