package apsarards

import (
	"context"

	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/requests"
	"github.com/aliyun/alibaba-cloud-sdk-go/sdk/responses"

	"rotor/internal/alibabacloud"
	"rotor/internal/rotation"
	"rotor/internal/target"
)

// Rehearse opens a session that asks the API for no change.
func (t *Target) Rehearse(_ context.Context, by target.Login, _ rotation.Pair, script *target.Script) (target.Session, error) {
	return &session{target: t, place: by.Place, version: by.Version, script: script}, nil
}

// change asks the API for a change, or, in a rehearsal, writes down what it would ask for. Every change goes through here.
func (s *session) change(ctx context.Context, a attempt, request requests.AcsRequest, response responses.AcsResponse, password rotation.Secret) error {
	if s.script == nil {
		return s.target.callWith(ctx, a, request, response, password)
	}
	sends := ""
	if !password.Empty() {
		sends = passwordParameter
	}
	line, err := alibabacloud.Describe(request, sends)
	if err != nil {
		return a.failed(rotation.Retryable, "the request can't be described")
	}
	s.script.Add(line)
	return nil
}

// done waits until a change of an account has come to its end; in a rehearsal there is none.
func (s *session) done(ctx context.Context, name string) error {
	if s.script != nil {
		return nil
	}
	_, err := s.target.available(ctx, s.place, name)
	return err
}

// described describes an account that no change is under way of. In a rehearsal one that would have been created is there, too.
func (s *session) described(ctx context.Context, name string) (account, error) {
	a, exists, err := s.target.account(ctx, s.place, name)
	if err == nil && !exists && s.script != nil {
		return account{name: name, status: statusAvailable, kind: kindNormal}, nil
	}
	if err != nil {
		return a, err
	}
	return a, busy(s.place, name, a, exists)
}
