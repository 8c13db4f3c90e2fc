package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// report is what a run of the command has measured. It is written as JSON, and read again to be compared.
type report struct {
	Version  string
	Time     time.Time
	Machine  machine
	Database string
	Sizes    sizes
	// WorkerEnv are the settings that the command was asked to give to the workers.
	WorkerEnv map[string]string `json:",omitempty"`
	Measures  []measured
}

type machine struct {
	Processor string
	Cores     int
	// Load is the load average of the minute before.
	Load string
}

// measured is one thing that was measured, once in each run.
type measured struct {
	Name, Unit string
	Runs       []float64
	Median     float64
	Lowest     float64
	Highest    float64
}

func (r *report) add(name, unit string, value float64) {
	i := slices.IndexFunc(r.Measures, func(m measured) bool { return m.Name == name })
	if i < 0 {
		i = len(r.Measures)
		r.Measures = append(r.Measures, measured{Name: name, Unit: unit})
	}
	m := &r.Measures[i]
	m.Runs = append(m.Runs, value)
	m.Median, m.Lowest, m.Highest = quantile(m.Runs, 0.5), slices.Min(m.Runs), slices.Max(m.Runs)
}

func (r *report) find(name string) (measured, bool) {
	i := slices.IndexFunc(r.Measures, func(m measured) bool { return m.Name == name })
	if i < 0 {
		return measured{}, false
	}
	return r.Measures[i], true
}

// quantile is the value that a part of the values is not above; the mean of two in the middle.
func quantile(values []float64, part float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := part * float64(len(sorted)-1)
	if part != 0.5 {
		at = math.Ceil(part*float64(len(sorted))) - 1
	}
	low, high := int(math.Floor(at)), int(math.Ceil(at))
	return (sorted[max(low, 0)] + sorted[max(high, 0)]) / 2
}

// print writes Markdown that can be read as it stands.
func (r *report) print(out io.Writer) error {
	var settings string
	for name, value := range r.WorkerEnv {
		settings += fmt.Sprintf(", %s=%s", name, value)
	}
	_, err := fmt.Fprintf(out, "%s on %d cores (%s), load %s before; %s; %d runs of %d rotations one by one, %d at once%s\n\n", r.Version, r.Machine.Cores, r.Machine.Processor,
		r.Machine.Load, r.Database, r.Sizes.Runs, r.Sizes.Single, r.Sizes.Many, settings)
	rows := [][]string{{"measure", "median", "lowest", "highest", "unit"}}
	for _, m := range r.Measures {
		rows = append(rows, []string{m.Name, number(m.Median), number(m.Lowest), number(m.Highest), m.Unit})
	}
	return errors.Join(err, table(out, rows))
}

// number has three digits that say something.
func number(x float64) string {
	switch {
	case x == math.Trunc(x):
		return fmt.Sprintf("%.0f", x)
	case math.Abs(x) >= 100:
		return fmt.Sprintf("%.0f", x)
	case math.Abs(x) >= 10:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

func table(out io.Writer, rows [][]string) error {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
	}
	var b strings.Builder
	for _, row := range slices.Insert(slices.Clone(rows), 1, rule) {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %s%s ", cell, strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)))
		}
		b.WriteString("|\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func (r *report) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

func read(file string) (*report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	r := &report{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("read %s: it is no report: %w", file, err)
	}
	return r, nil
}

// compareFiles prints two reports side by side.
func compareFiles(out io.Writer, baseFile, headFile string) error {
	base, err := read(baseFile)
	if err != nil {
		return err
	}
	head, err := read(headFile)
	if err != nil {
		return err
	}
	rows := [][]string{{"measure", base.Version, "from, to", head.Version, "from, to", "ratio", "unit"}}
	for _, h := range head.Measures {
		b, known := base.find(h.Name)
		row := []string{h.Name, "", "", number(h.Median), spread(h), "", h.Unit}
		if known {
			row[1], row[2] = number(b.Median), spread(b)
			if b.Median != 0 {
				row[5] = fmt.Sprintf("%.2f", h.Median/b.Median)
			}
		}
		rows = append(rows, row)
	}
	return table(out, rows)
}

func spread(m measured) string { return number(m.Lowest) + ", " + number(m.Highest) }

// thisMachine describes it as Linux does; elsewhere it says less.
func thisMachine() machine {
	m := machine{Processor: runtime.GOARCH, Cores: runtime.NumCPU(), Load: "unknown"}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.Processor = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load, _, _ = strings.Cut(string(text), " ")
	}
	return m
}
