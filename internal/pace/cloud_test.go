package pace_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"rotor/internal/cloudsim"
	kmssim "rotor/internal/cloudsim/alibabakms"
	awssim "rotor/internal/cloudsim/awssecretsmanager"
	"rotor/internal/pace"
	"rotor/internal/rotation"
	"rotor/internal/secretstore"
	"rotor/internal/secretstore/alibabakms"
	"rotor/internal/secretstore/awssecretsmanager"
)

// lockstep is a clock that goes on only when all who work by it sleep, so that how busy the machine is makes no difference.
type lockstep struct {
	mu      sync.Mutex
	now     time.Time
	awake   int
	sleeper map[chan struct{}]time.Time
}

func newLockstep(workers int) *lockstep {
	// Signatures bear the real time, and may be off by minutes.
	return &lockstep{now: time.Now(), awake: workers, sleeper: map[chan struct{}]time.Time{}}
}

func (l *lockstep) Now() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.now
}

func (l *lockstep) Sleep(_ context.Context, d time.Duration) error {
	woken := make(chan struct{})
	l.mu.Lock()
	l.sleeper[woken] = l.now.Add(d)
	l.rest()
	l.mu.Unlock()
	<-woken
	return nil
}

// rest takes somebody out who sleeps now, or is done.
func (l *lockstep) rest() {
	if l.awake--; l.awake > 0 || len(l.sleeper) == 0 {
		return
	}
	var first chan struct{}
	for woken, at := range l.sleeper {
		if first == nil || at.Before(l.sleeper[first]) {
			first = woken
		}
	}
	l.now = l.sleeper[first]
	delete(l.sleeper, first)
	l.awake++
	close(first)
}

func (l *lockstep) done() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest()
}

// rotations at once, and how often each writes as a rotation does.
const (
	atOnce = 64
	rounds = 2
)

func TestAStoreAtItsQuotaHardlyRefuses(t *testing.T) {
	key := cloudsim.DefaultCredential
	for name, value := range map[string]string{
		"ALIBABA_CLOUD_ACCESS_KEY_ID": key.AccessKeyID, "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.Secret,
		"AWS_ACCESS_KEY_ID": key.AccessKeyID, "AWS_SECRET_ACCESS_KEY": key.Secret, "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "", "AWS_SESSION_TOKEN": "",
	} {
		t.Setenv(name, value)
	}
	newKMS := func(t *testing.T, cloud *cloudsim.Cloud, endpoint string) secretstore.Store {
		for i := range atOnce {
			cloud.KMS().In(key.Account, here.Region).Put(kmssim.Secret{Name: secretName(i), Type: kmssim.Generic,
				Versions: []kmssim.Version{{ID: versionID(0), Data: "{}", Stages: []string{kmssim.Current}}}})
		}
		s, err := alibabakms.New(alibabakms.Options{Endpoint: endpoint, Timeout: time.Minute})
		require.NoError(t, err)
		return s
	}
	newAWS := func(t *testing.T, cloud *cloudsim.Cloud, endpoint string) secretstore.Store {
		for i := range atOnce {
			cloud.SecretsManager().In(key.Account, here.Region).Put(awssim.Secret{Name: secretName(i),
				Versions: []awssim.Version{{ID: versionID(0), String: "{}", Stages: []string{"AWSCURRENT"}}}})
		}
		s, err := awssecretsmanager.New(awssecretsmanager.Options{Endpoint: endpoint, Timeout: time.Minute})
		require.NoError(t, err)
		return s
	}
	for name, tc := range map[string]struct {
		api        string
		store      func(*testing.T, *cloudsim.Cloud, string) secretstore.Store
		quota      int // of the store
		configured int // as the worker knows it; 0: not paced
		most       float64
		refuses    bool
	}{
		"KMS": {cloudsim.AlibabaKMS, newKMS, 40, 40, 0.01, false},
		"AWS": {cloudsim.AWSSecretsManager, newAWS, 50, 50, 0.01, false},
		// Half of the quota is somebody else's: refusals tell, and the rate adapts.
		"half of it": {cloudsim.AlibabaKMS, newKMS, 20, 40, 0.2, true},
		"not paced":  {cloudsim.AlibabaKMS, newKMS, 40, 0, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			clock := newLockstep(atOnce)
			cloud := cloudsim.New(cloudsim.Options{Clock: clock.Now})
			endpoint, err := cloud.Start("127.0.0.1:0")
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, cloud.Close()) })
			s := pace.Store(name, tc.store(t, cloud, endpoint), pace.Options{PerSecond: tc.configured, Now: clock.Now, Sleep: clock.Sleep})
			cloud.SetQuota(tc.api, tc.quota)
			began := clock.Now()
			var group errgroup.Group
			for i := range atOnce {
				group.Go(func() error {
					defer clock.done()
					return rotate(t.Context(), s, secretstore.Ref{Region: here.Region, Name: secretName(i)}, clock)
				})
			}
			require.NoError(t, group.Wait())
			writes, refused := 0, 0
			for _, r := range cloud.Requests() {
				if r.Writes() {
					writes++
					if !r.Applied {
						refused++
					}
				}
			}
			share := float64(refused) / float64(writes)
			t.Logf("%d of %d writes refused in %s", refused, writes, clock.Now().Sub(began))
			require.GreaterOrEqual(t, writes-refused, 2*rounds*atOnce)
			require.LessOrEqual(t, share, tc.most)
			require.Equal(t, tc.refuses, refused > 0)
		})
	}
}

func secretName(i int) string { return fmt.Sprintf("secret%d", i) }
func versionID(i int) string  { return fmt.Sprintf("00000000-0000-4000-8000-%012d", i) }

// rotate writes as rotations do. What is refused is tried again a second later.
func rotate(ctx context.Context, s secretstore.Store, ref secretstore.Ref, clock *lockstep) error {
	insist := func(call func() error) error {
		for {
			err := call()
			if err == nil || rotation.KindOf(err) != rotation.Retryable {
				return err
			}
			if err := clock.Sleep(ctx, time.Second); err != nil {
				return err
			}
		}
	}
	for i := 1; i <= rounds; i++ {
		version := versionID(i)
		if err := insist(func() error { return s.PutPending(ctx, ref, version, rotation.NewSecret(fmt.Sprintf(`{"n":%d}`, i))) }); err != nil {
			return err
		}
		if err := insist(func() error { return s.MoveCurrent(ctx, ref, versionID(i-1), version) }); err != nil {
			return err
		}
		if err := insist(func() error { return s.RemovePending(ctx, ref, version) }); err != nil {
			return err
		}
	}
	return nil
}
