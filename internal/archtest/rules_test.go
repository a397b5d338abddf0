package archtest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testsOf lists the tests and benchmarks of the whole project.
func testsOf(t *testing.T, root string) map[string]bool {
	t.Helper()
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)[A-Za-z0-9]+)\(`)
	names := map[string]bool{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "node_modules"):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		source, err := os.ReadFile(path)
		for _, n := range declared.FindAllStringSubmatch(string(source), -1) {
			names[n[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestNamedTestsExist: every test that a document names is there, and the
// documents whose tables say what holds a rule or meets a trap name many.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	tests := testsOf(t, root)
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]int{}
	for _, file := range documents {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(string(text), -1) {
			named[filepath.Base(file)]++
			if !tests[n[1]] {
				t.Errorf("docs/%s names %s, which is not there", filepath.Base(file), n[1])
			}
		}
	}
	for _, document := range []string{"robustness.md", "directories.md", "sign-in.md", "domains.md"} {
		if named[document] < 40 {
			t.Errorf("docs/%s names %d tests", document, named[document])
		}
	}
}

// TestRulesHaveTests: the documents that list rules with the tests that hold
// them list every rule.
func TestRulesHaveTests(t *testing.T) {
	t.Parallel()
	for document, rules := range map[string]map[string]int{
		"sign-in.md": {"OS": 5, "OI": 9, "OL": 5, "ON": 4}, "domains.md": {"DC": 9},
	} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", document))
		if err != nil {
			t.Fatal(err)
		}
		_, table, _ := strings.Cut(string(text), "<!-- rules -->")
		table, _, whole := strings.Cut(table, "<!-- end of rules -->")
		if !whole {
			t.Errorf("docs/%s has no table of rules", document)
		}
		for letters, most := range rules {
			for n := 1; n <= most; n++ {
				rule := fmt.Sprint(letters, n)
				if !regexp.MustCompile(`\n\|[^|]*\b` + rule + `\b[^\n]*` + "`Test").MatchString(table) {
					t.Errorf("docs/%s names no test of %s", document, rule)
				}
			}
		}
	}
}
