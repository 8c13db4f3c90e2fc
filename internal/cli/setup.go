package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"rotor/internal/visibility"
)

// SetupReport is what setup prints with --output json.
type SetupReport struct {
	Namespace string
	// Registered are search attributes that were registered now, Present those that had been before.
	Registered []string `json:",omitempty"`
	Present    []string `json:",omitempty"`
}

func (a *app) setupCommand() *cobra.Command {
	var c connection
	var output *word
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Prepare a Temporal namespace: the search attributes by which rotations are found",
		Long: `setup registers the search attributes ` + strings.Join(visibility.Names(), ", ") + ` in the
namespace, and says what it did. It can be run again and again. Workers register them, too, where they may; without them rotations work
all the same, but can't be found by secret, outcome or trouble. Workers look for them when they start.

Exit codes: 0 they are all there, 1 they can't be registered, or one is there with another type, 2 wrong command line or no connection.`,
		Example: "  starter setup\n  starter setup --namespace rotor --output json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			temporal, err := a.dial(ctx, &c)
			if err != nil {
				return err
			}
			defer temporal.Close()
			r, err := a.setup(ctx, &c, temporal)
			if err != nil {
				return err
			}
			if !output.forPeople() {
				return a.print(output, r)
			}
			for _, name := range r.Present {
				a.printf("Search attribute %s was there already.\n", name)
			}
			for _, name := range r.Registered {
				a.printf("Search attribute %s was %s.\n", name, a.paint(green, "registered"))
			}
			if len(r.Registered) > 0 {
				a.printf("Workers that run already use them after a restart.\n")
			}
			return nil
		},
	}
	output = outputFlag(cmd)
	c.bind(cmd)
	return cmd
}

// setup registers what the namespace lacks.
func (a *app) setup(ctx context.Context, c *connection, temporal client.Client) (*SetupReport, error) {
	namespace := c.options.Namespace
	found, err := visibility.Look(ctx, temporal, namespace)
	if err == nil {
		err = visibility.Register(ctx, temporal, namespace, found.Missing)
	}
	_, wrong := errors.AsType[*visibility.WrongType](err)
	_, late := errors.AsType[*visibility.NotSeen](err)
	switch {
	case err == nil:
		return &SetupReport{Namespace: namespace, Registered: found.Missing, Present: found.Present}, nil
	case wrong, late:
		return nil, failed(err)
	case visibility.MayNot(err):
		return nil, failf("namespace %s: these credentials may not register search attributes. Somebody who may can, with an admin's right on the namespace: %s. "+
			"On Temporal Cloud that is done with its own command line (tcld namespace search-attributes add) or its web page",
			namespace, byHand(namespace, found.Missing))
	}
	return nil, c.explain(ctx, "set up", err)
}

// byHand is what somebody else can type.
func byHand(namespace string, missing []string) string {
	text := "temporal operator search-attribute create --namespace " + shellWord(namespace)
	for _, name := range missing {
		text += fmt.Sprintf(" --name %s --type %s", name, visibility.Types()[name])
	}
	return text
}

// searchAttributes are those of the namespace; none where that can't be found out, because rotations work without.
func searchAttributes(ctx context.Context, temporal client.Client, namespace string) []string {
	found, err := visibility.Look(ctx, temporal, namespace)
	if err != nil {
		return nil
	}
	return found.Present
}
