package endtoend

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"rotor/activities"
	"rotor/internal/cloudsim"
	"rotor/internal/cloudsim/alibabakms"
	"rotor/internal/devstack"
	"rotor/internal/devstack/mysqld"
	"rotor/internal/devstack/mysqld/mysqldtest"
	"rotor/internal/rotation"
	"rotor/internal/target"
	"rotor/internal/target/mysql"
)

// backup is a database server of its own that a backup holds up: it takes no changes for a while.
type backup struct {
	*mysqld.Server
	secret devstack.Secret
	// relay is how workers reach it.
	relay *relay
	end   func()
}

// newBackup starts a server with a secret, single-user, and begins a backup on it.
func newBackup(t *testing.T, changesItself bool) *backup {
	t.Helper()
	b := &backup{Server: mysqldtest.Start(t, mysqld.Options{})}
	b.relay = newRelayTo(t, b.Server)
	seeder := devstack.Seeder{DB: b.DB(), Host: b.relay.host, Port: b.Port, Cloud: stack.Cloud}
	var err error
	b.secret, err = seeder.KMSMySQLPair(t.Context(), fmt.Sprintf("b%d", secretNumber.Add(1)))
	require.NoError(t, err)
	if changesItself {
		edit(t, b.secret.Name, without("MasterSecret"))
	}
	conn, err := b.DB().Conn(t.Context())
	require.NoError(t, err)
	_, err = conn.ExecContext(t.Context(), "FLUSH TABLES WITH READ LOCK")
	require.NoError(t, err)
	b.end = sync.OnceFunc(func() {
		_, err := conn.ExecContext(context.WithoutCancel(t.Context()), "UNLOCK TABLES")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	})
	t.Cleanup(b.end)
	return b
}

// waits waits until a change of the account waits in the server.
func (b *backup) waits(t *testing.T) {
	t.Helper()
	eventually(t, 2*time.Minute, "the change waits in the server", func() bool { return b.waiting(t) == 1 })
}

func (b *backup) waiting(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, b.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND "+
		"(INFO LIKE 'ALTER USER%' OR INFO LIKE 'SET PASSWORD%')").Scan(&n))
	return n
}

// patient lets the server not give up the statements of an attempt by itself, so that a busy machine may take its time.
func patient(t *testing.T) func(*activities.Rotation) {
	t.Helper()
	sql, err := mysql.New(mysql.Options{StatementTimeout: time.Hour})
	require.NoError(t, err)
	return func(r *activities.Rotation) { r.Targets = map[string]target.Target{rotation.TargetMySQL: sql} }
}

// A change of a password waits in the server behind a backup, and its client is gone. The rollback that follows ends the session in which
// it waits: else it would be carried out after the rollback has claimed, with a proof, that the former password is back.
func TestLateChangeBehindABackup(t *testing.T) {
	t.Parallel()
	for name, changesItself := range map[string]bool{"changed by its admin": false, "changes itself": true} {
		for rule, unfenced := range map[string]func(*activities.Rotation){"": func(*activities.Rotation) {}, ", without the lock": unfenced(1)} {
			t.Run(name+rule, func(t *testing.T) {
				t.Parallel()
				b := newBackup(t, changesItself)
				h := byHand{t, b.secret, rotation.SingleUser}
				first := holder(t, b.secret, alibabakms.Current)
				plan := h.begin()
				dead := make(chan error, 1)
				go func() {
					_, err := h.attempt(patient(t)).Set(t.Context(), activities.StepInput{Plan: plan})
					dead <- err
				}()
				b.waits(t)
				b.relay.cut()
				require.Error(t, <-dead)
				require.Equal(t, 1, b.waiting(t), "its client is gone, and it waits on")
				b.relay.heal()

				h.rollBack(plan, unfenced)
				if rule != "" {
					b.end()
					eventually(t, 2*time.Minute, "the rollback has lied: readers are locked out", func() bool { return !logsInAt(t, b.Server, first) })
					return
				}
				require.Zero(t, b.waiting(t))
				b.end()
				require.True(t, logsInAt(t, b.Server, first))
				require.Equal(t, first, holder(t, b.secret, alibabakms.Current))
				h.rotate()
				require.True(t, logsInAt(t, b.Server, holder(t, b.secret, alibabakms.Current)))
			})
		}
	}
}

// The same with workers: one is killed while its change waits behind a backup, and the rotation is cancelled.
func TestWorkerKilledBehindABackup(t *testing.T) {
	t.Parallel()
	b := newBackup(t, true)
	first := holder(t, b.secret, alibabakms.Current)
	taskQueue := "backup-" + b.secret.Name
	worker := startWorker(t, taskQueue)
	run := start(t, taskQueue, b.secret, nil)
	b.waits(t)
	worker.kill()
	require.Equal(t, 1, b.waiting(t), "its client is gone, and it waits on")
	require.NoError(t, temporal.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()))
	startWorker(t, taskQueue)
	require.Equal(t, rotation.RolledBack, cancelled(t, run).Outcome)
	require.Zero(t, b.waiting(t))
	b.end()
	require.True(t, logsInAt(t, b.Server, first))
	require.Equal(t, first, holder(t, b.secret, alibabakms.Current))
}

// A move of the stage is on its way to KMS when its attempt is given up. The rotation says why it stays open, no other one begins, and when
// it ends the move can't come any more.
func TestRotationStaysOpenForAMoveOnItsWay(t *testing.T) {
	t.Parallel()
	secret := newSecret(t)
	held := stack.Cloud.Inject(cloudsim.Fault{Kind: cloudsim.Slow, Resource: secret.Name, Action: "UpdateSecretVersionStage"})
	defer held.Remove()
	run := start(t, queue, secret, nil)
	var status rotation.Status
	eventually(t, 2*time.Minute, "it waits for an earlier request that had no answer", func() bool {
		var err error
		status, err = query(run)
		return err == nil && status.State == rotation.StateWaiting &&
			strings.Contains(status.Doing, "an earlier request to make it so had no answer and stays open until it can't be carried out any more")
	})
	require.Equal(t, run.GetRunID(), currentVersion(t, secret))
	other := startAs(t, "other-"+secret.Name, secret)
	eventually(t, 2*time.Minute, "it follows", func() bool {
		status, err := query(other)
		return err == nil && status.State == rotation.StateFollowing
	})
	held.Release()
	require.Equal(t, run.GetRunID(), outcome(t, run).Version)
	require.Equal(t, run.GetRunID(), outcome(t, other).Version)
	require.Equal(t, rotation.Rotated, rotate(t, secret, nil).Outcome)
	require.NotEqual(t, run.GetRunID(), currentVersion(t, secret))
}
