package cli

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rotor/internal/config"
	"rotor/internal/spelling"
)

// app is one execution.
type app struct {
	Options
	// where are the flags that led to Temporal, for the commands that people are told to type.
	where string
	// busy says that something is running that has to be taken down.
	busy atomic.Bool
}

const exitCodes = `Exit codes: 0 done (a rotation: Rotated; check: fine), 1 Refused, Abandoned, not fine, or not there, 2 wrong command line or
no connection, 3 RolledBack, 4 Parked, 5 Rotated and the former credential not retired as asked, 130 Ctrl-C (the rotation goes on).`

// Command is the tree of commands, to be described; Execute runs them.
func Command() *cobra.Command { return (&app{Options: Options{Program: programName}}).root() }

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   programName,
		Short: "Rotate the passwords of databases, durably",
		Long: `starter rotates the passwords that databases' accounts have in a secret store, looks at rotations, and decides about those
that are stuck. A worker does the work; starter dev runs everything on this machine, to try it.

` + exitCodes,
		Example: `  starter demo
  starter check orders/db --region cn-hangzhou
  starter rotate orders/db --region cn-hangzhou
  starter describe orders/db --region cn-hangzhou
  starter schedule orders/db --region cn-hangzhou --every 30d`,
		Version:       config.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	root.SetVersionTemplate(a.name() + " {{.Version}}\n")
	root.SetFlagErrorFunc(flagError)
	root.AddCommand(a.rotateCommand(), a.checkCommand(), a.describeCommand(), a.resolveCommand(), a.scheduleCommand(), a.validateCommand(), a.planCommand(),
		a.applyCommand(), a.deleteCommand(), a.pauseCommand(), a.resumeCommand(), a.listCommand(), a.historyCommand(), a.fleetCommand(), a.devCommand(), a.demoCommand(), a.simulatorCommand(), a.setupCommand(), a.versionCommand())
	a.rename(root)
	return root
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 3
	if like := cmd.SuggestionsFor(name); len(like) > 0 {
		return usagef("unknown command %q; did you mean %s?", name, strings.Join(like, " or "))
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return usagef("unknown command %q; available: %s", name, strings.Join(names, ", "))
}

// flagError puts what is wrong with a flag into one line.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) {
		return usagef("%s; see %s --help", err, cmd.CommandPath())
	}
	name := unknown.GetSpecifiedName()
	if like := nearestFlag(cmd, name); like != "" {
		return usagef("unknown flag --%s; did you mean --%s?", name, like)
	}
	return usagef("unknown flag %s; see %s --help", flagAsTyped(unknown), cmd.CommandPath())
}

func flagAsTyped(err *pflag.NotExistError) string {
	if err.GetSpecifiedShortnames() != "" {
		return "-" + err.GetSpecifiedName()
	}
	return "--" + err.GetSpecifiedName()
}

func nearestFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return spelling.Nearest(name, names)
}

// oneSecret wants exactly one argument, the secret.
func oneSecret(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usagef("%s: SECRET is missing: the secret's name or ARN; see %s --help", cmd.Name(), cmd.CommandPath())
	}
	return atMostSecret(cmd, args)
}

func atMostSecret(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usagef("%s: one SECRET at a time, but there are %d arguments; see %s --help", cmd.Name(), len(args), cmd.CommandPath())
	}
	return nil
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("%s takes no arguments, but there is %q; see %s --help", cmd.Name(), args[0], cmd.CommandPath())
	}
	return nil
}

// word is a flag that takes one of some words.
type word struct {
	value string
	words []string
}

func (w *word) String() string { return w.value }
func (w *word) Type() string   { return strings.Join(w.words, "|") }

func (w *word) Set(s string) error {
	for _, known := range w.words {
		if s == known {
			w.value = s
			return nil
		}
	}
	return fmt.Errorf("available: %s", strings.Join(w.words, ", "))
}

const (
	outputText  = "text"
	outputJSON  = "json"
	outputYAML  = "yaml"
	outputTable = "table"
)

// flag adds the word to the flags of a command; shells complete it.
func (w *word) flag(cmd *cobra.Command, name, short, usage string) {
	cmd.Flags().VarP(w, name, short, usage)
	// Fails for a flag that does not exist only.
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(w.words, cobra.ShellCompDirectiveNoFileComp))
}

// forPeople says whether what is printed is for people, which text and table both mean.
func (w *word) forPeople() bool { return w.value == outputText || w.value == outputTable }

// outputFlag adds --output.
func outputFlag(cmd *cobra.Command) *word {
	w := &word{outputText, []string{outputText, outputTable, outputJSON, outputYAML}}
	w.flag(cmd, "output", "o", "how to print")
	return w
}

// tableFlag adds --output to a command about many secrets.
func tableFlag(cmd *cobra.Command) *word {
	w := &word{outputTable, []string{outputTable, outputText, outputJSON, outputYAML}}
	w.flag(cmd, "output", "o", "how to print")
	return w
}

func (a *app) versionCommand() *cobra.Command {
	var output *word
	cmd := &cobra.Command{
		Use: "version", Short: "Print the version", Example: "  starter version\n  starter version --output json", Args: noArguments,
		RunE: func(*cobra.Command, []string) error {
			if !output.forPeople() {
				return a.print(output, struct{ Version string }{config.Version()})
			}
			a.printf("%s %s\n", a.name(), config.Version())
			return nil
		},
	}
	output = outputFlag(cmd)
	return cmd
}

// plainName is what a flag's value may be shown as in a command that a person copies.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_/+=.@:,-]+$`)

// shellWord quotes a value for a shell, where it needs that.
func shellWord(s string) string {
	if plainName.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
