package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"

	"rotor/internal/canary"
	"rotor/internal/devstack"
)

// mostDescribed is how many secrets' rotations are looked at by commands: what they print has the same fields for all.
const mostDescribed = 12

// commands runs what people look at rotations with, and gives what it printed.
func (b *Bench) commands(ctx context.Context, secrets []devstack.Secret) (said []canary.Source, err error) {
	path := b.workspace.Path("starter")
	if said, err := exec.CommandContext(ctx, "go", "build", "-o", path, "rotor/starter").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the starter: %w\n%s", err, said)
	}
	env := os.Environ()
	for name, value := range b.Stack.Env() {
		env = append(env, name+"="+value)
	}
	run := func(args ...string) error {
		command := exec.CommandContext(ctx, path, args...)
		command.Env = env
		out, err := command.CombinedOutput()
		said = append(said, canary.Text(fmt.Sprintf("starter %v", args), string(out)))
		if err != nil {
			return fmt.Errorf("starter %v: %w", args, err) // not what it printed: that has yet to be searched
		}
		return nil
	}
	if err := run("list"); err != nil {
		return nil, err
	}
	told := len(secrets) == 0
	for some := range slices.Chunk(secrets, max(1, len(secrets)/mostDescribed)) {
		about := []string{some[0].Name, "--region", some[0].Region, "--store", some[0].Store}
		for _, command := range []string{"describe", "history"} {
			// One of a secret that was never rotated says so, and fails.
			failed := run(append([]string{command}, about...)...)
			told = told || failed == nil
			err = errors.Join(err, failed)
		}
	}
	if !told {
		return nil, err
	}
	return said, nil
}
