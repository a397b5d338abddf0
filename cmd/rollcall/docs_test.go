package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// documents reads README and docs/*.md, by file name.
func documents(t *testing.T) map[string]string {
	t.Helper()
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, file := range append(files, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(file)] = string(text)
	}
	return out
}

// commandTree is the parsed command line.
func commandTree(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := kong.New(&grammar{}, kong.Name("rollcall"))
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

// TestCommandsAreDocumented: every command stands in README or docs, and its
// help has an example.
func TestCommandsAreDocumented(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, text := range documents(t) {
		all.WriteString(text)
	}
	leaves := commandTree(t).Leaves(false)
	if len(leaves) < 40 {
		t.Errorf("%d commands", len(leaves))
	}
	for _, leaf := range leaves {
		path := strings.TrimPrefix(leaf.FullPath(), "rollcall ")
		if !strings.Contains(leaf.Detail, "Example:") {
			t.Errorf("rollcall %s has no example in its help", path)
		}
		if !regexp.MustCompile(`\b` + strings.ReplaceAll(regexp.QuoteMeta(path), " ", `\s+`) + `\b`).MatchString(all.String()) {
			t.Errorf("rollcall %s stands in no document", path)
		}
	}
}

// commandLine finds a command line in a document, up to the end of the line or
// of the code.
var commandLine = regexp.MustCompile("(?m)(?:^ *|`|\\$\\(| && )rollcall ([a-z][^`\n)#|]*)")

// TestDocumentedCommandsExist: every command line of README and docs is one
// that the binary takes, with flags that it has.
func TestDocumentedCommandsExist(t *testing.T) {
	t.Parallel()
	root := commandTree(t)
	seen := 0
	for name, text := range documents(t) {
		for _, line := range commandLine.FindAllStringSubmatch(text, -1) {
			seen++
			at, words := root.Node, strings.Fields(line[1])
			for len(words) > 0 && len(at.Children) > 0 {
				i := slices.IndexFunc(at.Children, func(n *kong.Node) bool { return n.Name == words[0] })
				if i < 0 {
					break
				}
				at, words = at.Children[i], words[1:]
			}
			if at == root.Node || len(words) > 0 && len(at.Children) > 0 && regexp.MustCompile(`^[a-z]+$`).MatchString(words[0]) {
				t.Errorf("%s: there is no command rollcall %s", name, line[1])
				continue
			}
			if at.DefaultCmd != nil {
				at = at.DefaultCmd
			}
			for _, word := range words {
				flag, isFlag := strings.CutPrefix(strings.TrimRight(word, ",.;:"), "--")
				flag, _, _ = strings.Cut(flag, "=")
				if isFlag && !slices.ContainsFunc(slices.Concat(at.AllFlags(false)...), func(f *kong.Flag) bool { return f.Name == flag }) {
					t.Errorf("%s: rollcall %s: there is no flag --%s", name, line[1], flag)
				}
			}
		}
	}
	if seen < 60 {
		t.Errorf("%d command lines were found", seen)
	}
}

// TestMetricsAreDocumented: docs and code name the same metrics.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`"(rollcall_[a-z_]+[a-z])"`).FindAllSubmatch(source, -1) {
			served[string(m[1])] = true
		}
	}
	named := map[string]bool{}
	for file, text := range documents(t) {
		for _, name := range regexp.MustCompile(`\brollcall_[a-z_]+[a-z]\b`).FindAllString(text, -1) {
			named[name] = true
			if !served[name] {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
	}
	for name := range served {
		if !named[name] {
			t.Errorf("metric %s stands in no document", name)
		}
	}
}

// TestRemediesNeedNoShell: what the packages below the command line tell goes
// to identity providers, to programs and to people without a shell too. So
// none of their texts says "rollcall COMMAND" without who runs it, or sends
// people to a page that there is not.
func TestRemediesNeedNoShell(t *testing.T) {
	t.Parallel()
	commands := map[string]bool{}
	for _, node := range commandTree(t).Children {
		commands[node.Name] = true
	}
	line, label := regexp.MustCompile("rollcall ([a-z-]+)"), regexp.MustCompile(`^rollcall [a-z ]+ \d+$`) // label: of what is hashed
	for _, folder := range []string{"workspace", "sync", "scim", "api"} {
		files, err := filepath.Glob(filepath.Join("..", "..", folder, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", folder, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					return true
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(text, "the console") {
					t.Errorf("%s: %q names a page", file, text)
				}
				if m := line.FindStringSubmatch(text); m != nil && commands[m[1]] && !label.MatchString(text) && !strings.Contains(text, "administrator") {
					t.Errorf("%s: %q does not say who runs it", file, text)
				}
				return true
			})
		}
	}
}
