package cli

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"rotor/internal/fleet/kept"
	"rotor/internal/fleet/report"
)

const outputCSV = "csv"

// FleetReport is what fleet report prints with --output json.
type FleetReport struct {
	Fleet string
	// Counts has how many have each outcome.
	Counts map[string]int
	// Notes say what could not be found out.
	Notes   []string `json:",omitempty"`
	Secrets []report.Row
}

func (a *app) fleetReportCommand() *cobra.Command {
	c := &fleetCall{app: a}
	cmd := &cobra.Command{
		Use:   "report FLEET",
		Short: "Tell of every secret of a fleet what became of it",
		Long: `report tells of every secret of a fleet what became of it, also while the fleet runs, and as long as Temporal keeps workflows: the outcome
of its rotation, or NotRetired (Rotated, and the former credential not retired as asked), Stuck (parked, or failing for long), Open,
NoOutcome (terminated), NotStarted (its turn has not come). As text it names those that are not Rotated; json and csv have all.

Where names are hidden from Temporal (ROTOR_PAYLOAD_KEYS), it takes the keys.

` + fleetExits,
		Example: `  starter fleet report tonight
  starter fleet report tonight --output csv > report.csv`,
		Args: oneFleet,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := c.open(cmd.Context(), args[0]); err != nil {
				return err
			}
			defer c.client.Close()
			return c.tellAll(cmd.Context())
		},
	}
	c.output = &word{outputText, []string{outputText, outputTable, outputJSON, outputYAML, outputCSV}}
	c.output.flag(cmd, "output", "o", "how to print")
	c.connection.bind(cmd)
	_ = cmd.Flags().MarkHidden("task-queue") // taken, so that the flags of one command fit another
	return cmd
}

func (c *fleetCall) tellAll(ctx context.Context) error {
	reader := report.Reader{Temporal: c.client, Namespace: c.options.Namespace, Payloads: c.keys.Converter(), ID: c.id}
	rows, notes, err := reader.Read(ctx, c.name)
	if errors.Is(err, kept.ErrNone) {
		return failf("no fleet %s is known, or Temporal does not keep its selection any more; %s fleet status lists fleets", c.name, c.Program)
	}
	if err != nil {
		return c.explain(ctx, "read the report in", err)
	}
	r := FleetReport{Fleet: c.name, Counts: map[string]int{}, Notes: notes, Secrets: rows}
	for _, row := range rows {
		r.Counts[row.Outcome]++
	}
	switch c.output.value {
	case outputJSON, outputYAML:
		return c.print(c.output, r)
	case outputCSV:
		for _, note := range notes {
			c.warn(note)
		}
		return c.printCSV(rows)
	}
	for _, note := range notes {
		c.warn(note)
	}
	c.printReport(r)
	return nil
}

// printReport names those that are not Rotated.
func (c *fleetCall) printReport(r FleetReport) {
	w := tabwriter.NewWriter(c.Stdout, 0, 0, 2, ' ', 0)
	if failed := report.Failed(r.Secrets); len(failed) > 0 {
		_, _ = fmt.Fprintln(w, "OUTCOME\tSECRET\tSTORE\tREGION\tREASON")
		for _, row := range failed {
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", row.Outcome, row.Secret, row.Store, row.Region, row.Reason)
		}
	}
	_ = w.Flush() // the output tells its own errors
	var words []string
	for _, outcome := range slices.Sorted(maps.Keys(r.Counts)) {
		words = append(words, fmt.Sprintf("%d %s", r.Counts[outcome], outcome))
	}
	c.printf("%s: %s.\n", counted(len(r.Secrets), "secret"), strings.Join(words, ", "))
}

func (c *fleetCall) printCSV(rows []report.Row) error {
	w := csv.NewWriter(c.Stdout)
	lines := [][]string{{"secret", "store", "region", "target", "outcome", "started", "ended", "reason", "another", "workflow", "run"}}
	at := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for _, r := range rows {
		lines = append(lines, []string{r.Secret, r.Store, r.Region, r.Target, r.Outcome, at(r.Started), at(r.Ended), r.Reason, map[bool]string{true: "yes"}[r.Another],
			r.WorkflowID, r.RunID})
	}
	if err := w.WriteAll(lines); err != nil {
		return failf("print CSV: the output can't be written")
	}
	return nil
}
