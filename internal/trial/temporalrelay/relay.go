// Package temporalrelay stands between workers and a Temporal server, and sees every call: right before the server gets it, and right
// after the server has answered, before the worker hears of it. What happens then is the caller's to say.
package temporalrelay

import (
	"context"
	"fmt"
	"net"
	"path"

	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// Call is a call of a worker.
type Call struct {
	// Method is its name, such as RespondActivityTaskCompleted.
	Method  string
	Request any
	// Response is nil before the server has answered.
	Response any
}

// Hook is asked about each call before the server gets it, and again when the server has answered without an error. False breaks the call
// off. It may block.
type Hook func(Call) bool

// Relay is another address of a server.
type Relay struct {
	Address string

	server   *grpc.Server
	upstream *grpc.ClientConn
	served   chan struct{}
}

// most is more bytes than any call has.
const most = 1 << 27

// Listen opens a relay on loopback.
func Listen(address string, hook Hook) (*Relay, error) {
	upstream, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(most), grpc.MaxCallSendMsgSize(most)))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	service, err := proxy.NewWorkflowServiceProxyServer(proxy.WorkflowServiceProxyOptions{Client: workflowservice.NewWorkflowServiceClient(upstream)})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{Address: listener.Addr().String(), upstream: upstream, served: make(chan struct{})}
	r.server = grpc.NewServer(grpc.UnaryInterceptor(intercept(hook)), grpc.MaxRecvMsgSize(most), grpc.MaxSendMsgSize(most))
	workflowservice.RegisterWorkflowServiceServer(r.server, service)
	go func() {
		defer close(r.served)
		_ = r.server.Serve(listener) // ends when the server is stopped
	}()
	return r, nil
}

func intercept(hook Hook) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, request any, info *grpc.UnaryServerInfo, forward grpc.UnaryHandler) (any, error) {
		call := Call{Method: path.Base(info.FullMethod), Request: request}
		if !hook(call) {
			return nil, status.Error(codes.Unavailable, "the call was broken off")
		}
		response, err := forward(ctx, request)
		if err != nil {
			return nil, err
		}
		call.Response = response
		if !hook(call) {
			return nil, status.Error(codes.Unavailable, "the answer was lost")
		}
		return response, nil
	}
}

// Close ends the relay and every connection.
func (r *Relay) Close() error {
	r.server.Stop()
	<-r.served
	return r.upstream.Close()
}
