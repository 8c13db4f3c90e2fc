package telemetry

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// A metric's help is what it was made with: no more, and nothing where there is none.
func TestSeriesAreDescribed(t *testing.T) {
	for name, help := range map[string]string{"one with words": `Says "so", and more: a=b, {c}.`, "one without": ""} {
		t.Run(name, func(t *testing.T) {
			gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "rotor_some", Help: help}, []string{"store", "call"})
			require.Equal(t, []Series{{Name: "rotor_some", Kind: "gauge", Help: help, Labels: []string{"store", "call"}}}, seriesOf(gauge, kindOf(gauge)))
		})
	}
	all := Catalog()
	require.NotEmpty(t, all)
	for _, one := range all {
		require.NotEmpty(t, one.Help, one.Name)
		require.False(t, strings.Contains(one.Help, "unit:"), "%s: %s", one.Name, one.Help)
	}
}
