package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"rotor/internal/rotation"
)

// checkEntries has workers check the chosen entries, those of each task queue by its own workers, and adds what shows only where all are
// looked at together. failures are those of task queues whose entries could not be checked; others are checked all the same.
func (c *applyCall) checkEntries(ctx context.Context) (report *CheckReport, failures []error) {
	byQueue := map[string][]rotation.Request{}
	for _, w := range c.wanted() {
		byQueue[w.Queue] = append(byQueue[w.Queue], w.Request)
	}
	report = &CheckReport{Fine: true}
	for _, queue := range slices.Sorted(maps.Keys(byQueue)) {
		call := &checkCall{app: c.app, connection: c.connection, output: c.output}
		call.queue = queue
		checks, err := call.all(ctx, byQueue[queue])
		if err != nil {
			failures = append(failures, err)
			report.Fine = false
			for _, req := range byQueue[queue] {
				report.Unchecked = append(report.Unchecked, UncheckedEntry{req.Name(), req.Store, req.RegionId, queue})
			}
			continue
		}
		report.Checks = append(report.Checks, checks...)
	}
	plain := make([]rotation.Check, len(report.Checks))
	for i, one := range report.Checks {
		plain[i] = one.Check
	}
	for i, findings := range rotation.Together(plain) {
		one := &report.Checks[i]
		one.Findings = append(one.Findings, findings...)
		one.Fine = one.Check.Fine()
		report.Fine = report.Fine && one.Fine
	}
	return report, failures
}

// tellChecks prints what is wrong with the entries, and nothing of those that are fine.
func (c *applyCall) tellChecks(report *CheckReport) {
	fine := 0
	for _, one := range report.Checks {
		if one.Fine {
			fine++
		}
		if len(one.Findings) == 0 {
			continue
		}
		c.printf("! %s  %s %s\n", one.Secret, one.Store, one.Region)
		for _, f := range one.Findings {
			c.tellFinding(f)
		}
	}
	for _, one := range report.Unchecked {
		c.printf("? %s  %s %s\n    not checked, on task queue %s\n", one.Secret, one.Store, one.Region, one.TaskQueue)
	}
	text := fmt.Sprintf("%d fine, %d not", fine, len(report.Checks)-fine)
	if n := len(report.Unchecked); n > 0 {
		text += fmt.Sprintf(", %d not checked", n)
	}
	c.printf("Check: %s.\n", text)
}
