package main

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuantiles(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for name, tc := range map[string]struct {
		values []float64
		part   float64
		want   float64
	}{
		"one":            {[]float64{7}, 0.5, 7},
		"one, p99":       {[]float64{7}, 0.99, 7},
		"odd":            {[]float64{3, 1, 2}, 0.5, 2},
		"even":           {[]float64{4, 1, 2, 3}, 0.5, 2.5},
		"p99 of few":     {[]float64{4, 1, 2, 3}, 0.99, 4},
		"p99 of hundred": {hundred, 0.99, 99},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, quantile(tc.values, tc.part)) })
	}
}

func TestComparing(t *testing.T) {
	dir := t.TempDir()
	base, head := &report{Version: "one"}, &report{Version: "two"}
	for _, v := range []float64{30, 10, 20} {
		base.add("rate", "rotations/s", v)
		head.add("rate", "rotations/s", 1.5*v)
		head.add("new", "ms", v)
	}
	base.add("gone", "ms", 1)
	require.NoError(t, base.write(filepath.Join(dir, "base.json")))
	require.NoError(t, head.write(filepath.Join(dir, "head.json")))
	var out bytes.Buffer
	require.NoError(t, compareFiles(&out, filepath.Join(dir, "base.json"), filepath.Join(dir, "head.json")))
	require.Equal(t, `| measure | one | from, to | two | from, to | ratio | unit        |
| ------- | --- | -------- | --- | -------- | ----- | ----------- |
| rate    | 20  | 10, 30   | 30  | 15, 45   | 1.50  | rotations/s |
| new     |     |          | 20  | 10, 30   |       | ms          |
`, out.String())
}
