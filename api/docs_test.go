package api

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumentedEndpointsExist: every path below /v1 that README and docs name
// is one of the table, with the method that they name.
func TestDocumentedEndpointsExist(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	table := append(routes(),
		route{method: http.MethodPost, path: "/v1/signals/{connection}"}) // served by SignIn: the transmitter has a token of its own
	named := regexp.MustCompile(`(?:\b(GET|POST|PUT|PATCH|DELETE) )?(?:https?://[a-z.]+|\.\.\.)?(/v1/[a-zA-Z0-9/{}._-]*[a-zA-Z0-9}])`)
	seen := 0
	for _, file := range append(files, filepath.Join("..", "README.md")) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			seen++
			// ID, STREAM, siem and 0198 stand for values.
			segments := strings.Split(strings.TrimPrefix(m[2], "/"), "/")
			if !slices.ContainsFunc(table, func(r route) bool {
				_, ok := match(strings.Split(strings.TrimPrefix(r.path, "/"), "/"), segments)
				return ok && (m[1] == "" || m[1] == r.method)
			}) {
				t.Errorf("%s: there is no endpoint %s %s", filepath.Base(file), m[1], m[2])
			}
		}
	}
	if seen < 20 {
		t.Errorf("%d endpoints were found", seen)
	}
}
