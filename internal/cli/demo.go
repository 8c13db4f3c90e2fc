package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cli/watch"
	"rotor/internal/devstack"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/wiring"
)

// demo is one run of the demo.
type demo struct {
	*app
	*local
	kinds []kind
	keep  bool
	// said is everything that the demo printed, and logged what the worker did.
	said, logged *record
	apps         []*application
	rows         []row
}

func (a *app) demoCommand() *cobra.Command {
	var only string
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Rotate a real MySQL password on a stack of its own, and watch",
		Long: `demo starts a Temporal server, a MySQL server, the simulated cloud and a worker, rotates each kind of secret twice, and lets a client
read the secret and log in all the while. At the end it searches what the rotations left behind for passwords: Temporal's histories,
its database file, the logs. Nothing is left of it afterwards.

With two accounts, a login has failed if the version that was read is still the current or the previous one. With a single account
there is a moment between the change in the database and the move of the stage; there, a login that is refused has failed if no other
version becomes current within 10 seconds. How many logins met that moment is counted, and how many were made again.

Exit codes: 0 all rotated, no login failed and no password was found; 1 otherwise; 2 the stack did not start; 130 Ctrl-C.`,
		Example: "  starter demo\n  starter demo --keep\n  starter demo --only " + kinds[0].Name,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := kindsNamed(only)
			if err != nil {
				return err
			}
			d := &demo{app: a, kinds: chosen, keep: keep, said: &record{}, logged: &record{}}
			return d.run(cmd.Context())
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the stack running afterwards, until Ctrl-C, to look around in the Web UI")
	cmd.Flags().StringVar(&only, "only", "", "only this kind of rotation")
	return cmd
}

func (d *demo) run(ctx context.Context) (err error) {
	d.Stdout, d.Stderr = io.MultiWriter(d.Stdout, d.said), io.MultiWriter(d.Stderr, d.said)
	var secrets []devstack.Secret
	d.local, err = d.startLocal(ctx, d.logged, "debug", ignoreSettings, func(ctx context.Context, s *devstack.Stack) error {
		for _, k := range d.kinds {
			secret, err := k.add(s, ctx, k.Secret)
			if err != nil {
				return err
			}
			secrets = append(secrets, secret)
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer func() { err = over(err, d.close()) }()
	err = d.show(ctx, secrets)
	if ctx.Err() != nil {
		// Whatever failed after Ctrl-C failed because of it.
		return &exitError{ExitInterrupted, errInterrupted}
	}
	if d.keep && len(d.rows) > 0 {
		err = errors.Join(err, d.wait(ctx))
	}
	return failed(err)
}

// ignoreSettings: what the demo shows is the same for everybody, whatever their worker is set to.
func ignoreSettings(string) bool { return false }

// show rotates while the clients log in, and tells how it went.
func (d *demo) show(ctx context.Context, secrets []devstack.Secret) error {
	steps, err := wiring.Steps(d.settings)
	if err != nil {
		return err
	}
	d.printf("A client reads each secret and logs in with it, again and again, while it is rotated.\n")
	// A part of the stack that ends by itself ends the demo.
	group, running := errgroup.WithContext(ctx)
	finished, finish := context.WithCancel(running)
	defer finish()
	group.Go(func() error { return d.wait(finished) })
	for _, s := range secrets {
		p := &application{store: steps.Stores[s.Store], ref: secretstore.Ref{Region: s.Region, Name: s.Name}, caFile: d.MySQL.CAFile,
			single: s.Strategy == rotation.SingleUser}
		d.apps = append(d.apps, p)
		group.Go(func() error {
			p.run(finished)
			return nil
		})
	}
	group.Go(func() error {
		defer finish()
		for i, s := range secrets {
			if err := d.rotateTwice(running, d.kinds[i], s, d.apps[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.conclude(ctx)
}

// loginsAround is how many logins there are before the first rotation and after each.
const loginsAround = 20

func (d *demo) rotateTwice(ctx context.Context, k kind, secret devstack.Secret, p *application) error {
	r := row{secret: secret}
	if err := p.await(ctx, loginsAround); err != nil {
		return err
	}
	for i, says := range k.Says {
		d.printf("\n%s\n", d.paint(bold, fmt.Sprintf("%s, rotation %d of %d: %s", k.Name, i+1, len(k.Says), says)))
		s, err := d.rotate(ctx, secret)
		if err != nil {
			return err
		}
		r.outcomes = append(r.outcomes, s.Outcome())
		r.seconds += s.At.Sub(s.Started).Seconds()
		if s.Outcome() != rotation.Rotated {
			break
		}
		if err := p.await(ctx, p.logins.Load()+p.failures.Load()+loginsAround); err != nil {
			return err
		}
	}
	d.rows = append(d.rows, r)
	return nil
}

// rotate runs one rotation as starter rotate --now does.
func (d *demo) rotate(ctx context.Context, secret devstack.Secret) (*watch.Snapshot, error) {
	req, err := rotation.Request{SecretName: secret.Name, RegionId: secret.Region, InstanceId: secret.Instance, Store: secret.Store, Now: true}.Validate()
	if err != nil {
		return nil, err
	}
	call := &rotateCall{app: d.app, connection: d.conn, req: req, client: d.client}
	started, err := call.start(ctx, d.conn.id(req))
	if err != nil {
		return nil, d.conn.explain(ctx, "start the rotation in", err)
	}
	p := d.printer()
	f := watch.Follower{Client: d.client, Payloads: d.conn.keys.Converter(), Seen: p.show, Warn: func(text string) {
		p.clear()
		d.warn(text)
	}}
	s, err := f.Follow(ctx, d.conn.id(req), started.GetRunID())
	p.clear()
	if err != nil {
		return nil, fmt.Errorf("follow the rotation of secret %s: %w", secret.Name, err)
	}
	d.app.conclude(req, s)
	return s, nil
}

// await waits until so many logins were tried.
func (p *application) await(ctx context.Context, n int64) error {
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for p.logins.Load()+p.failures.Load() < n {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the client made %d logins only in %s", p.logins.Load(), patience)
		case <-tick.C:
		}
	}
	return nil
}

// conclude prints the table, searches for passwords, and counts the logins.
func (d *demo) conclude(ctx context.Context) error {
	d.printf("\n")
	table := tabwriter.NewWriter(d.Stdout, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "STORE\tTARGET\tSTRATEGY\tSECRET\tOUTCOME\tTIME")
	for _, r := range d.rows {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.2fs\n", r.secret.Store, r.secret.Target, r.secret.Strategy, r.secret.Name, r.outcome(), r.seconds)
	}
	_ = table.Flush() // the output tells itself when it is broken
	d.printf("\nWeb UI: %s\n", d.Temporal.WebUI)
	if d.keep {
		d.printf("The stack runs until Ctrl-C. Try: %s describe %s --region %s --address %s\n", d.Program, d.rows[0].secret.Name,
			d.rows[0].secret.Region, d.Temporal.Address)
	}
	passwords, found, err := d.audit(ctx)
	if err != nil {
		return err
	}
	for _, f := range found {
		d.warn(f.String())
	}
	d.printf("passwords found outside store and database: %d of %d\n", distinct(found), passwords)
	logins, failed := d.count()
	exposed, repeated := d.notCounted()
	if repeated > 0 {
		d.printf("dual-account: %d logins were made again, because two rotations had gone by since they had read the secret\n", repeated)
	}
	if exposed > 0 {
		d.printf("single-user: %d logins were refused between a change in the database and the move of the stage, and worked with the secret read again\n",
			exposed)
	}
	d.printf("logins: %d, failed: %d\n", logins, failed)
	return exit(verdict(d.rows, len(found), failed))
}

// verdict is the demo's exit code.
func verdict(rows []row, found int, failed int64) int {
	for _, r := range rows {
		for _, o := range r.outcomes {
			if o != rotation.Rotated {
				return ExitRefused
			}
		}
	}
	if found > 0 || failed > 0 {
		return ExitRefused
	}
	return ExitOK
}

// notCounted is how many refused logins are no failures: those that met the moment in which the current version of a single account
// does not log in, and those with a version that has been replaced twice.
func (d *demo) notCounted() (exposed, repeated int64) {
	for _, p := range d.apps {
		exposed, repeated = exposed+p.exposed.Load(), repeated+p.repeated.Load()
	}
	return exposed, repeated
}

func (d *demo) count() (logins, failed int64) {
	for _, p := range d.apps {
		logins, failed = logins+p.logins.Load(), failed+p.failures.Load()
		if text := p.firstFailure(); text != "" {
			d.warn("the first login that failed: " + text)
		}
	}
	return logins + failed, failed
}
