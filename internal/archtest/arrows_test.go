// Package archtest holds the rules that no compiler knows: which package may import which (docs/architecture.md), and the
// house rules that a program can check. They run with the tests so that nobody needs the linter to see them.
package archtest

import (
	"errors"
	"go/build"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/rollcall-sync/rollcall"

// area is a part of the module with its arrows.
type area struct {
	imports []string // Areas that its code may import, beside those of anywhere.
	tests   []string // Areas that only its tests may import in addition; "*" is any.
	libs    []string // If not nil: the only foreign modules its code may import.
	banned  []string // Packages that its code may not import, standard library included.
}

// anywhere may be imported by every area but workspace, which imports the standard library alone.
var anywhere = []string{"workspace", "internal/fold", "internal/dn"}

// areas is the picture of docs/architecture.md as a table. A folder that is not in it fails the test: a new room is a
// decision, so write an ADR and add the row.
var areas = map[string]area{
	"cmd":             {imports: []string{"*"}, tests: []string{"*"}},
	"configs":         {imports: []string{"internal/mail", "internal/yamldoc", "events", "mapping", "sync", "sync/ldap", "sync/oidc", "internal/claim", "internal/secret"}},
	"workspace":       {libs: []string{}},
	"mapping":         {imports: []string{"internal/yamldoc"}, banned: []string{"net", "net/http", "database/sql", "math/rand", "math/rand/v2", "crypto/rand"}},
	"store":           {tests: []string{"store/storetest"}},
	"store/storetest": {imports: []string{"store", "internal/pgtest"}},
	"sync":            {imports: []string{"mapping", "store", "audit", "internal/claim"}, tests: []string{"store/storetest", "internal/dnstest"}},
	"sync/ldap":       {imports: []string{"sync", "internal/secret"}, tests: []string{"internal/ldaptest", "internal/ldaptest/script", "sync/sourcetest"}},
	"sync/oidc":       {imports: []string{"sync", "internal/safedial", "internal/secret"}, tests: []string{"internal/fakeidp", "sync/sourcetest"}},
	"sync/sourcetest": {imports: []string{"sync"}},
	"scim":            {imports: []string{"sync", "store", "internal/admission", "internal/bearer"}, tests: []string{"store/storetest", "mapping"}},
	"api":             {imports: []string{"sync", "store", "internal/admission", "internal/bearer"}, tests: []string{"mapping"}},
	"events":          {imports: []string{"store", "internal/safedial", "internal/secret"}, tests: []string{"store/storetest", "internal/pgtest"}},
	"audit":           {},

	"internal/admission":    {imports: []string{"store", "internal/bearer"}},
	"internal/archtest":     {},
	"internal/bearer":       {},
	"internal/claim":        {tests: []string{"internal/dnstest"}},
	"internal/dnstest":      {},
	"internal/bench":        {},
	"internal/dn":           {},
	"internal/e2e":          {tests: []string{"*"}},
	"internal/fakeidp":      {},
	"internal/fold":         {},
	"internal/freeport":     {},
	"internal/keycloaktest": {imports: []string{"internal/freeport"}},
	"internal/ldaptest":     {imports: []string{"internal/freeport"}},
	"internal/permdoc":      {},
	"internal/mail":         {imports: []string{"internal/secret"}},
	"internal/pgtest":       {imports: []string{"internal/freeport"}},
	"internal/safedial":     {},
	"internal/secret":       {},
	"internal/systemd":      {},
	"internal/yamldoc":      {},

	"internal/ldaptest/script": {},
}

// packages reads every package of the module, wherever the test runs. It reads the folders itself and asks no `go list`, so
// that go test's cache sees every file on which the verdict rests.
func packages(t *testing.T) []*build.Package {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	var all []*build.Package
	err = filepath.WalkDir(root, func(dir string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if dir != root && !oursToRead(dir) {
			return fs.SkipDir
		}
		p, err := build.ImportDir(dir, 0)
		var none *build.NoGoError
		if errors.As(err, &none) {
			return nil
		}
		if err != nil {
			return err
		}
		inside, err := filepath.Rel(root, dir)
		if err != nil {
			return err
		}
		p.ImportPath = module + "/" + filepath.ToSlash(inside)
		all = append(all, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("no package below %s", root)
	}
	return all
}

// oursToRead leaves out what the go command leaves out: test data, hidden folders, and modules within the module.
func oursToRead(dir string) bool {
	name := filepath.Base(dir)
	if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err != nil
}

// areaOf returns the longest area whose folder holds the import path, "" for a path of another module.
func areaOf(path string) (name string, ours bool) {
	rest, ours := strings.CutPrefix(path, module+"/")
	if !ours {
		return "", false
	}
	for rest != "" {
		if _, ok := areas[rest]; ok {
			return rest, true
		}
		rest = rest[:max(0, strings.LastIndexByte(rest, '/'))]
	}
	return "", true
}

// standard reports whether a path is of the standard library: those have no dot in their first element.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// violations judges the imports of one package.
func violations(p *build.Package) []string {
	from, ours := areaOf(p.ImportPath)
	if !ours || from == "" {
		return []string{p.ImportPath + ": no area of internal/archtest; a new folder needs a row there and an ADR"}
	}
	rule := areas[from]
	var found []string
	for _, path := range p.Imports {
		to, ours := areaOf(path)
		switch {
		case slices.Contains(rule.banned, path):
			found = append(found, from+" must not import "+path)
		case ours:
			if !rule.allows(from, to) {
				found = append(found, from+" must not import "+strings.TrimPrefix(path, module+"/"))
			}
		case rule.libs != nil && !standard(path) && !slices.Contains(rule.libs, path):
			found = append(found, from+" must not import "+path)
		}
	}
	for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
		to, ours := areaOf(path)
		fitting := to == "internal/pgtest" || slices.Contains(rule.tests, to) || slices.Contains(rule.tests, "*")
		if ours && !fitting && !rule.allows(from, to) {
			found = append(found, "tests of "+from+" must not import "+strings.TrimPrefix(path, module+"/"))
		}
	}
	return found
}

func (a area) allows(from, to string) bool {
	switch {
	case to == from:
		return true
	case to == "cmd" || to == "":
		return false
	case from == "workspace":
		return false
	case slices.Contains(a.imports, "*"):
		return true
	}
	return slices.Contains(anywhere, to) || slices.Contains(a.imports, to)
}

func TestArrows(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, v := range violations(p) {
			t.Error(v)
		}
	}
}

// The table must be able to refuse: each row is an arrow that somebody will one day want to draw.
func TestArrowsRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to string
		test, ok bool
	}{
		{from: "workspace", to: module + "/internal/fold"},
		{from: "workspace", to: "github.com/google/uuid"},
		{from: "workspace", to: "strings", ok: true},
		{from: "workspace", to: "pgregory.net/rapid", test: true, ok: true},
		{from: "mapping", to: module + "/workspace", ok: true},
		{from: "mapping", to: module + "/store"},
		{from: "mapping", to: "net/http"},
		{from: "store", to: module + "/sync"},
		{from: "store", to: module + "/internal/pgtest"},
		{from: "store", to: module + "/internal/pgtest", test: true, ok: true},
		{from: "sync", to: module + "/sync/ldap"},
		{from: "sync", to: module + "/sync/ldap", test: true},
		{from: "sync/ldap", to: module + "/sync", ok: true},
		{from: "sync/ldap", to: module + "/store"},
		{from: "sync/ldap", to: module + "/sync/oidc"},
		{from: "scim/profile", to: module + "/sync", ok: true},
		{from: "scim", to: module + "/api"},
		{from: "scim", to: module + "/mapping"},
		{from: "events", to: module + "/sync"},
		{from: "configs", to: module + "/store"},
		{from: "store", to: module + "/cmd/rollcall", test: true},
		{from: "cmd/rollcall", to: module + "/scim", ok: true},
		{from: "helpers", to: "strings"},
	} {
		p := &build.Package{ImportPath: module + "/" + c.from}
		if c.test {
			p.XTestImports = []string{c.to}
		} else {
			p.Imports = []string{c.to}
		}
		if got := violations(p); (len(got) == 0) != c.ok {
			t.Errorf("%s -> %s (test %t): %q", c.from, c.to, c.test, got)
		}
	}
}
