package payload

import (
	"context"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// Protect gives a client's options the keys. It is to be done without keys, too, so that encrypted payloads are refused with a reason.
func (k *Keys) Protect(options client.Options) client.Options {
	options.DataConverter = k.Converter()
	options.FailureConverter = temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter: options.DataConverter, EncodeCommonAttributes: k != nil,
	})
	return options
}

// Converter converts values to payloads and back.
func (k *Keys) Converter() converter.DataConverter {
	return &contextual{converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), k.Codec())}
}

// contextual is a data converter that is another one in workflows.
type contextual struct{ converter.DataConverter }

var _ workflow.ContextAware = (*contextual)(nil)

// WithWorkflowContext gives the one for workflows.
func (c *contextual) WithWorkflowContext(workflow.Context) converter.DataConverter {
	return &insistent{c.DataConverter}
}

// WithContext gives the one for everything else.
func (c *contextual) WithContext(context.Context) converter.DataConverter { return c }

// insistent panics where a payload can't be read. In a workflow an error would end the rotation, or look like the failure of a step and
// roll it back; a panic fails the task, which is repeated until a worker has the key.
type insistent struct{ converter.DataConverter }

func (i *insistent) FromPayload(p *commonpb.Payload, into any) error {
	return Insist(i.DataConverter.FromPayload(p, into))
}

func (i *insistent) FromPayloads(p *commonpb.Payloads, into ...any) error {
	return Insist(i.DataConverter.FromPayloads(p, into...))
}

// Insist panics with an error about a payload that can't be read, and gives any other one back.
func Insist(err error) error {
	if IsUnreadable(err) {
		panic(err)
	}
	return err
}
