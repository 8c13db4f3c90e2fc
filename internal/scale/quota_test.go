package scale

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"rotor/internal/cli"
	"rotor/internal/cloudsim"
	"rotor/internal/fleet"
	"rotor/internal/rotation"
)

var (
	quota        = flag.Int("quota", 4, "how many writes a second the store of TestQuota takes; those beyond it are throttled")
	quotaSecrets = flag.Int("quota-secrets", 20, "how many secrets the fleet of TestQuota has")
	quotaTimed   = flag.Bool("quota-timed", false, "fail where the fleet of TestQuota takes longer than 1.2 times what the quota allows; 100 secrets or more tell")
)

const (
	// quotaWorkers share the quota, as they are told to.
	quotaWorkers = 2
	// mostThrottled is the part of all calls that may be throttled, mostTaken how many times what the quota allows the fleet may take.
	mostThrottled = 0.01
	mostTaken     = 1.2
)

// A store that throttles at its quota hardly has to: workers as they are deployed, which know the quota and share it, keep a whole fleet below it, and
// waste little of it. The quota is so low that it, and not the machine, is what the fleet waits for.
func TestQuota(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), *bound)
	defer cancel()
	r := begin(ctx, t, *quotaSecrets, 0)
	for range quotaWorkers {
		// Where the machine is so busy that a workflow task is lost with the move of a stage in it, the rotation waits until that can't happen any more.
		w, err := r.Launch(ctx, queue, map[string]string{
			"ROTOR_ALIBABA_KMS_WRITES": fmt.Sprint(*quota), "ROTOR_QUOTA_WORKERS": fmt.Sprint(quotaWorkers), "ROTOR_ALIBABA_SIGNATURE_VALIDITY": "20s",
		})
		require.NoError(t, err)
		r.workers = append(r.workers, w)
	}
	r.Stack.Cloud.SetQuota(cloudsim.AlibabaKMS, *quota)
	file := t.TempDir() + "/rotations.yaml"
	require.NoError(t, os.WriteFile(file, []byte(manifest(r.secrets)), 0o600))
	// More than the quota lets through, so that on a slow machine, too, somebody always waits for his turn.
	r.starter(ctx, t, cli.ExitOK, "fleet", "start", "-f", file, "--name", name, "--parallel", fmt.Sprint(*parallel), "--canary", "0", "--no-wait")
	status := r.until(ctx, t, "it is over", func(s fleet.Status) bool { return s.State.Over() })

	var report cli.FleetReport
	require.NoError(t, json.Unmarshal([]byte(r.starter(ctx, t, cli.ExitOK, "fleet", "report", name, "--output", "json")), &report))
	require.Equal(t, map[string]int{string(rotation.Rotated): len(r.secrets)}, report.Counts)
	r.audit(ctx, t)

	c, took := r.counted(), status.Ended.Sub(status.Began)
	require.Equal(t, writesOfOne*len(r.secrets), c.writes)
	throttled := float64(c.throttled) / float64(c.total)
	allows := float64(c.writes) / float64(*quota)
	fmt.Printf("fleet of %d at a store that takes %d writes a second, %d workers: %d of %d calls throttled, %.2f%%; it took %.1fs, %.2f times the %.1fs that the quota allows for %d writes\n",
		len(r.secrets), *quota, quotaWorkers, c.throttled, c.total, 100*throttled, took.Seconds(), took.Seconds()/allows, allows, c.writes)
	require.Less(t, throttled, mostThrottled)
	if *quotaTimed {
		require.LessOrEqual(t, took.Seconds()/allows, mostTaken)
	}
}

// writesOfOne is how often a rotation with two accounts writes to KMS.
const writesOfOne = 3
