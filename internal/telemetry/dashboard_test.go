package telemetry_test

import (
	"encoding/json"
	"os"
	"regexp"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"rotor/internal/telemetry"
)

// What the dashboard and the alerts ask for is what a worker has.
func TestDashboardAndAlertsAskForMetricsThatExist(t *testing.T) {
	m := telemetry.NewMetrics()
	described := make(chan *prometheus.Desc, 100)
	(&telemetry.Census{}).Describe(described)
	m.Registry.Describe(described)
	close(described)
	known := map[string]bool{}
	for d := range described {
		known[regexp.MustCompile(`fqName: "(\w+)"`).FindStringSubmatch(d.String())[1]] = true
	}
	for _, file := range []string{"../../deploy/grafana/rotor.json", "../../deploy/prometheus/rotor.rules.yaml"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		asked := regexp.MustCompile(`\brotor_[a-z_]+\b`).FindAllString(string(text), -1)
		require.NotEmpty(t, asked)
		for _, name := range asked {
			base := regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
			require.True(t, known[base] || known[name], "%s asks for %s", file, name)
		}
	}
	var dashboard struct{ Panels []struct{ Title string } }
	text, err := os.ReadFile("../../deploy/grafana/rotor.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &dashboard))
	require.NotEmpty(t, dashboard.Panels)
}
