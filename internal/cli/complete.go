package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completePatience is how long a shell waits for names.
const completePatience = 3 * time.Second

// completeSecrets completes SECRET with the names that have schedules, those of the region and store that were given.
func (a *app) completeSecrets(c *connection, s *secretFlags, several bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 && !several {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completePatience)
		defer cancel()
		temporal, err := a.dial(ctx, c)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		defer temporal.Close()
		list, err := c.schedules(temporal).List(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		only := choice{secretFlags: *s}
		var names []cobra.Completion
		for _, one := range list {
			if strings.HasPrefix(one.Secret, begun) && only.takes(one.Store, one.Region, nil) {
				names = append(names, cobra.CompletionWithDesc(one.Secret, one.Store+" "+one.Region+", "+one.When))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
