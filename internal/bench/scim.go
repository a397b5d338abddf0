package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// benchResults are what `go test -bench` has printed: figures by benchmark and
// unit, of several runs the last.
type benchResults map[string]map[string]float64

// readBench reads the output of `go test -bench` and passes it on, so that
// whoever waits sees how far it is. It fails when a test has failed.
func readBench(in io.Reader, progress io.Writer) (benchResults, error) {
	found := benchResults{}
	failed := false
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		text := lines.Text()
		if _, err := fmt.Fprintln(progress, text); err != nil {
			return nil, err
		}
		failed = failed || strings.HasPrefix(text, "FAIL") || strings.HasPrefix(text, "--- FAIL")
		fields := strings.Fields(text)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		figures := map[string]float64{}
		for i := 2; i+1 < len(fields); i += 2 {
			if v, err := strconv.ParseFloat(fields[i], 64); err == nil {
				figures[fields[i+1]] = v
			}
		}
		found[benchName(fields[0])] = figures
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if failed {
		return nil, errors.New("a benchmark failed: see above")
	}
	return found, nil
}

// benchName is a benchmark's name without Benchmark and the number of
// processors at its end.
func benchName(text string) string {
	name := strings.TrimPrefix(text, "Benchmark")
	if i := strings.LastIndexByte(name, '-'); i > 0 {
		if _, err := strconv.Atoi(name[i+1:]); err == nil {
			name = name[:i]
		}
	}
	return name
}

// runSCIM makes the table of `make bench-scim` from what the benchmarks print
// on stdin.
func runSCIM(in io.Reader, out io.Writer) error {
	t := &table{start: time.Now()}
	found, err := readBench(in, os.Stderr)
	if err != nil {
		return err
	}
	found.rows(t)
	t.print(out)
	return nil
}

// rows adds a line for each figure that was measured; what was left out by
// -bench has none.
func (r benchResults) rows(t *table) {
	for _, client := range []string{"entra", "okta"} {
		if f := r["Growth"]; f[client+"-growth"] != 0 {
			t.add(client+": a request at 100,000 people", micros(unit(f[client+"-us/req-100000"], time.Microsecond)), micros(unit(f[client+"-us/req-1000"], time.Microsecond))+" at 1,000",
				fmt.Sprintf("%.2f", f[client+"-growth"]), "<= 1.30", f[client+"-growth"] <= 1.3)
		}
	}
	for _, size := range []string{"1000", "20000", "100000"} {
		if f, ok := r["Clients/"+size]; ok {
			t.add("Entra and Okta mixed, 8 at once, "+size+" people", fmt.Sprintf("%.0f requests/s", f["req/s"]), "", "", "", false)
		}
	}
	r.latency(t, "Lookup", "userName among 100,000", 5)
	if f, ok := r["Pages"]; ok {
		t.add("last page of 100,000", millis(unit(f["last-ms"], time.Millisecond)), millis(unit(f["first-ms"], time.Millisecond))+" the first", fmt.Sprintf("%.2f", f["last/first"]), "<= 1.50", f["last/first"] <= 1.5)
	}
	for _, name := range []string{"first-page", "names-only", "eq", "starts-with", "contains", "and", "sorted"} {
		r.latency(t, "Lists/"+name, "list among 100,000: "+name, 0)
	}
	if f, ok := r["GroupAdd"]; ok {
		t.add("one member more in a large group", millis(unit(f["large-ms"], time.Millisecond)), millis(unit(f["small-ms"], time.Millisecond))+" in a small one", fmt.Sprintf("%.2f", f["large/small"]), "<= 1.50", f["large/small"] <= 1.5)
	}
	r.latency(t, "PatchMembers", "1,000 members in one PATCH", 1000)
	r.latency(t, "Deactivate", "deactivation under load", 1000)
}

// latency adds the middle and the slowest of a hundred; most is the bar of the
// latter in milliseconds, 0 for none.
func (r benchResults) latency(t *table, name, what string, most float64) {
	f, ok := r[name]
	if !ok {
		return
	}
	beside, bar := "", ""
	if p50, ok := f["p50-ms"]; ok {
		beside = millis(unit(p50, time.Millisecond)) + " p50"
	}
	if most > 0 {
		bar = fmt.Sprintf("<= %.0f ms", most)
	}
	t.add(what, millis(unit(f["p99-ms"], time.Millisecond))+" p99", beside, "", bar, f["p99-ms"] <= most)
}

// unit is a figure of the benchmarks as a time.
func unit(v float64, of time.Duration) time.Duration { return time.Duration(v * float64(of)) }
