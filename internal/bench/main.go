// Command bench measures rotations on the dev stack: how long one takes, how many go at once, what they cost, and how much of that is
// the work itself: the floor is the same steps in a plain loop without Temporal. See docs/performance.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
)

// sizes say how much is measured.
type sizes struct {
	// Runs is how often everything is measured.
	Runs int
	// Single is how many rotations of each kind are timed one by one in a run, Many how many are made for a rate.
	Single, Many int
	// AtOnce are the numbers of rotations at once; the last one is that of all other rates.
	AtOnce []int
}

// options are those of the command.
type options struct {
	sizes
	workerEnv []string
	version   string
	json      string
	compare   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := execute(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func execute(ctx context.Context, args []string, out, progress io.Writer) error {
	o := options{}
	flags := pflag.NewFlagSet("bench", pflag.ContinueOnError)
	flags.SetOutput(progress)
	flags.IntVar(&o.Runs, "runs", 5, "how often everything is measured")
	flags.IntVar(&o.Single, "single", 20, "how many rotations of each kind are timed one by one in a run")
	flags.IntVar(&o.Many, "many", 128, "how many rotations are made for each rate in a run")
	flags.IntSliceVar(&o.AtOnce, "at-once", []int{1, 16, 64}, "numbers of rotations at once; the last is that of rates with a delay or a hung database")
	flags.StringArrayVar(&o.workerEnv, "worker-env", nil, "NAME=VALUE, a setting of the workers; may be repeated")
	flags.StringVar(&o.version, "version", "", "what is measured, for the report")
	flags.StringVar(&o.json, "json", "", "file that the report is written to")
	flags.BoolVar(&o.compare, "compare", false, "measure nothing: compare two such files, BASE and HEAD")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.compare {
		if flags.NArg() != 2 {
			return errors.New("--compare wants two files, BASE and HEAD")
		}
		return compareFiles(out, flags.Arg(0), flags.Arg(1))
	}
	if err := o.check(); err != nil {
		return err
	}
	r, err := measure(ctx, o, progress)
	if r == nil {
		return err
	}
	// What was measured until something failed, or somebody had enough, is worth something.
	err = errors.Join(err, r.print(out))
	if o.json != "" {
		err = errors.Join(err, r.write(o.json))
	}
	return err
}

func (o options) check() error {
	if o.Runs < 1 || o.Single < 1 || o.Many < 1 || len(o.AtOnce) == 0 {
		return errors.New("--runs, --single and --many want a number of at least 1, --at-once a list of them")
	}
	for _, n := range o.AtOnce {
		if n < 1 {
			return fmt.Errorf("--at-once %d: wanted: at least 1", n)
		}
	}
	_, err := o.env()
	return err
}

// env are the settings of --worker-env.
func (o options) env() (map[string]string, error) {
	env := map[string]string{}
	for _, one := range o.workerEnv {
		name, value, ok := strings.Cut(one, "=")
		if !ok {
			return nil, fmt.Errorf("--worker-env %s: wanted: NAME=VALUE", one)
		}
		env[name] = value
	}
	return env, nil
}
