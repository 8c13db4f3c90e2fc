package main

import (
	"bytes"
	"maps"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exact is what a rotation of a secret that was rotated before does. It is the same on every machine; where a change of the program changes
// it, say in docs/performance.md why.
var exact = map[string]map[string]float64{
	"kms-mysql-dual-account":  {nameCalls: 11, nameWrites: 3, nameLogins: 6, nameEvents: 17},
	"kms-apsara-dual-account": {nameCalls: 22, nameWrites: 3, nameLogins: 7, nameEvents: 37},
	"aws-mysql-dual-account":  {nameCalls: 12, nameWrites: 2, nameLogins: 6, nameEvents: 17},
	"aws-mysql-single-user":   {nameCalls: 7, nameWrites: 2, nameLogins: 5, nameEvents: 17},
	"kms-mysql-dual-password": {nameCalls: 12, nameWrites: 3, nameLogins: 10, nameEvents: 22},
}

func TestEverythingIsMeasured(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	var out, progress bytes.Buffer
	err := execute(t.Context(), []string{"--runs=1", "--single=1", "--many=2", "--at-once=1,2", "--worker-env=ROTOR_LOG_FORMAT=json", "--version=v1", "--json", file}, &out, &progress)
	require.NoError(t, err, progress.String())
	r, err := read(file)
	require.NoError(t, err)
	require.Equal(t, "v1", r.Version)
	require.Equal(t, sizes{Runs: 1, Single: 1, Many: 2, AtOnce: []int{1, 2}}, r.Sizes)
	require.Equal(t, map[string]string{"ROTOR_LOG_FORMAT": "json"}, r.WorkerEnv)
	require.NotEmpty(t, r.Database)
	exact := maps.Clone(exact)
	if strings.HasPrefix(r.Database, "MariaDB ") || strings.HasPrefix(r.Database, "MySQL 5.") {
		delete(exact, "kms-mysql-dual-password") // one account has one password there
	}

	want := []string{
		"Temporal alone: rate, 2 at once", "Temporal alone: its processor", "Temporal alone: worker's and starter's processor",
		"rate, 1 at once", "rate, 2 at once", "floor's rate, 2 at once", "floor's rate by the rate, 2 at once", "worker: processor", "worker: memory", "Temporal: processor",
		"Temporal: memory", "database: processor", "database: memory", "bench with the simulated cloud: processor", "bench with the simulated cloud: memory",
		"rate, 2 at once, database 20ms away", "floor's rate, 2 at once, database 20ms away", "rate, 2 at once, store 20ms away", "rate at nine databases",
		"rate at nine databases, a tenth hangs", "what the hung database costs the others", "rate, 2 at once, default settings, store takes 40 writes/s",
		"writes that such a store refuses", "aws-mysql-single-user: exposure as the rotation says, p50", "aws-mysql-single-user: exposure as a client meets it, p50",
	}
	for kind := range exact {
		for _, what := range []string{"one rotation, p50", "one rotation, p99", "floor, p50", "p50 by the floor's", nameStatements, nameBytes} {
			want = append(want, kind+": "+what)
		}
	}
	for _, name := range want {
		m, there := r.find(name)
		require.True(t, there, name)
		require.Len(t, m.Runs, 1, name)
		require.Contains(t, out.String(), "\n| "+name+" ", "the table has it, too")
		if !strings.Contains(name, "costs") && !strings.Contains(name, "refuses") && !strings.HasSuffix(name, "processor") && !strings.Contains(name, "exposure") {
			require.Positive(t, m.Median, name)
		}
	}
	measured := map[string]map[string]float64{}
	for kind, counts := range exact {
		measured[kind] = map[string]float64{}
		for name := range counts {
			m, there := r.find(kind + ": " + name)
			require.True(t, there, name)
			measured[kind][name] = m.Median
		}
	}
	require.Equal(t, exact, measured)
	for kind := range exact {
		for _, name := range []string{nameCalls, nameLogins, nameStatements} {
			of, _ := r.find(kind + ": " + name)
			floor, there := r.find(kind + ": floor, " + name)
			require.True(t, there, kind)
			require.Equal(t, of.Median, floor.Median, "%s: %s of a rotation and of the floor", kind, name)
		}
	}
	events, _ := r.find("Temporal alone: events")
	require.Equal(t, exact[tracked.Name][nameEvents], events.Median, "the same workflow")
	rates, _ := r.find("rate, 2 at once, database 20ms away")
	require.Less(t, rates.Median, 2/0.02, "two at once, each with more than one answer to wait for")

	var compared bytes.Buffer
	require.NoError(t, execute(t.Context(), []string{"--compare", file, file}, &compared, &progress))
	require.Contains(t, compared.String(), "| rate, 1 at once ")
	require.Contains(t, compared.String(), " 1.00 ")
}

func TestWrongFlags(t *testing.T) {
	for name, args := range map[string][]string{
		"nothing to measure": {"--runs=0"}, "none at once": {"--at-once=0"}, "no setting": {"--worker-env=ROTOR_HEARTBEAT"}, "one file": {"--compare", "base.json"},
		"no file": {"--compare", "none.json", "none.json"}, "unknown": {"--fast"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			require.Error(t, execute(t.Context(), args, &out, &out))
		})
	}
}
