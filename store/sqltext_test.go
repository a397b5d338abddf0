package store

import (
	"errors"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strings"
	"testing"
)

// tenantless are the statements that know no workspace, each with its reason.
var tenantless = map[string]string{
	sqlToken:              "the token names the workspace (SX10)",
	sqlTouchToken:         "token ids are unique over all workspaces",
	sqlAcquire:            "leases belong to the installation",
	sqlRenew:              "leases belong to the installation",
	sqlReleaseLease:       "leases belong to the installation",
	sqlFence:              "leases belong to the installation",
	selectDomainHolder:    "one workspace of the installation holds a domain (DC3)",
	selectDomainContested: "one workspace of the installation holds a domain (DC3)",
	insertJoinCode:        "nobody is in a workspace yet (OS3)",
	selectJoinCode:        "nobody is in a workspace yet (OS3)",
	updateJoinCode:        "nobody is in a workspace yet (OS3)",
	countJoinCodes:        "nobody is in a workspace yet (OS3)",
	deleteJoinCodes:       "nobody is in a workspace yet (OS3)",
	sqlPutSigningKey:      "signing keys belong to the installation",
	sqlSigningKeys:        "signing keys belong to the installation",
	sqlLiteVersions:       "the schema",
	sqlPostgresVersions:   "the schema",
	sqlAppliedVersions:    "the schema",
	sqlPgSettings:         "the server",
	sqlTransactionID:      "the server",
	sqlTransactionStatus:  "the server",
}

var (
	statement = regexp.MustCompile(`^\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s`)
	insert    = regexp.MustCompile(`^\s*INSERT INTO \w+ \(workspace_id\b`)
	bound     = regexp.MustCompile(`\b(\w+\.)?workspace_id = (\?|\w+\.workspace_id)`)
)

// TestEveryStatementNamesItsWorkspace evaluates every constant text of the
// package (reliability section 13).
func TestEveryStatementNamesItsWorkspace(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for text, where := range constantTexts(t) {
		if !statement.MatchString(text) {
			continue
		}
		seen[text] = true
		if tenantless[text] != "" {
			continue
		}
		if strings.Contains(text, "INSERT") && insert.MatchString(text) || bound.MatchString(text) {
			continue
		}
		t.Errorf("%s: no workspace in\n%s", where, text)
	}
	for text, why := range tenantless {
		if !seen[text] {
			t.Errorf("the exception %q is not in use: %s", why, text)
		}
	}
	if len(seen) < 60 {
		t.Errorf("only %d statements were found: the test is blind", len(seen))
	}
}

// constantTexts gives every largest constant expression of the package that
// is a text, with its place.
func constantTexts(t *testing.T) map[string]token.Position {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	set := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, e.Name(), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	// Other packages are not loaded: constants of our own texts do without,
	// and what cannot be checked for want of them does not matter.
	config := types.Config{Importer: noImports{}, Error: func(error) {}}
	if _, err := config.Check("store", set, files, info); err == nil {
		t.Fatal("the package checked without its imports")
	}
	texts := map[string]token.Position{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			v := info.Types[e].Value
			if v == nil || v.Kind() != constant.String {
				return true
			}
			texts[constant.StringVal(v)] = set.Position(e.Pos())
			return false // parts of it are no statements of their own
		})
	}
	return texts
}

type noImports struct{}

func (noImports) Import(path string) (*types.Package, error) {
	return nil, errors.New(path + " is not loaded")
}
