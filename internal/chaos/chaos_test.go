package chaos

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rotor/internal/devstack"
	"rotor/internal/trial"
	"rotor/internal/trial/sqlrelay"
)

var (
	// seed makes the same choices again; when they meet which rotation depends on the machine.
	seed    = flag.Uint64("seed", 1, "what to do to whom is drawn from this number")
	secrets = flag.Int("secrets", 9, "how many secrets to rotate")
	rounds  = flag.Int("rounds", 2, "how often each is rotated")
	atOnce  = flag.Int("at-once", 24, "how many rotations run at once")
	bound   = flag.Duration("bound", 40*time.Minute, "how long all of it may take")
)

const queue = "chaos"

// run is one run of everything.
type run struct {
	*trial.Bench
	relay    *sqlrelay.Relay
	subjects []*subject
	trouble  *trouble
	// retirements are those that rotations were to bring, and retirementsDone those that said that they did.
	retirements, retirementsDone atomic.Int64

	mu       sync.Mutex
	violated []string
	tally    map[string]*tally
}

// subject is a secret.
type subject struct {
	kind   trial.Kind
	secret devstack.Secret
	random *rand.Rand
	// rotated counts the versions that it should have beside its first.
	rotated int
	// started counts the rotations that were asked for; each writes one version at most.
	started int
	// retired: the credential before the current one was made unusable.
	retired bool
	// tookOne: with two passwords, a rotation that was rolled back may have taken the previous version's, which can't be given back.
	tookOne bool
	// lost: a round of it was a violation.
	lost bool
}

func TestChaos(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), *bound)
	defer cancel()
	fmt.Printf("seed %d: %d secrets, %d rotations each, %d at once\n", *seed, *secrets, *rounds, *atOnce)
	r := start(ctx, t)
	began := time.Now()
	r.trouble.begin(ctx)
	r.rotateAll(ctx)
	r.trouble.end()
	took := time.Since(began)
	r.auditTrouble()
	r.auditAll(ctx)
	r.search(ctx)
	r.report(os.Stdout, took)
	require.Empty(t, r.violated, "seed %d", *seed)
}

// start brings up everything, with as many secrets as asked for, of every kind.
func start(ctx context.Context, t *testing.T) *run {
	bench, err := trial.Start(ctx, os.Stdout)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, bench.Close()) })
	bench.MetricsOfEvery = 1
	r := &run{Bench: bench, tally: map[string]*tally{}}
	r.trouble = newTrouble(r)
	r.relay, err = sqlrelay.Listen(bench.Stack.MySQL.Address(), r.trouble.onStatement)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.relay.Close()) })
	seeder := devstack.Seeder{DB: bench.Stack.MySQL.DB(), Host: bench.Stack.MySQL.Host, Port: r.relay.Port(), Cloud: bench.Stack.Cloud}
	r.subjects = make([]*subject, *secrets)
	kinds := bench.Kinds()
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i := range r.subjects {
		group.Go(func() error {
			kind := kinds[i%len(kinds)]
			secret, err := kind.Add(seeder, groupCtx, fmt.Sprintf("c%d", i))
			r.subjects[i] = &subject{kind: kind, secret: secret, random: rand.New(rand.NewPCG(*seed, uint64(i)+1))}
			bench.Remember(kind, secret)
			return err
		})
	}
	require.NoError(t, group.Wait())
	for range workers {
		require.NoError(t, r.trouble.startWorker(ctx))
	}
	return r
}

// rotateAll rotates every secret, so many at once.
func (r *run) rotateAll(ctx context.Context) {
	var group errgroup.Group
	group.SetLimit(*atOnce)
	for _, s := range r.subjects {
		group.Go(func() error {
			for round := range *rounds {
				err := r.rotate(ctx, s, round)
				r.trouble.ended <- struct{}{}
				if err != nil {
					s.lost = true
					r.violation("secret %s (%s), round %d: %s\n%s", s.secret.Name, s.kind.Name, round+1, err, r.history(ctx, s.secret))
					return nil
				}
			}
			return nil
		})
	}
	_ = group.Wait() // what went wrong is noted
}

func (r *run) violation(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violated = append(r.violated, fmt.Sprintf(format, args...))
}
