package alibabacloud

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/auth/credentials"
	"github.com/stretchr/testify/require"

	"rotor/internal/wire"
)

// moody gives credentials while it is well. It is as unguarded as the SDK's providers.
type moody struct {
	well   bool
	panics bool
	asked  int
}

func (m *moody) GetCredentials() (*credentials.Credentials, error) {
	m.asked++
	if m.panics {
		panic("an answer that it does not expect")
	}
	if !m.well {
		return nil, errors.New("unwell")
	}
	return &credentials.Credentials{AccessKeyId: "id", AccessKeySecret: "secret"}, nil
}

func (m *moody) GetProviderName() string { return "moody" }

// withoutOthers lets the default chain find nothing.
func withoutOthers(t *testing.T) {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
	t.Setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
}

func TestOneQuestionAtATime(t *testing.T) {
	m := &moody{well: true}
	c := &chain{patience: time.Hour, provider: m}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			held, failure := c.get(t.Context())
			if failure != nil || held.AccessKeyId != "id" {
				t.Error("no credentials")
			}
		})
	}
	group.Wait()
	require.Positive(t, m.asked)
}

func TestAChainThatFails(t *testing.T) {
	withoutOthers(t)
	for name, c := range map[string]struct {
		patience time.Duration
		kept     bool
	}{"for a moment": {time.Hour, true}, "for too long": {-time.Second, false}} {
		t.Run(name, func(t *testing.T) {
			m := &moody{well: true}
			chain := &chain{patience: c.patience, provider: m}
			get := func() bool {
				held, _ := chain.get(t.Context())
				return held != nil
			}
			require.True(t, get())
			m.well = false
			require.False(t, get())
			require.False(t, get())
			m.well = true
			require.Equal(t, c.kept, get())
		})
	}
}

func TestAProviderThatPanics(t *testing.T) {
	withoutOthers(t)
	c := &chain{patience: time.Hour, provider: &moody{panics: true}}
	_, failure := c.get(t.Context())
	require.Equal(t, wire.NoCredentials, failure.Cause)
}

func TestForget(t *testing.T) {
	withoutOthers(t)
	m := &moody{well: true}
	c := &chain{patience: time.Hour, provider: m}
	c.forget()
	_, failure := c.get(t.Context())
	require.Equal(t, wire.NoCredentials, failure.Cause)
	require.Zero(t, m.asked)
}
