package canary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/proxy"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Folder gives every file of a folder and of those in it, as a dev server's: the database file, its -wal, logs.
func Folder(path string) ([]Source, error) {
	var sources []Source
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			sources = append(sources, Source{"file " + filepath.Base(path), func() ([]byte, error) { return file(path) }})
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the files to search: %w", err)
	}
	return sources, nil
}

// file reads a file; one that is gone by now (SQLite's journal comes and goes) leaves nothing behind.
func file(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

// Histories gives what Temporal keeps of every workflow of a namespace, closed or open: all events and the description as JSON,
// and the payloads in them decoded.
func Histories(ctx context.Context, c client.Client, namespace string) ([]Source, error) {
	var sources []Source
	var page []byte
	for {
		list, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Namespace: namespace, NextPageToken: page})
		if err != nil {
			return nil, fmt.Errorf("list the workflows to search: %w", err)
		}
		for _, w := range list.GetExecutions() {
			id, run := w.GetExecution().GetWorkflowId(), w.GetExecution().GetRunId()
			sources = append(sources, Source{"history of " + id + ", run " + run, func() ([]byte, error) { return history(ctx, c, id, run) }})
		}
		if page = list.GetNextPageToken(); len(page) == 0 {
			return sources, nil
		}
	}
}

func history(ctx context.Context, c client.Client, id, run string) ([]byte, error) {
	var b bytes.Buffer
	events := c.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		e, err := events.Next()
		if err != nil {
			return nil, err
		}
		if err := write(ctx, &b, e); err != nil {
			return nil, err
		}
	}
	described, err := c.DescribeWorkflowExecution(ctx, id, run)
	if err != nil {
		return nil, err
	}
	return b.Bytes(), write(ctx, &b, described)
}

// write adds a message as JSON, and the data of the payloads in it as they are.
func write(ctx context.Context, b *bytes.Buffer, message proto.Message) error {
	text, err := protojson.Marshal(message)
	if err != nil {
		return err
	}
	b.Write(text)
	b.WriteByte('\n')
	return proxy.VisitPayloads(ctx, message, proxy.VisitPayloadsOptions{
		Visitor: func(_ *proxy.VisitPayloadsContext, payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
			for _, p := range payloads {
				b.Write(p.GetData())
				b.WriteByte('\n')
			}
			return payloads, nil
		},
	})
}
