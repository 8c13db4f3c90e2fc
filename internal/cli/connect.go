package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc/status"

	"rotor/internal/config"
	"rotor/internal/payload"
	"rotor/internal/rotation"
)

// connection is where Temporal is.
type connection struct {
	temporal config.Temporal
	queue    string
	// taskTimeout is that of the workflows that are started; 0: as the server has it.
	taskTimeout time.Duration
	// keyFile names the keys that hide secrets' names from Temporal.
	keyFile  string
	keys     *payload.Keys
	settings *config.Settings
	flags    *pflag.FlagSet
	options  client.Options
}

func (c *connection) bind(cmd *cobra.Command) {
	c.temporal.Bind(cmd.Flags())
	c.settings = &config.Settings{}
	c.settings.Text(&c.queue, "task-queue", "ROTOR_TASK_QUEUE", config.DefaultTaskQueue, "Temporal task queue of the workers")
	config.WorkflowTaskTimeout(c.settings, &c.taskTimeout)
	config.PayloadKeys(c.settings, &c.keyFile)
	c.settings.Bind(cmd.Flags())
	c.flags = cmd.Flags()
}

// words are the flags that say where Temporal is, as far as they were given.
func (c *connection) words() (text string) {
	if c.flags == nil {
		return ""
	}
	for _, name := range []string{"address", "namespace", "profile", "config-file", "payload-keys"} {
		if f := c.flags.Lookup(name); f.Changed {
			text += " --" + name + " " + shellWord(f.Value.String())
		}
	}
	return text
}

// id is the workflow id of the rotation of a secret.
func (c *connection) id(req rotation.Request) string { return c.keys.Hide(req.WorkflowID()) }

// checkKeys says what is wrong where rotations are encrypted with a key that is not at hand: without the keys, or with others, ids differ,
// so that a rotation isn't found.
func (c *connection) checkKeys(ctx context.Context, temporal client.Client) error {
	query := fmt.Sprintf("WorkflowType = '%s' AND TaskQueue = '%s'", rotation.WorkflowType, c.queue)
	if err := c.keys.Check(ctx, temporal, c.options.Namespace, query); err != nil {
		return c.explain(ctx, "look up the rotation in", err)
	}
	return nil
}

// connectPatience is how long a first answer is waited for.
const connectPatience = 10 * time.Second

// dial connects.
func (a *app) dial(ctx context.Context, c *connection) (client.Client, error) {
	if err := c.settings.Load(a.lookup); err != nil {
		return nil, usagef("%s", err)
	}
	options, err := c.temporal.Options(a.lookup, a.Environ, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, usagef("%s", err)
	}
	if c.keys, err = payload.Read(c.keyFile); err != nil {
		return nil, usagef("%s", err)
	}
	options = c.keys.Protect(options)
	c.options, a.where = options, c.words()
	dialing, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	temporal, err := client.DialContext(dialing, options)
	if err != nil {
		return nil, c.explain(ctx, "connect to", err)
	}
	return temporal, nil
}

// explain says in one line what went wrong between here and Temporal. The SDK's own text names internals and may be long.
func (c *connection) explain(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return &exitError{ExitInterrupted, fmt.Errorf("interrupted while about to %s Temporal", doing)}
	}
	where := fmt.Sprintf("%s, namespace %s", c.options.HostPort, c.options.Namespace)
	if unreadable, is := errors.AsType[*payload.Unreadable](err); is {
		return usagef("%s Temporal at %s: %s", doing, where, unreadable)
	}
	if noNamespace(err) {
		return usagef("%s Temporal at %s: it has no such namespace; set --namespace or TEMPORAL_NAMESPACE", doing, where)
	}
	why := config.NoConnection(err)
	if why == "no answer" {
		why += "; set --address or TEMPORAL_ADDRESS, or start one with: starter dev"
	}
	return usagef("%s Temporal at %s: %s", doing, where, why)
}

// noNamespace says whether Temporal has no such namespace.
func noNamespace(err error) bool {
	var missing *serviceerror.NamespaceNotFound
	return errors.As(err, &missing)
}

// code is the gRPC code of an error.
func code(err error) string {
	var service serviceerror.ServiceError
	if errors.As(err, &service) {
		return service.Status().Code().String()
	}
	return status.Code(err).String()
}
