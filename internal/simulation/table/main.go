// The command table simulates fleets of several sizes against the documented quotas of each store, and prints when they end.
package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"rotor/internal/simulation"
)

func main() {
	sizes := flag.String("sizes", "1000,10000,100000,1000000", "how many secrets")
	parallel := flag.Int("parallel", 50, "how many rotations are open at once")
	window := flag.Duration("window", 6*time.Hour, "how long of each day rotations may begin, for the column of windows")
	month := flag.Duration("jitter", 30*24*time.Hour, "over what the schedules of all secrets are spread, for the last column")
	express := flag.Bool("express", true, "rotations go express, all of them; at a quota that is used up most do not")
	flag.Parse()
	if err := run(*sizes, *parallel, *window, *month, *express); err != nil {
		fmt.Fprintln(os.Stderr, "simulate:", err)
		os.Exit(2)
	}
}

// drain is after how many secrets the history of a fleet's workflow is long enough for another run, as make scale has found it.
const drain = 240

func run(sizes string, parallel int, window, month time.Duration, express bool) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintf(w, "STORE\tSECRETS\tBY THE QUOTA\tFLEET, %d AT ONCE\tRATIO\t%s A DAY\tSCHEDULES OVER %s: MOST OPEN\t\n", parallel, short(window), short(month))
	for _, store := range simulation.Stores {
		steps := store.Usual
		if express {
			steps = store.Express
		}
		for _, text := range strings.Split(sizes, ",") {
			n, err := strconv.Atoi(strings.TrimSpace(text))
			if err != nil || n < 1 {
				return fmt.Errorf("-sizes %s: wanted: whole numbers, separated by commas", sizes)
			}
			f := simulation.Fleet{Secrets: n, Steps: steps, Reads: store.Reads, Writes: store.Writes, Parallel: parallel, Drain: drain}
			whole := simulation.Run(f)
			f.Every, f.Open = 24*time.Hour, window
			windowed := simulation.Run(f)
			f = simulation.Fleet{Secrets: n, Steps: steps, Reads: store.Reads, Writes: store.Writes, Jitter: month, Seed: 1}
			spread := simulation.Run(f)
			bound := store.Bound(n, steps)
			_, _ = fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%.2f\t%s\t%d\t\n", store.Name, n, short(bound), short(whole.Took), whole.Took.Seconds()/bound.Seconds(),
				short(windowed.Took), spread.MostOpen)
		}
	}
	return w.Flush()
}

// short rounds a time to what matters.
func short(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%.1fd", d.Hours()/24)
	case d >= time.Hour:
		return fmt.Sprintf("%.1fh", d.Hours())
	case d >= time.Minute:
		return fmt.Sprintf("%.1fm", d.Minutes())
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}
