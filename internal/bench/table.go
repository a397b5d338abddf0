package main

import (
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"
)

// table collects the figures.
type table struct {
	start time.Time
	rows  [][5]string // what, value, beside, ratio, bar with verdict
}

// add adds a line; a bar of "" is a figure that no bar judges.
func (t *table) add(what, value, beside, ratio, bar string, met bool) {
	verdict := ""
	if bar != "" {
		verdict = bar + "  missed"
		if met {
			verdict = bar + "  met"
		}
	}
	t.rows = append(t.rows, [5]string{what, value, beside, ratio, verdict})
	t.note("%s: %s (%s) %s %s", what, value, beside, ratio, verdict)
}

// note tells on stderr what is under way.
func (t *table) note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(t.start).Seconds(), fmt.Sprintf(format, args...))
}

// print writes the table.
func (t *table) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "\nFIGURE\tVALUE\tBESIDE\tRATIO\tBAR")
	for _, r := range t.rows {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r[0], r[1], r[2], r[3], r[4])
	}
	if err := w.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	fmt.Fprintf(out, "\nmeasured in %.0f s; the clients share the machine with the server\n", time.Since(t.start).Seconds())
}
