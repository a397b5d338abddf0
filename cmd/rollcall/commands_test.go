package main

import (
	"os"
	"regexp"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptCommands are the commands that scripts have beside the usual ones.
var scriptCommands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"keep":  keepCommand,
	"serve": serveCommand,
	"halt":  haltCommand, // testscript has a stop of its own, which ends the script
	"scim":  scimCommand,
	"api":   apiCommand,
	"plain": plainCommand,
	"dns":   dnsCommand,
	"idp":   idpCommand,
	"smtp":  smtpCommand,
	"join":  joinCommand,
}

// keepCommand keeps the first match of a pattern in a file (stdout and stderr
// too) in a variable, or its first group: keep VAR FILE PATTERN.
func keepCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: keep VAR FILE PATTERN")
	}
	found := regexp.MustCompile("(?m)" + args[2]).FindStringSubmatch(ts.ReadFile(args[1]))
	if found == nil {
		ts.Fatalf("%s has no match for %q:\n%s", args[1], args[2], ts.ReadFile(args[1]))
	}
	ts.Setenv(args[0], found[len(found)-1])
}

// volatile is what differs from run to run, with what stands for it.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`run [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}`), "run RUN"},
	{regexp.MustCompile(`(?m)^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}`), "RUN               "},
	{regexp.MustCompile(`sha256:[0-9a-f]{64}`), "HASH"},
	{regexp.MustCompile(`\b[0-9a-f]{12}\b`), "PLANHASH0000"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{6})?Z`), "TIME"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\dh`), "HOUR"},
	{regexp.MustCompile(`root [A-Za-z0-9+/]{8}\.\.\.`), "root ROOT"},
	{regexp.MustCompile(`(credit|charge) \d+\.\d\d`), "$1 MONEY"},
	{regexp.MustCompile(`(?m),\d+,\d+,(\d+)\r?$`), ",CENTS,CENTS,$1"},
	{regexp.MustCompile(`\b\d+(\.\d+)?(ms|µs|s)\b`), "TOOK"},
	{regexp.MustCompile(`\b\d+ ms\b`), "N ms"},
	{regexp.MustCompile(`rcs_[a-z2-7]{8}_[a-z2-7]{52}_[0-9a-f]{8}`), "TOKEN"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
}

// plainCommand copies a file (stdout too) with what differs from run to run
// replaced, for cmp: plain FILE TO.
func plainCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: plain FILE TO")
	}
	text := ts.ReadFile(args[0])
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	// A txtar file cannot hold CR.
	text = strings.ReplaceAll(text, "\r\n", "\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
}
