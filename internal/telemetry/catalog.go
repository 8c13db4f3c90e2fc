package telemetry

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Series is one metric, for whoever describes them.
type Series struct {
	Name, Kind, Help string
	Labels           []string
}

// Catalog lists the metrics of Rotor itself, sorted. A worker has Temporal's SDK's, Go's and the process's beside them.
func Catalog() (all []Series) {
	for _, one := range NewMetrics().own {
		all = append(all, seriesOf(one, kindOf(one))...)
	}
	all = append(all, seriesOf(&Census{}, "gauge")...)
	slices.SortFunc(all, func(a, b Series) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func kindOf(c prometheus.Collector) string {
	switch c.(type) {
	case *prometheus.CounterVec:
		return "counter"
	case *prometheus.HistogramVec, prometheus.Histogram:
		return "histogram"
	case *prometheus.GaugeVec, prometheus.Gauge: // a Gauge has a Counter's methods, too
		return "gauge"
	case prometheus.Counter:
		return "counter"
	}
	return "untyped"
}

// descForm is how a description shows itself; it has no other way of being read.
var descForm = regexp.MustCompile(`^Desc\{fqName: "(.*?)", help: "(.*?)", (?:unit: ".*?", )?constLabels: \{.*\}, variableLabels: \{(.*)\}\}$`)

func seriesOf(c prometheus.Collector, kind string) (list []Series) {
	out := make(chan *prometheus.Desc, 100)
	c.Describe(out)
	close(out)
	for d := range out {
		parts := descForm.FindStringSubmatch(d.String())
		one := Series{Name: parts[1], Kind: kind, Help: strings.ReplaceAll(parts[2], `\"`, `"`)}
		if parts[3] != "" {
			one.Labels = strings.Split(parts[3], ",")
		}
		list = append(list, one)
	}
	return list
}
