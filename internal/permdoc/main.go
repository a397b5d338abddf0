// Command permdoc writes docs/permissions.md from the role matrix and the
// scope rules of package workspace. With -check it writes nothing and exits
// with 1 if the file differs, so that the document cannot drift.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run returns the exit code: 0 done, 1 different or failed, 2 wrong usage.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("permdoc", flag.ContinueOnError)
	flags.SetOutput(stderr)
	check := flags.Bool("check", false, "compare only; exit 1 if the file differs")
	file := flags.String("file", "docs/permissions.md", "the document, from the module's root")
	if err := flags.Parse(args); err != nil || flags.NArg() > 0 {
		return 2
	}
	want := document()
	if *check {
		have, err := os.ReadFile(*file)
		if err != nil {
			fmt.Fprintln(stderr, "permdoc:", err)
			return 1
		}
		if !bytes.Equal(have, want) {
			fmt.Fprintf(stderr, "permdoc: %s differs from the role matrix: run go run ./internal/permdoc\n", *file)
			return 1
		}
		return 0
	}
	if err := os.WriteFile(*file, want, 0o644); err != nil { //nolint:gosec // A document of the repository, for everybody to read.
		fmt.Fprintln(stderr, "permdoc:", err)
		return 1
	}
	fmt.Fprintln(stdout, *file)
	return 0
}

// document is the whole text.
func document() []byte {
	var b strings.Builder
	b.WriteString("# Who may do what\n\n")
	b.WriteString("Generated from `workspace/permission.go` and `workspace/scope.go` by `go run ./internal/permdoc`; edit those, not this.\n\n")
	b.WriteString("## The role matrix\n\nThree fixed roles, thirteen rows. A decision names the row it was judged by; `M06.Member` as a rule means\nrow M06 and the tick that is missing.\n\n")
	b.WriteString("| id | what | action key | Owner | Admin | Member |\n|---|---|---|---|---|---|\n")
	ticks := 0
	for _, r := range workspace.Rows() {
		fmt.Fprintf(&b, "| %s | %s | `%s` |", r.ID, r.Text, r.Action)
		for _, role := range []workspace.Role{workspace.RoleOwner, workspace.RoleAdmin, workspace.RoleMember} {
			if workspace.Can(role, r.ID) {
				ticks++
				b.WriteString(" yes |")
			} else {
				b.WriteString(" - |")
			}
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\n%d of %d cells are given. Hash of the matrix: `%s`.\n", ticks, 3*len(workspace.Rows()), workspace.MatrixHash())
	b.WriteString("\n## Scope rules\n\nThey stand beside the rows: some things depend on whom or what a change is about.\n\n| rule | says |\n|---|---|\n")
	for _, r := range workspace.ScopeRules() {
		fmt.Fprintf(&b, "| `%s` | %s |\n", r.ID, r.Text)
	}
	b.WriteString("\n## What a policy can take away\n\n`policy:` in the configuration only tightens. `policy.clear` takes single ticks, for everybody with that role:\n\n")
	b.WriteString("| write | then |\n|---|---|\n")
	for _, r := range workspace.Rows() {
		for _, role := range []workspace.Role{workspace.RoleMember, workspace.RoleAdmin, workspace.RoleOwner} {
			key := string(r.ID) + "." + role.Title()
			if p := (workspace.Policy{Clear: []string{key}}); p.Validate() == nil {
				fmt.Fprintf(&b, "| `clear: [%s]` | %ss may no longer: %s |\n", key, role.Title(), r.Text)
			}
		}
	}
	b.WriteString("\nThe other keys, and the rule that a decision then shows:\n\n| key | rule | effect |\n|---|---|---|\n")
	for _, k := range workspace.PolicyKeys() {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", k.Key, k.Rule, k.Text)
	}
	return []byte(b.String())
}
