package cloudsim_test

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	sdkerrors "github.com/aliyun/alibaba-cloud-sdk-go/sdk/errors"
	"github.com/aliyun/alibaba-cloud-sdk-go/services/kms"
	"github.com/stretchr/testify/require"

	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
)

const region = "cn-hangzhou"

// sim is a cloud with one secret "app" whose current version is v1, and the real SDK pointed at it.
type sim struct {
	*cloudsim.Cloud
	host string
}

func start(t *testing.T) sim {
	t.Helper()
	cloud := cloudsim.New(cloudsim.Options{})
	address, err := cloud.Start("127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cloud.Close()) })
	cloud.KMS().In(cloud.Credential().Account, region).Put(alibabakms.Secret{Name: "app",
		Versions: []alibabakms.Version{{ID: "v1", Data: "canary-one", Stages: []string{alibabakms.Current}}}})
	u, err := url.Parse(address)
	require.NoError(t, err)
	return sim{cloud, u.Host}
}

// sdk makes a client of its own: that SDK's clients race when they are shared.
func (s sim) sdk(t *testing.T) *kms.Client {
	t.Helper()
	key := s.Credential()
	c, err := kms.NewClientWithOptions(region, sdk.NewConfig().WithScheme("HTTP"),
		credentials.NewAccessKeyCredential(key.AccessKeyID, key.Secret))
	require.NoError(t, err)
	c.Domain = s.host
	return c
}

func put(c *kms.Client, version string) error {
	r := kms.CreatePutSecretValueRequest()
	r.SecretName, r.VersionId, r.SecretData = "app", version, "canary-"+version
	_, err := c.PutSecretValue(r)
	return err
}

func get(c *kms.Client) (string, error) {
	r := kms.CreateGetSecretValueRequest()
	r.SecretName = "app"
	got, err := c.GetSecretValue(r)
	if err != nil {
		return "", err
	}
	return got.VersionId, nil
}

func (s sim) current(t *testing.T) string {
	t.Helper()
	secret, ok := s.KMS().In(s.Credential().Account, region).Secret("app")
	require.True(t, ok)
	return secret.Holder(alibabakms.Current).ID
}

func TestFaultsOnAWrite(t *testing.T) {
	for kind, tc := range map[cloudsim.Kind]struct {
		code    string // empty: no error of the API reaches the client
		applied bool
	}{
		cloudsim.Throttle:    {"Rejected.Throttling", false},
		cloudsim.ErrorBefore: {"InternalFailure", false},
		cloudsim.ErrorAfter:  {"InternalFailure", true},
		cloudsim.Deny:        {"Forbidden.NoPermission", false},
		cloudsim.CloseBefore: {"", false},
		cloudsim.CloseAfter:  {"", true},
		cloudsim.Malformed:   {"", true},
	} {
		t.Run(string(kind), func(t *testing.T) {
			s := start(t)
			c := s.sdk(t)
			fault := s.Inject(cloudsim.Fault{Kind: kind, API: cloudsim.AlibabaKMS, Action: "PutSecretValue", Resource: "app"})
			err := put(c, "v2")
			require.Error(t, err)
			var failure *sdkerrors.ServerError
			require.Equal(t, tc.code != "", errors.As(err, &failure), "got %T", err)
			if tc.code != "" {
				require.Equal(t, tc.code, failure.ErrorCode())
			}
			require.Equal(t, map[bool]string{true: "v2", false: "v1"}[tc.applied], s.current(t))
			require.Equal(t, 1, fault.Hits())

			line := s.Requests()[0]
			require.Equal(t, tc.applied, line.Applied)
			require.Equal(t, []cloudsim.Kind{kind}, line.Faults)
			require.Equal(t, "app", line.Resource)

			require.NoError(t, put(c, "v2"), "once is once")
			require.Equal(t, "v2", s.current(t))
		})
	}
}

func TestNthAndTimes(t *testing.T) {
	for name, tc := range map[string]struct {
		fault cloudsim.Fault
		want  []bool // whether each of five reads fails
	}{
		"first":           {cloudsim.Fault{}, []bool{true, false, false, false, false}},
		"third":           {cloudsim.Fault{Nth: 3}, []bool{false, false, true, false, false}},
		"second and two":  {cloudsim.Fault{Nth: 2, Times: 2}, []bool{false, true, true, false, false}},
		"always":          {cloudsim.Fault{Nth: 2, Times: cloudsim.Always}, []bool{false, true, true, true, true}},
		"other action":    {cloudsim.Fault{Action: "PutSecretValue"}, []bool{false, false, false, false, false}},
		"other resource":  {cloudsim.Fault{Resource: "web"}, []bool{false, false, false, false, false}},
		"other API":       {cloudsim.Fault{API: cloudsim.AlibabaRDS}, []bool{false, false, false, false, false}},
		"other key":       {cloudsim.Fault{AccessKey: "x"}, []bool{false, false, false, false, false}},
		"by the function": {cloudsim.Fault{If: func(r cloudsim.Request) bool { return r.Action == "GetSecretValue" }, Times: 2}, []bool{true, true, false, false, false}},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			c := s.sdk(t)
			tc.fault.Kind = cloudsim.Throttle
			s.Inject(tc.fault)
			for i, fails := range tc.want {
				_, err := get(c)
				require.Equal(t, fails, err != nil, "read %d", i+1)
			}
		})
	}
}

func TestRemovedFaultsAreGone(t *testing.T) {
	s := start(t)
	c := s.sdk(t)
	fault := s.Inject(cloudsim.Fault{Kind: cloudsim.Throttle, Times: cloudsim.Always})
	_, err := get(c)
	require.Error(t, err)
	fault.Remove()
	_, err = get(c)
	require.NoError(t, err)
	s.Inject(cloudsim.Fault{Kind: cloudsim.Throttle})
	s.ClearFaults()
	_, err = get(c)
	require.NoError(t, err)
}

func TestSlowIsAppliedAfterItsClientHasGone(t *testing.T) {
	s := start(t)
	held := s.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Action: "PutSecretValue"})
	c := s.sdk(t)
	c.SetReadTimeout(50 * time.Millisecond)
	require.Error(t, put(c, "v2"), "the client gives up")
	<-held.Reached()
	require.Equal(t, "v1", s.current(t))
	held.Release()
	require.Eventually(t, func() bool { return s.current(t) == "v2" }, 10*time.Second, time.Millisecond)
}

func TestSlowAnswerIsAppliedAtOnce(t *testing.T) {
	s := start(t)
	held := s.Inject(cloudsim.Fault{Kind: cloudsim.SlowAnswer, Action: "PutSecretValue"})
	result := make(chan error, 1)
	c := s.sdk(t)
	go func() { result <- put(c, "v2") }()
	<-held.Reached()
	require.Eventually(t, func() bool { return s.current(t) == "v2" }, 10*time.Second, time.Millisecond)
	require.Empty(t, result, "but not answered yet")
	held.Release()
	require.NoError(t, <-result)
}

func TestHeldForATime(t *testing.T) {
	s := start(t)
	s.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Hold: 60 * time.Millisecond})
	began := time.Now()
	_, err := get(s.sdk(t))
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond)
}

func TestCloseDropsWhatIsHeld(t *testing.T) {
	s := start(t)
	held := s.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Action: "PutSecretValue"})
	result := make(chan error, 1)
	c := s.sdk(t)
	go func() { result <- put(c, "v2") }()
	<-held.Reached()
	require.NoError(t, s.Close())
	require.Error(t, <-result)
	require.Equal(t, "v1", s.current(t))
}

func TestStaleReads(t *testing.T) {
	s := start(t)
	c := s.sdk(t)
	require.NoError(t, put(c, "v2"))
	s.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Action: "GetSecretValue", Times: 2})
	for i, want := range []string{"v1", "v1", "v2"} {
		got, err := get(c)
		require.NoError(t, err)
		require.Equal(t, want, got, "read %d", i+1)
	}
	require.Equal(t, "v2", s.current(t), "the truth was never different")

	lagging := s.Inject(cloudsim.Fault{Kind: cloudsim.Stale, Lag: time.Hour, Times: cloudsim.Always})
	_, err := get(c)
	require.ErrorContains(t, err, "Forbidden.ResourceNotFound", "an hour ago there was no such secret")
	require.NoError(t, put(c, "v3"), "writes see the truth")
	lagging.Remove()
	got, err := get(c)
	require.NoError(t, err)
	require.Equal(t, "v3", got)
}

func TestHooksStandRightBeforeAndAfterTheEffect(t *testing.T) {
	s := start(t)
	c := s.sdk(t)
	var seen []string
	s.Before(func(r cloudsim.Request) cloudsim.Verdict {
		seen = append(seen, "before "+r.Action+" "+s.current(t))
		return cloudsim.Apply
	})
	s.After(func(r cloudsim.Request) {
		require.True(t, r.Applied)
		seen = append(seen, "after "+r.Action+" "+s.current(t))
	})
	require.NoError(t, put(c, "v2"))
	require.Equal(t, []string{"before PutSecretValue v1", "after PutSecretValue v2"}, seen)
}

func TestAHookCanDropARequest(t *testing.T) {
	s := start(t)
	c := s.sdk(t)
	remove := s.Before(func(cloudsim.Request) cloudsim.Verdict { return cloudsim.Drop })
	require.Error(t, put(c, "v2"))
	require.Equal(t, "v1", s.current(t))
	require.False(t, s.Requests()[0].Applied)
	remove()
	require.NoError(t, put(c, "v2"))
}

func TestTheLogIsInOrderAndHoldsNoValues(t *testing.T) {
	s := start(t)
	c := s.sdk(t)
	require.NoError(t, put(c, "v2"))
	_, err := get(c)
	require.NoError(t, err)
	lines := s.Requests()
	require.Len(t, lines, 2)
	require.Equal(t, []int{1, 2}, []int{lines[0].Seq, lines[1].Seq})
	require.Equal(t, "PutSecretValue", lines[0].Action)
	require.Equal(t, "v2", lines[0].Params["VersionId"])
	require.Equal(t, "***", lines[0].Params["SecretData"])
	require.Equal(t, s.Credential().AccessKeyID, lines[0].AccessKey)
	require.Contains(t, lines[0].String(), "#1 ")
	require.Contains(t, lines[0].String(), "alibaba-kms PutSecretValue app by cloudsim-key: 200 applied")
	for _, line := range lines {
		require.NotContains(t, line.String(), "canary")
		require.NotContains(t, line.Params, "Signature")
	}
	require.Len(t, s.RequestsSince(1), 1)
	require.Empty(t, s.RequestsSince(2))
	require.Len(t, s.Values(), 1, "and are kept apart")
	require.Contains(t, s.Values()[0], "canary")
}

func TestManyClientsAtOnce(t *testing.T) {
	s := start(t)
	var wg sync.WaitGroup
	for range 8 {
		c := s.sdk(t)
		wg.Go(func() {
			for range 20 {
				if _, err := get(c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Len(t, s.Requests(), 160)
}
