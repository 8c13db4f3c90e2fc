package simulation

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const second = time.Second

// Each case is small enough to be worked out by hand.
func TestExactCases(t *testing.T) {
	one := []Step{{Takes: second}}
	for name, test := range map[string]struct {
		fleet Fleet
		took  time.Duration
	}{
		"none":                           {Fleet{Steps: one}, 0},
		"one":                            {Fleet{Secrets: 1, Steps: one}, second},
		"all at once":                    {Fleet{Secrets: 10, Steps: one}, second},
		"one after the other":            {Fleet{Secrets: 10, Steps: one, Parallel: 1}, 10 * second},
		"three at once, ten":             {Fleet{Secrets: 10, Steps: one, Parallel: 3}, 4 * second},
		"two steps":                      {Fleet{Secrets: 4, Steps: []Step{{Takes: second}, {Takes: 2 * second}}, Parallel: 2}, 6 * second},
		"a quota of reads":               {Fleet{Secrets: 10, Steps: []Step{{Reads: 2}}, Reads: Quota{Rate: 1, Burst: 1}}, 19 * second},
		"with a burst":                   {Fleet{Secrets: 10, Steps: []Step{{Reads: 2}}, Reads: Quota{Rate: 1, Burst: 5}}, 15 * second},
		"a quota of writes":              {Fleet{Secrets: 4, Steps: []Step{{Writes: 1, Takes: second}}, Writes: Quota{Rate: 2, Burst: 1}}, 2500 * time.Millisecond},
		"the tighter quota counts":       {Fleet{Secrets: 5, Steps: []Step{{Reads: 1, Writes: 1}}, Reads: Quota{Rate: 10, Burst: 1}, Writes: Quota{Rate: 1, Burst: 1}}, 4 * second},
		"a slow one has the quota spare": {Fleet{Secrets: 3, Steps: []Step{{Reads: 1, Takes: 5 * second}}, Reads: Quota{Rate: 1, Burst: 1}, Parallel: 1}, 15 * second},
		"two targets, one at each":       {Fleet{Secrets: 6, Steps: one, Targets: 2, PerTarget: 1}, 3 * second},
		"targets of unlike size":         {Fleet{Secrets: 5, Steps: one, Targets: 2, PerTarget: 1}, 3 * second},
		"two processors":                 {Fleet{Secrets: 6, Steps: []Step{{Takes: second, Work: second}}, Processors: 2}, 3 * second},
		"work beside waiting":            {Fleet{Secrets: 4, Steps: []Step{{Takes: 10 * second, Work: second}}, Processors: 1}, 13 * second},
		"drained":                        {Fleet{Secrets: 6, Steps: one, Parallel: 2, Drain: 3}, 4 * second},
		"windows":                        {Fleet{Secrets: 4, Steps: one, Parallel: 1, Every: 10 * second, Open: 2 * second}, 12 * second},
		"what is open ends after it":     {Fleet{Secrets: 2, Steps: []Step{{Takes: 5 * second}}, Parallel: 1, Every: 10 * second, Open: 2 * second}, 15 * second},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.took, Run(test.fleet).Took)
		})
	}
}

func TestJitterSpreadsWhatComes(t *testing.T) {
	f := Fleet{Secrets: 1000, Steps: []Step{{Takes: second}}, Jitter: time.Hour, Seed: 7}
	r := Run(f)
	require.Less(t, r.MostOpen, 10, "a thousand in an hour hardly meet")
	require.InDelta(t, time.Hour.Seconds(), r.Took.Seconds(), 60)
	require.Equal(t, r, Run(f), "the same again")
	f.Jitter = 0
	require.Equal(t, 1000, Run(f).MostOpen)
}

func TestCallsAreCountedAndWaitsTold(t *testing.T) {
	r := Run(Fleet{Secrets: 3, Steps: []Step{{Reads: 1, Writes: 2}}, Writes: Quota{Rate: 1, Burst: 2}})
	require.Equal(t, 9, r.Calls)
	require.Equal(t, 4*second, r.Took)
	require.Equal(t, 6*second, r.WriteWait, "the second waits two seconds, the third four")
	require.Zero(t, r.ReadWait)
}

// What runs of make scale took, of first rotations with one secret in a hundred broken, and what the simulation says with as many calls as were counted
// there.
func TestHeldAgainstMeasuredRuns(t *testing.T) {
	for name, test := range map[string]struct {
		fleet    Fleet
		calls    Calls
		measured time.Duration
	}{
		// make scale SECRETS=10000 SCALEFLAGS='-writes 60 -reads 675': at one and a half times the quotas of KMS, many leave the express path.
		"10,000, 50 at once": {
			Fleet{Secrets: 10_000, Parallel: 50, Reads: Quota{Rate: 675, Burst: 1}, Writes: Quota{Rate: 60, Burst: 1}, Steps: Steps{
				{Reads: 1, Writes: 2, Takes: 4*round + 4*logon},
				{Writes: 2, Takes: 3 * round},
				{Reads: 1, Writes: 1, Takes: 2*round + 4*logon},
				{Takes: 2 * logon},
				{Reads: 1, Writes: 4, Takes: 5*round + logon},
			}}, Calls{3, 9}, 1501 * second,
		},
		// make scale SECRETS=100 SCALE_PARALLEL=8 SCALEFLAGS='-writes 2 -reads 20', before there was an express path.
		"100, 8 at once": {
			Fleet{Secrets: 99, Parallel: 8, Reads: Quota{Rate: 20, Burst: 1}, Writes: Quota{Rate: 2, Burst: 1}, Steps: Steps{
				{Reads: 4, Writes: 2, Takes: 6*round + 4*logon},
				{Reads: 2, Writes: 3, Takes: 5 * round},
				{Reads: 3, Writes: 1, Takes: 4*round + 4*logon},
				{Reads: 2, Takes: 2*round + 2*logon},
				{Reads: 2, Writes: 5, Takes: 7*round + 1*logon},
			}}, Calls{13, 11}, 554 * second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.calls, Steps(test.fleet.Steps).Calls())
			require.InEpsilon(t, test.measured.Seconds(), Run(test.fleet).Took.Seconds(), 0.05)
		})
	}
}
