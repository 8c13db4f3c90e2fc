package alibabakms_test

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/internal/rotation"
	"rotor/internal/secretstore/alibabakms"
)

// patience bounds what a test waits for; nothing takes so long unless it is broken.
const patience = 20 * time.Second

// TestCancelAborts has the end of the context end the call, and the server see the connection go.
func TestCancelAborts(t *testing.T) {
	for name, answer := range map[string]func(http.ResponseWriter){
		"before the answer": func(http.ResponseWriter) {},
		"within the answer": func(w http.ResponseWriter) {
			_, _ = io.WriteString(w, `{"RequestId":"x",`)
			w.(http.Flusher).Flush()
		},
	} {
		t.Run(name, func(t *testing.T) {
			arrived, gone := make(chan struct{}), make(chan struct{})
			store := answering(t, func(w http.ResponseWriter, r *http.Request) {
				answer(w)
				close(arrived)
				<-r.Context().Done()
				close(gone)
			}, alibabakms.Options{Timeout: time.Hour})
			ctx, cancel := context.WithCancel(t.Context())
			result := make(chan error, 1)
			go func() { result <- store.PutPending(ctx, ref, "v2", rotation.NewSecret("x")) }()
			within(t, arrived)
			cancel()
			within(t, gone)
			select {
			case err := <-result:
				requireKind(t, err, rotation.Retryable, "cancelled", "given up", "whether it took effect is not known")
			case <-time.After(patience):
				require.Fail(t, "the call goes on")
			}
		})
	}
}

func within(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		require.Fail(t, "it does not happen")
	}
}

func TestCancelledBefore(t *testing.T) {
	b := start(t, alibabakms.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	requireKind(t, b.PutPending(ctx, ref, "v2", rotation.NewSecret("x")), rotation.Retryable, "cancelled", "nothing was sent")
	require.Empty(t, b.cloud.Requests())
}

// TestWaitsForCredentials has them come from a server that takes its time: the context ends the wait, and a later call
// gets what the server says at last.
func TestWaitsForCredentials(t *testing.T) {
	b := start(t, alibabakms.Options{Timeout: time.Hour})
	b.seed(current("v1", "a"))
	credential := b.cloud.Credential()
	asked, answer := make(chan struct{}, 10), make(chan struct{})
	source := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		asked <- struct{}{}
		<-answer
		_, _ = io.WriteString(w, `{"AccessKeyId":"`+credential.AccessKeyID+`","AccessKeySecret":"`+credential.Secret+
			`","SecurityToken":"","Expiration":"2100-01-01T00:00:00Z"}`)
	})
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", source)

	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- b.PutPending(ctx, ref, "v2", rotation.NewSecret("x")) }()
	within(t, asked)
	cancel()
	select {
	case err := <-result:
		requireKind(t, err, rotation.Retryable, "cancelled")
	case <-time.After(patience):
		require.Fail(t, "the call goes on")
	}
	close(answer)
	_, err := b.ReadCurrent(t.Context(), ref)
	require.NoError(t, err)
	require.Empty(t, asked, "the answer to the first question is used")
}

func TestSlowCredentials(t *testing.T) {
	b := start(t, alibabakms.Options{Timeout: 50 * time.Millisecond})
	release := make(chan struct{})
	source := newServer(t, func(http.ResponseWriter, *http.Request) { <-release })
	t.Cleanup(func() { close(release) })
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
	t.Setenv("ALIBABA_CLOUD_CREDENTIALS_URI", source)
	_, err := b.ReadCurrent(t.Context(), ref)
	requireKind(t, err, rotation.Retryable, "no-credentials", "answered in time", "ALIBABA_CLOUD_CREDENTIALS_URI")
}
