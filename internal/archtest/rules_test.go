package archtest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestRulesHaveTests: the documents that list rules with the tests that hold
// them list every rule, and every test is there.
func TestRulesHaveTests(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	var sources strings.Builder
	for _, folder := range []string{"sync/oidc", "sync", "api", "internal/safedial", "internal/secret", "internal/claim", "internal/fold", "configs"} {
		files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			sources.Write(source)
		}
	}
	for document, rules := range map[string]map[string]int{
		"sign-in.md": {"OS": 5, "OI": 9, "OL": 5, "ON": 4}, "domains.md": {"DC": 9},
	} {
		text, err := os.ReadFile(filepath.Join(root, "docs", document))
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
				if rule := fmt.Sprint(letters, n); !regexp.MustCompile(`\n\|[^|]*\b` + rule + `\b`).MatchString(table) {
					t.Errorf("docs/%s names no test of %s", document, rule)
				}
			}
		}
		for _, n := range regexp.MustCompile("`(Test[A-Za-z0-9]+)`").FindAllStringSubmatch(table, -1) {
			if !strings.Contains(sources.String(), "func "+n[1]+"(") {
				t.Errorf("docs/%s names %s, which is not there", document, n[1])
			}
		}
	}
}
