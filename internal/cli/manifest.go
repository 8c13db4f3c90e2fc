package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"rotor/internal/config"
	"rotor/internal/manifest"
	"rotor/internal/recurrence"
	"rotor/internal/yamlfile"
)

// minIntervalEnv lowers the bounds of intervals, for tests and demos.
const minIntervalEnv = "ROTOR_MIN_INTERVAL"

// bounds of intervals, as the environment says.
func (a *app) bounds() (recurrence.Bounds, error) {
	text, ok := a.lookup(minIntervalEnv)
	if !ok || text == "" {
		return recurrence.Bounds{}, nil
	}
	least, err := recurrence.ParseInterval(text)
	if err != nil || least < time.Second {
		return recurrence.Bounds{}, usagef("%s: %q is no interval of at least 1s", minIntervalEnv, text)
	}
	return recurrence.Bounds{Lowered: least}, nil
}

// providers are those of the named stores, where the worker's configuration is at hand.
func (a *app) providers() (map[string]string, error) {
	file, _ := a.lookup(config.SettingStores)
	worker := config.Worker{StoresFile: file, AllowHTTP: true}
	stores, err := worker.Stores()
	if err != nil {
		return nil, usagef("%s", err)
	}
	known := map[string]string{}
	for name, store := range stores.Named {
		known[name] = store.Provider
	}
	return known, nil
}

// manifestFlags name manifests, and which of their entries are meant.
type manifestFlags struct {
	files []string
	choice
}

func (m *manifestFlags) bind(cmd *cobra.Command) {
	m.bindFiles(cmd)
	m.choice.bind(cmd)
}

func (m *manifestFlags) bindFiles(cmd *cobra.Command) {
	cmd.Flags().StringArrayVarP(&m.files, "file", "f", nil, "`PATH` of a manifest or of a folder of manifests, or - for standard input; can be given again")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml") // fails for a flag that does not exist only
}

// choice chooses among secrets: by store, region and labels. Without flags it chooses all.
type choice struct {
	secretFlags
	labels map[string]string
}

func (c *choice) bind(cmd *cobra.Command) {
	c.secretFlags.bind(cmd)
	cmd.Flags().Lookup("region").Usage = "only secrets of this region"
	cmd.Flags().Lookup("store").Usage = "only secrets of this store"
	cmd.Flags().StringToStringVarP(&c.labels, "label", "l", nil, "only secrets with this label (team=orders); can be given again, then all have to be there")
}

func (c *choice) takes(store, region string, labels map[string]string) bool {
	if c.store != "" && c.store != store || c.region != "" && c.region != region {
		return false
	}
	for name, value := range c.labels {
		if labels[name] != value {
			return false
		}
	}
	return true
}

func (c *choice) all() bool { return c.store == "" && c.region == "" && len(c.labels) == 0 }

// words say what was chosen, for messages.
func (c *choice) words() string {
	var list []string
	if c.store != "" {
		list = append(list, "store "+c.store)
	}
	if c.region != "" {
		list = append(list, "region "+c.region)
	}
	for _, name := range slices.Sorted(maps.Keys(c.labels)) {
		list = append(list, "label "+name+"="+c.labels[name])
	}
	return strings.Join(list, ", ")
}

// readManifest reads what --file names, and says what is wrong with it.
func (a *app) readManifest(m *manifestFlags, output *word) (*manifest.Manifest, error) {
	if len(m.files) == 0 {
		return nil, usagef("--file is missing: the manifest, like -f rotations.yaml")
	}
	bounds, err := a.bounds()
	if err != nil {
		return nil, err
	}
	providers, err := a.providers()
	if err != nil {
		return nil, err
	}
	found, problems := manifest.Read(m.files, manifest.Options{Bounds: bounds, Providers: providers, Stdin: a.Stdin})
	if len(problems) == 0 {
		a.places(found.Warnings, "warning: ")
		return found, nil
	}
	if output.forPeople() {
		a.places(problems, "")
		a.warn(counted(len(problems), "problem"))
		return nil, exit(ExitUsage)
	}
	return nil, errors.Join(a.print(output, ValidateReport{Problems: problemReports(problems)}), exit(ExitUsage))
}

// places writes one line for each, in the form that editors and CI systems find places by.
func (a *app) places(list []yamlfile.Problem, kind string) {
	for _, p := range list {
		_, _ = fmt.Fprintf(a.Stderr, "%s: %s%s\n", p.Where(), kind, p.Text)
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// ValidateReport is what validate prints with --output json, and any command about a manifest that is wrong.
type ValidateReport struct {
	Files     []string        `json:",omitempty"`
	Rotations int             `json:",omitempty"`
	Problems  []ProblemReport `json:",omitempty"`
	Warnings  []ProblemReport `json:",omitempty"`
}

// ProblemReport is one problem and its place; without a line it is about the file as a whole.
type ProblemReport struct {
	File   string
	Line   int `json:",omitempty"`
	Column int `json:",omitempty"`
	Text   string
}

func problemReports(list []yamlfile.Problem) (reports []ProblemReport) {
	for _, p := range list {
		reports = append(reports, ProblemReport{p.File, p.Line, p.Column, p.Text})
	}
	return reports
}

// print writes a report as JSON, or as YAML with the same names.
func (a *app) print(output *word, v any) error {
	if output.value != outputYAML {
		return a.printJSON(v)
	}
	data, err := json.Marshal(v)
	if err == nil {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return failf("the output can't be written as YAML")
	}
	a.printf("%s", data)
	return nil
}

func (a *app) validateCommand() *cobra.Command {
	m := &manifestFlags{}
	var output *word
	var schema bool
	cmd := &cobra.Command{
		Use:   "validate -f FILE...",
		Short: "Check manifests of rotations, and report all problems at once",
		Long: `validate reads manifests and reports all that is wrong with them, each problem as FILE:LINE:COLUMN: FIELD: what is wrong, what would
be right. It needs neither Temporal nor a worker. --schema prints the JSON Schema, by which editors complete and check manifests.

Exit codes: 0 all is right, 2 something is wrong.`,
		Example: `  starter validate -f rotations.yaml
  starter validate -f manifests/ -f more.yaml
  cat rotations.yaml | starter validate -f -
  starter validate --schema > rotations.schema.json`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if schema {
				a.printf("%s", manifest.Schema())
				return nil
			}
			m.files = append(m.files, args...)
			found, err := a.readManifest(m, output)
			if err != nil {
				return err
			}
			if !output.forPeople() {
				return a.print(output, ValidateReport{Files: found.Files, Rotations: len(found.Rotations), Warnings: problemReports(found.Warnings)})
			}
			a.printf("%s, %s: %s.\n", counted(len(found.Files), "file"), counted(len(found.Rotations), "rotation"), a.paint(green, "valid"))
			return nil
		},
	}
	m.bindFiles(cmd)
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of manifests")
	output = tableFlag(cmd)
	return cmd
}
