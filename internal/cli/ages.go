package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"rotor/internal/overview"
	"rotor/internal/rotation"
	"rotor/internal/schedules"
	"rotor/workflows"
)

const (
	// agesPatience is how long a list waits for workers, whatever they do; batchPatience for the answer to one batch.
	agesPatience, batchPatience = 30 * time.Second, 15 * time.Second
	// agesAtOnce is how many batches one task queue is asked for side by side.
	agesAtOnce = 2
	// agesFresh is how long --watch takes an answer for true, unless a rotation has ended since.
	agesFresh = 5 * time.Minute
)

// Where ages come from.
const (
	agesFromStore    = "store"
	agesFromTemporal = "temporal"
)

// ages has workers ask the stores how old credentials are, and keeps the answers while a list is watched.
type ages struct {
	*app
	*connection
	client client.Client
	known  map[string]answer
	// silent are the task queues of which no worker answered in the latest look, and how many secrets were to be asked about there.
	silent map[string]int
	unread int
}

type answer struct {
	rotation.Age
	at time.Time
}

// read fills in what the stores say. That nobody answers is no error: the list has what Temporal knows.
func (a *ages) read(ctx context.Context, list []*overview.Secret) error {
	a.silent, a.unread = map[string]int{}, 0
	byQueue := map[string][]*overview.Secret{}
	for _, s := range list {
		switch queue, of := a.question(s); {
		case of == nil:
		case a.fresh(s):
		default:
			byQueue[queue] = append(byQueue[queue], s)
		}
	}
	asking, cancel := context.WithTimeout(ctx, agesPatience)
	defer cancel()
	group, within := errgroup.WithContext(asking)
	answers := make(chan map[string]answer)
	for _, queue := range slices.Sorted(maps.Keys(byQueue)) {
		group.Go(func() error { return a.queueAnswers(within, queue, byQueue[queue], answers) })
	}
	go func() {
		_ = group.Wait() // its errors are the silence of queues, which shows in what is missing
		close(answers)
	}()
	for some := range answers {
		maps.Copy(a.known, some)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, s := range list {
		queue, of := a.question(s)
		if of == nil {
			continue
		}
		found, there := a.known[key(s)]
		switch {
		case !there:
			s.Unread = "no worker of task queue " + queue + " answered in time"
			a.silent[queue]++
		case found.Problem != "":
			s.Unread = found.Problem
			a.unread++
		default:
			s.Written = found.Written
		}
	}
	return nil
}

func key(s *overview.Secret) string { return s.Store + "/" + s.Region + "/" + s.Secret }

// question is what is asked about a secret, and whose workers; nil where they can't be known: without a schedule of ours.
func (a *ages) question(s *overview.Secret) (queue string, of *rotation.AgeOf) {
	if s.Schedule == nil || s.Schedule.Record == nil || s.Schedule.Record.ARN == schedules.HiddenARN {
		return "", nil
	}
	r := s.Schedule.Record
	return cmp.Or(r.Queue, a.queue), &rotation.AgeOf{Store: s.Store, Region: s.Region, Secret: s.Secret, ARN: r.ARN}
}

// fresh says whether an answer is at hand that still holds. One that is not is forgotten.
func (a *ages) fresh(s *overview.Secret) bool {
	found, there := a.known[key(s)]
	if there && time.Since(found.at) < agesFresh && s.Latest().Before(found.at) {
		return true
	}
	delete(a.known, key(s))
	return false
}

// queueAnswers asks the workers of one task queue, in batches, first about the secrets of which Temporal knows least.
func (a *ages) queueAnswers(ctx context.Context, queue string, list []*overview.Secret, answers chan<- map[string]answer) error {
	d, err := a.client.DescribeTaskQueue(ctx, queue, enumspb.TASK_QUEUE_TYPE_WORKFLOW)
	if err == nil && len(d.GetPollers()) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(x, y *overview.Secret) int { return x.Rotated.Compare(y.Rotated) })
	group, within := errgroup.WithContext(ctx)
	group.SetLimit(agesAtOnce)
	for batch := range slices.Chunk(list, rotation.MostAges) {
		group.Go(func() error {
			some, err := a.batch(within, queue, batch)
			if err != nil {
				return err // who did not answer about these does not about the others
			}
			answers <- some
			return nil
		})
	}
	return group.Wait()
}

// batch asks about some secrets. A question that is given up is ended, so that nobody works at it for nothing.
func (a *ages) batch(ctx context.Context, queue string, list []*overview.Secret) (map[string]answer, error) {
	ctx, cancel := context.WithTimeout(ctx, batchPatience)
	defer cancel()
	deadline, _ := ctx.Deadline()
	left := time.Until(deadline)
	if ctx.Err() != nil || left < time.Second {
		return nil, context.DeadlineExceeded
	}
	var req rotation.AgesRequest
	for _, s := range list {
		_, of := a.question(s)
		req.Secrets = append(req.Secrets, *of)
	}
	at := time.Now()
	run, err := a.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: "ages/" + strings.ToLower(rand.Text()), TaskQueue: queue, StaticSummary: workflows.AgesSummary(req),
		WorkflowExecutionTimeout: left, WorkflowTaskTimeout: a.taskTimeout,
	}, rotation.AgesWorkflowType, req)
	if err != nil {
		return nil, err
	}
	var found rotation.Ages
	if err := run.Get(ctx, &found); err != nil {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), workerPatience)
		defer cancel()
		_ = a.client.TerminateWorkflow(ending, run.GetID(), run.GetRunID(), "nobody waits for the ages any more") // it ends by itself a little later
		return nil, err
	}
	some := map[string]answer{}
	for i, one := range found.Ages {
		if i < len(list) {
			some[key(list[i])] = answer{one, at}
		}
	}
	return some, nil
}

// tell says which ages are not the stores' own, and why.
func (a *ages) tell(list []*overview.Secret) {
	for _, queue := range slices.Sorted(maps.Keys(a.silent)) {
		a.warn(fmt.Sprintf("no worker of task queue %s answered, so the age of %s is what Temporal knows", queue, counted(a.silent[queue], "credential")))
	}
	if a.unread == 0 {
		return
	}
	for _, s := range list {
		if found := a.known[key(s)]; found.Problem != "" {
			a.warn(fmt.Sprintf("of %s the store does not tell the age, so it is what Temporal knows; the first is secret %s of %s in %s: %s",
				counted(a.unread, "credential"), s.Secret, s.Store, s.Region, found.Problem))
			return
		}
	}
}
