package apsarards_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/rds"
	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/apsarards"
	"rotor/internal/wire/wiretest"
)

var children = map[string]func(context.Context){"faults": printFaults, "raw": printRaw}

// canary is a password that the API would take.
const canary = wiretest.Canary + "-1"

func faults() []wiretest.Fault {
	echo := func(status int, format string) http.HandlerFunc { return wiretest.Echo(status, canary, format) }
	return append(wiretest.Faults(canary), []wiretest.Fault{
		{Name: "500", Code: "InternalError", Serve: echo(500, `{"Code":"InternalError","Message":"%s","RequestId":"x"}`)},
		{Name: "signature", Code: "SignatureDoesNotMatch", Serve: echo(400,
			`{"Code":"SignatureDoesNotMatch","Message":"Specified signature is not matched with our calculation. server string to sign is:%s"}`)},
		{Name: "code that is no string", Code: "HTTP 400", Serve: echo(400, `{"Code":{"a":"%s"},"Message":1,"RequestId":[]}`)},
		{Name: "code that echoes", Code: "HTTP 400", Serve: echo(400, `{"Code":"`+wiretest.Canary+`","Message":"%s"}`)},
		{Name: "request id that echoes", Code: "Throttling.User", Serve: echo(400, `{"Code":"Throttling.User","RequestId":"`+wiretest.Canary+`%s"}`)},
		{Name: "malformed", Code: "malformed", Serve: echo(200, `{"RequestId":"x","A":"%s`)},
		{Name: "busy", Code: "IncorrectAccountStatus", Serve: echo(400, `{"Code":"IncorrectAccountStatus","Message":"%s","RequestId":"%[1]s"}`)},
		{Name: "500 over tls", TLS: true, HTTPS: true, Trusted: true, Code: "InternalError", Serve: echo(500, `{"Code":"InternalError","Message":"%s"}`)},
	}...)
}

// sessionAt is a session that has come so far, at an endpoint where every call fails.
func sessionAt(ctx context.Context, f wiretest.Fault) (*apsarards.Target, func()) {
	endpoint, roots, closeServer := f.Open()
	options := apsarards.Options{Endpoint: endpoint, RootCAs: roots, Wait: time.Millisecond, Logins: proberFunc(func(target.Login) target.Proof {
		return target.Proof{Answer: rotation.Unknown, Code: "timeout"}
	})}
	if f.Name == "timeout" {
		options.Timeout = 50 * time.Millisecond
	}
	broken, err := apsarards.New(options)
	if err != nil {
		panic(err)
	}
	return broken, closeServer
}

// printFaults makes every call at every fault and prints each error in every way there is.
func printFaults(ctx context.Context) {
	password := rotation.NewSecret(canary)
	for _, f := range faults() {
		broken, closeServer := sessionAt(ctx, f)
		_, surveyErr := broken.Survey(ctx, question(rotation.DualAccount, "app"))
		proof := broken.Probe(ctx, login("app", canary))
		_, lockErr := broken.Lock(ctx, target.Login{Place: place, Version: version}, pair)
		session := apsarards.SessionOf(broken, place, version)
		createErr := apsarards.CreateBlindly(ctx, session, "app_rt", password)
		setErr := session.SetPassword(ctx, "app_rt", password)
		dropErr := session.Drop(ctx, "app_rt")
		grantErr := apsarards.GrantBlindly(ctx, session, "app_rt")
		revokeErr := apsarards.RevokeBlindly(ctx, session, "app_rt")
		for _, err := range []error{surveyErr, proof.Err, lockErr, createErr, setErr, dropErr, grantErr, revokeErr} {
			if err == nil {
				panic("a call came through at fault " + f.Name)
			}
			wiretest.PrintError(err)
		}
		fmt.Printf("fault %s: create fails with %q, reset with %q\n", f.Name, rotation.CodeOf(createErr), rotation.CodeOf(setErr))
		closeServer()
	}
}

// printRaw makes a call at a fault with the SDK as it comes.
func printRaw(context.Context) {
	endpoint, _, closeServer := faults()[0].Open()
	defer closeServer()
	client, err := rds.NewClientWithOptions(region, sdk.NewConfig(), credentials.NewAccessKeyCredential("id", "secret"))
	if err != nil {
		panic(err)
	}
	request := rds.CreateResetAccountPasswordRequest()
	request.DBInstanceId, request.AccountName, request.AccountPassword = "rm-1", "app", canary
	request.SetDomain(strings.TrimPrefix(endpoint, "http://"))
	_, err = client.ResetAccountPassword(request)
	if os.Getenv("DEBUG") == "" {
		fmt.Println(err)
	}
}

func TestNothingLeaks(t *testing.T) {
	for name, env := range map[string][]string{
		"plain":     nil,
		"sdk debug": {"DEBUG=sdk"},
		"go debug":  {"GODEBUG=http2debug=2,netdns=go+2"},
	} {
		t.Run(name, func(t *testing.T) {
			output := wiretest.Child(t, "faults", env...)
			for _, f := range faults() {
				require.Regexp(t, fmt.Sprintf("(?m)^fault %s: create fails with \"(%s)\", reset with \"(%[2]s)\"$", f.Name, f.Code), wiretest.Lines(output, "fault "))
			}
			wiretest.RequireNoCanary(t, output)
		})
	}
}

// TestTheSearchFindsLeaks has the SDK leak in the two ways that TestNothingLeaks is about.
func TestTheSearchFindsLeaks(t *testing.T) {
	require.Contains(t, wiretest.Child(t, "raw"), wiretest.Canary, "in an error")
	require.Contains(t, wiretest.Child(t, "raw", "DEBUG=sdk"), wiretest.Canary, "on standard output")
}

// TestPasswordTravels makes sure that what is kept from the SDK arrives all the same.
func TestPasswordTravels(t *testing.T) {
	var got []string
	answers := answeringBy(t, func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Query().Get("AccountPassword"); p != "" {
			got = append(got, p)
		}
		_, _ = io.WriteString(w, `{"RequestId":"x","TotalRecordCount":1,"Accounts":{"DBInstanceAccount":[{"AccountName":"app","AccountStatus":"Available","AccountType":"Normal"}]}}`)
	})
	session := apsarards.SessionOf(answers, place, version)
	const odd = "a+b c&d=e%~*'A1"
	require.NoError(t, session.SetPassword(t.Context(), "app", rotation.NewSecret(odd)))
	require.NoError(t, apsarards.CreateBlindly(t.Context(), session, "app", rotation.NewSecret(odd)))
	require.Equal(t, []string{odd, odd}, got)
	require.NotContains(t, fmt.Sprintf("%v %+v", slog.Any("session", session), session), odd)
}
