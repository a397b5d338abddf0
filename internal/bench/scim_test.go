package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// TestSCIMTable: the figures of the benchmarks stand beside their bars, what
// was not measured has no line, and a failure is one.
func TestSCIMTable(t *testing.T) {
	const printed = `goos: linux
BenchmarkClients/1000-2    3  123 ns/op   900.4 req/s
BenchmarkGrowth-2          5  99 ns/op  1.200 entra-growth  1000 entra-us/req-1000  1200 entra-us/req-100000  1.400 okta-growth  1000 okta-us/req-1000  1400 okta-us/req-100000
BenchmarkLists/names-only-2  10  5 ns/op  1.500 p50-ms  2.500 p99-ms
BenchmarkPatchMembers  2  7 ns/op  300.0 p50-ms  400.0 p99-ms
ok  	example	1s
`
	found, err := readBench(strings.NewReader(printed), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	table := &table{start: time.Now()}
	found.rows(table)
	var out bytes.Buffer
	table.print(&out)
	for _, want := range []string{
		"entra: a request at 100,000 people 1200 us 1000 us at 1,000 1.20 <= 1.30 met",
		"okta: a request at 100,000 people 1400 us 1000 us at 1,000 1.40 <= 1.30 missed",
		"Entra and Okta mixed, 8 at once, 1000 people 900 requests/s",
		"list among 100,000: names-only 2.50 ms p99 1.50 ms p50",
		"1,000 members in one PATCH 400.00 ms p99 300.00 ms p50 <= 1000 ms met",
	} {
		if !strings.Contains(strings.Join(strings.Fields(out.String()), " "), want) {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "deactivation") {
		t.Errorf("a line of what was not measured:\n%s", out.String())
	}
	if _, err := readBench(strings.NewReader("--- FAIL: BenchmarkGrowth\nFAIL\n"), io.Discard); err == nil {
		t.Error("a failure passes")
	}
}
