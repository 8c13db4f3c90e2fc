package main

import (
	"fmt"
	"regexp"
	"strings"

	"rotor/internal/cli"
	"rotor/internal/config"
	"rotor/internal/telemetry"
	"rotor/internal/visibility"
	"rotor/internal/wiring"
)

// page collects a page, and what it lacks.
type page struct {
	text    strings.Builder
	missing []string
}

func newPage(title, intro string) *page {
	p := &page{}
	p.printf("<!-- Made by make reference. Change the descriptions in the code. -->\n\n# %s\n\n%s\n", title, intro)
	return p
}

func (p *page) printf(format string, args ...any) { _, _ = fmt.Fprintf(&p.text, format, args...) }

// table begins a table.
func (p *page) table(columns ...string) {
	p.printf("\n| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

var blanks = regexp.MustCompile(`\s+`)

// row adds one; what is described needs a description, the last cell.
func (p *page) row(cells ...string) {
	for i, cell := range cells {
		cells[i] = strings.ReplaceAll(strings.TrimSpace(blanks.ReplaceAllString(cell, " ")), "|", `\|`)
	}
	if cells[len(cells)-1] == "" {
		p.missing = append(p.missing, cells[0])
	}
	p.printf("| %s |\n", strings.Join(cells, " | "))
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// pages makes all of them, by their files' names.
func pages(root string) (map[string]string, error) {
	structs, err := readStructs(root)
	if err != nil {
		return nil, err
	}
	starter, worker := cli.Command(), wiring.Command()
	manifest, err := manifestPage()
	if err != nil {
		return nil, err
	}
	made := map[string]*page{
		"README.md":      indexPage(),
		"starter.md":     commandsPage("starter", "The command line; installed as `rotor`.", starter),
		"worker.md":      commandsPage("worker", "The program that runs the steps; installed as `rotor-worker`.", worker),
		"environment.md": variablesPage(starter, worker),
		"request.md":     structs.requestPage(),
		"manifest.md":    manifest,
		"metrics.md":     metricsPage(structs, telemetry.Catalog()),
		"errors.md":      structs.errorsPage(),
	}
	texts := map[string]string{}
	for name, one := range made {
		if len(one.missing) > 0 {
			return nil, fmt.Errorf("%s: no description in the code: %s", name, strings.Join(one.missing, ", "))
		}
		texts[name] = one.text.String()
	}
	return texts, nil
}

func indexPage() *page {
	p := newPage("Reference", "Everything that can be set, sent, read and met, as the code has it.")
	p.table("page", "what is in it")
	for _, one := range [][2]string{
		{"starter.md", "the commands of the starter (`rotor`), with all flags and exit codes"},
		{"worker.md", "the worker (`rotor-worker`), with all flags"},
		{"environment.md", "environment variables and their defaults"},
		{"request.md", "the fields of a request and of a result"},
		{"manifest.md", "the fields of a manifest"},
		{"metrics.md", "metrics and search attributes"},
		{"errors.md", "kinds of errors, outcomes, exit codes, and the words of findings"},
	} {
		p.row("["+one[0]+"]("+one[0]+")", one[1])
	}
	return p
}

// metricsPage has what a worker serves at /metrics, and what Temporal finds rotations by.
func metricsPage(s *structs, metrics []telemetry.Series) *page {
	p := newPage("Metrics and search attributes", "A worker serves its metrics at `/metrics` of `ROTOR_METRICS_ADDRESS`, beside those of Temporal's SDK (`temporal_*`), of Go (`go_*`) "+
		"and of the process (`process_*`).")
	p.printf("\n## Metrics\n")
	p.table("metric", "kind", "labels", "meaning")
	for _, one := range metrics {
		p.row(code(one.Name), one.Kind, strings.Join(one.Labels, ", "), one.Help)
	}
	p.printf("\n## Search attributes\n\n`starter setup` registers them in a namespace; workers do so themselves where they may.\n")
	p.table("attribute", "type", "meaning")
	types := visibility.Types()
	for _, name := range visibility.Names() {
		p.row(code(name), types[name], s.constantOf(name))
	}
	return p
}

// variablesPage has the variables of both programs.
func variablesPage(starter, worker command) *page {
	p := newPage("Environment variables", "A flag goes before its variable, and that before the default. A variable that is empty counts as not set.")
	p.printf("\n## With a flag\n")
	p.table("variable", "flag", "program", "default", "wanted", "meaning")
	for _, one := range settings(starter, worker) {
		p.row(code(one.variable), code("--"+one.flag), one.program, code(one.def), one.wanted, one.usage)
	}
	p.printf("\n## Without a flag\n\nThe SDKs of the clouds, of Temporal and of OpenTelemetry read more; these are those that Rotor's documentation or the program itself speaks of.\n")
	p.table("variable", "program", "default", "meaning")
	for _, one := range config.Variables() {
		p.row(code(one.Name), one.By, one.Default, one.Usage)
	}
	p.printf("\n## Written by `starter dev --env-file`\n\nBeside settings and variables above:\n")
	p.table("variable", "meaning")
	for _, one := range config.Exported() {
		p.row(code(one.Name), one.Usage)
	}
	return p
}
