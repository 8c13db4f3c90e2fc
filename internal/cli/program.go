package cli

import (
	"path/filepath"
	"regexp"

	"github.com/spf13/cobra"
)

// programName is what the program is called in this repository. Packages install it as rotor, and anybody may rename it.
const programName = "starter"

var programWord = regexp.MustCompile(`\b` + programName + `\b`)

// name is what the program was called as, without its folder.
func (a *app) name() string { return filepath.Base(a.Program) }

// rename lets help and examples speak of the program by the name that it was called as.
func (a *app) rename(cmd *cobra.Command) {
	if a.name() == programName {
		return
	}
	for _, text := range []*string{&cmd.Use, &cmd.Short, &cmd.Long, &cmd.Example} {
		*text = programWord.ReplaceAllLiteralString(*text, a.name())
	}
	for _, sub := range cmd.Commands() {
		a.rename(sub)
	}
}
