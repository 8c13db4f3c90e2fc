package main

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"rotor/internal/config"
)

type command = *cobra.Command

// every calls do for a command and all below it that a person may call.
func every(c command, do func(command)) {
	do(c)
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			every(sub, do)
		}
	}
}

// flagsOf are a command's own flags, sorted, with those that cobra adds.
func flagsOf(c command) (flags []*pflag.Flag) {
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			flags = append(flags, f)
		}
	})
	return flags
}

func commandsPage(title, intro string, root command) *page {
	root.InitDefaultCompletionCmd("shell") // a tree that is not executed has none
	p := newPage(title, intro)
	every(root, func(c command) {
		p.printf("\n## %s\n\n%s.\n", c.CommandPath(), strings.TrimSuffix(c.Short, "."))
		if c.Short == "" {
			p.missing = append(p.missing, c.CommandPath())
		}
		if c.Long != "" {
			p.printf("\n```text\n%s\n```\n", strings.TrimSpace(c.Long))
		}
		p.printf("\n```text\n%s\n```\n", c.UseLine())
		if c.Example != "" {
			p.printf("\nExamples:\n\n```text\n%s\n```\n", strings.ReplaceAll(strings.TrimSpace(c.Example), "\n  ", "\n"))
		}
		p.table("flag", "value", "default", "variable", "meaning")
		for _, f := range flagsOf(c) {
			name := code("--" + f.Name)
			if f.Shorthand != "" {
				name = code("-"+f.Shorthand) + ", " + name
			}
			p.row(name, valueOf(f), code(defaultOf(f)), code(variableOf(f)), usageOf(f))
		}
	})
	return p
}

// valueOf is the word for what a flag takes; a switch takes nothing.
func valueOf(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	if f.Value.Type() == "bool" {
		return ""
	}
	return cmp.Or(name, f.Value.Type())
}

func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "[]", "0s", "0", "false":
		if f.Value.Type() != "duration" && f.Value.Type() != "int" {
			return ""
		}
	}
	return f.DefValue
}

func variableOf(f *pflag.Flag) string {
	if list := f.Annotations[config.AnnotationVariable]; len(list) > 0 {
		return list[0]
	}
	return ""
}

// usageOf is the text of a flag; its variable has a column of its own.
func usageOf(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	return strings.TrimSuffix(usage, " ("+variableOf(f)+")")
}

// setting is a variable that a flag stands for.
type setting struct{ variable, flag, program, def, wanted, usage string }

// settings are those of both programs, sorted by their variables.
func settings(starter, worker command) (list []setting) {
	at := map[string]int{}
	for _, root := range []command{worker, starter} {
		every(root, func(c command) {
			for _, f := range flagsOf(c) {
				variable := variableOf(f)
				if variable == "" {
					continue
				}
				if i, known := at[variable]; known {
					if !strings.Contains(list[i].program, root.Name()) {
						list[i].program += ", " + root.Name()
					}
					continue
				}
				at[variable] = len(list)
				list = append(list, setting{variable, f.Name, root.Name(), defaultOf(f), strings.Join(f.Annotations[config.AnnotationWanted], ""), usageOf(f)})
			}
		})
	}
	slices.SortFunc(list, func(a, b setting) int { return cmp.Compare(a.variable, b.variable) })
	return list
}
