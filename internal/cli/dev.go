package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"rotor/internal/devstack"
	"rotor/internal/payload"
)

// secondSecret is a further ready-made secret of the first kind; there is one of every kind.
const secondSecret = "billing"

func (a *app) devCommand() *cobra.Command {
	var envFile string
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a whole local stack until Ctrl-C: Temporal, MySQL, a simulated cloud, a worker",
		Long: `dev runs everything that a rotation needs on this machine, in the foreground, until Ctrl-C: a Temporal server with its Web UI, a
private MySQL server, the simulated cloud, a worker, and ready-made secrets. It is reachable from this machine only, and nothing is
left of it afterwards.

With --env-file, other programs can be pointed at it: the file gets export lines for a shell once everything answers, and is removed
at the end.`,
		Example: `  starter dev
  starter dev --env-file /tmp/rotor.env
  . /tmp/rotor.env && starter rotate orders --region cn-hangzhou`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.dev(cmd.Context(), envFile) },
	}
	cmd.Flags().StringVar(&envFile, "env-file", "", "write export lines for a shell to this file")
	return cmd
}

func (a *app) dev(ctx context.Context, path string) (err error) {
	if path != "" {
		if err := checkEnvFile(path); err != nil {
			return err
		}
	}
	l, err := a.startLocal(ctx, a.Stderr, "", func(string) bool { return true }, func(ctx context.Context, s *devstack.Stack) error {
		for _, k := range kinds {
			if _, err := k.add(s, ctx, k.Secret); err != nil {
				return err
			}
		}
		_, err := kinds[0].add(s, ctx, secondSecret)
		return err
	})
	if err != nil {
		return err
	}
	remove := func() error { return nil }
	defer func() { err = over(err, errors.Join(remove(), l.close())) }()
	if path != "" {
		exports := l.Exports()
		if keys := l.settings.PayloadKeys; keys != "" {
			exports += "export " + payload.Setting + "=" + shellWord(keys) + "\n"
		}
		written, err := writeEnvFile(path, exports)
		if err != nil {
			return failed(err)
		}
		remove = written
	}
	a.howToUse(l, path)
	if err := l.wait(ctx); err != nil {
		return failed(err)
	}
	a.printf("Stopping.\n")
	return nil
}

func (a *app) howToUse(l *local, envFile string) {
	a.printf("\nA worker polls task queue %s. Ready-made secrets:\n", l.settings.TaskQueue)
	for _, s := range l.Secrets() {
		instance := ""
		if s.Instance != "" {
			instance = ", instance " + s.Instance
		}
		a.printf("  %s: store %s, target %s, strategy %s, region %s%s\n", a.paint(bold, s.Name), s.Store, s.Target, s.Strategy, s.Region, instance)
	}
	a.printf("\nIn another terminal:\n")
	at := ""
	if envFile != "" {
		a.printf("  . %s\n", shellWord(envFile))
	} else {
		at = " --address " + l.Temporal.Address
	}
	if l.settings.TaskQueue != "rotor" {
		at += " --task-queue " + shellWord(l.settings.TaskQueue)
	}
	if keys := l.settings.PayloadKeys; keys != "" && envFile == "" {
		at += " --payload-keys " + shellWord(keys)
	}
	first := l.Secrets()[0]
	for _, command := range []string{"rotate", "describe", "schedule"} {
		every := ""
		if command == "schedule" {
			every = " --every 30d"
		}
		a.printf("  %s %s %s --region %s%s%s\n", a.Program, command, first.Name, first.Region, every, at)
	}
	a.printf("\nWeb UI: %s\nCtrl-C ends everything.\n", l.Temporal.WebUI)
}
