package cli_test

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"rotor/internal/cli"
)

// namespace makes a namespace without search attributes.
func namespace(t *testing.T, name string) string {
	t.Helper()
	_, err := temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: name, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	require.NoError(t, err)
	eventually(t, 2*time.Minute, "the namespace is known", func() bool {
		_, err := temporal.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: name})
		return err == nil
	})
	return name
}

func TestSetupRegistersSearchAttributesOnce(t *testing.T) {
	t.Parallel()
	name := namespace(t, "setup")
	first := run(t, []string{"setup", "--namespace", name})
	require.Equal(t, cli.ExitOK, first.code, first.stderr)
	inOrder(t, first.stdout, "RotorFleet was registered", "RotorOutcome was registered", "RotorSecret was registered", "RotorStuck was registered", "restart")

	list, err := temporal.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: name})
	require.NoError(t, err)
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_BOOL, list.GetCustomAttributes()["RotorStuck"])
	require.Equal(t, enumspb.INDEXED_VALUE_TYPE_KEYWORD, list.GetCustomAttributes()["RotorSecret"])

	again := run(t, []string{"setup", "--namespace", name})
	require.Equal(t, cli.ExitOK, again.code, again.stderr)
	require.Equal(t, 4, strings.Count(again.stdout, "was there already"), again.stdout)
	require.NotContains(t, again.stdout, "registered")

	asJSON := run(t, []string{"setup", "--namespace", name, "--output", "json"})
	var report cli.SetupReport
	require.NoError(t, json.Unmarshal([]byte(asJSON.stdout), &report), asJSON.stdout)
	require.Equal(t, cli.SetupReport{Namespace: name, Present: []string{"RotorFleet", "RotorOutcome", "RotorSecret", "RotorStuck"}}, report)
}

func TestSetupRefusesAnotherType(t *testing.T) {
	t.Parallel()
	name := namespace(t, "othertype")
	_, err := temporal.OperatorService().AddSearchAttributes(t.Context(), &operatorservice.AddSearchAttributesRequest{Namespace: name,
		SearchAttributes: map[string]enumspb.IndexedValueType{"RotorStuck": enumspb.INDEXED_VALUE_TYPE_KEYWORD}})
	require.NoError(t, err)
	f := run(t, []string{"setup", "--namespace", name})
	require.Equal(t, cli.ExitRefused, f.code)
	oneLine(t, f.stderr)
	require.Contains(t, f.stderr, "RotorStuck of namespace othertype has type Keyword; wanted: Bool")
}

func TestSetupWithoutTheRightSaysWhatToDo(t *testing.T) {
	t.Parallel()
	name := namespace(t, "noright")
	f := run(t, []string{"setup", "--namespace", name, "--address", denying(t, "AddSearchAttributes")})
	require.Equal(t, cli.ExitRefused, f.code, f.stdout)
	oneLine(t, f.stderr)
	for _, words := range []string{"may not register", "--namespace noright", "--name RotorSecret --type Keyword", "--name RotorStuck --type Bool", "tcld"} {
		require.Contains(t, f.stderr, words)
	}
	list, err := temporal.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: name})
	require.NoError(t, err)
	require.NotContains(t, list.GetCustomAttributes(), "RotorStuck")
}

// frame is a message that is passed on as it is.
type frame []byte

type frames struct{}

func (frames) Name() string                       { return "proto" }
func (frames) Marshal(v any) ([]byte, error)      { return *v.(*frame), nil }
func (frames) Unmarshal(data []byte, v any) error { *v.(*frame) = append(frame{}, data...); return nil }

// denying is the way to Temporal for somebody who may not call a method.
func denying(t *testing.T, method string) (address string) {
	t.Helper()
	conn, err := grpc.NewClient(stack.Temporal.Address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(frames{})))
	require.NoError(t, err)
	server := grpc.NewServer(grpc.ForceServerCodec(frames{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		called, _ := grpc.MethodFromServerStream(s)
		if strings.HasSuffix(called, "/"+method) {
			return status.Error(codes.PermissionDenied, "Request unauthorized.")
		}
		var in, out frame
		if err := s.RecvMsg(&in); err != nil {
			return err
		}
		headers, _ := metadata.FromIncomingContext(s.Context())
		if err := conn.Invoke(metadata.NewOutgoingContext(s.Context(), headers), called, &in, &out); err != nil {
			return err
		}
		return s.SendMsg(&out)
	}))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
		require.NoError(t, conn.Close())
	})
	return listener.Addr().String()
}
