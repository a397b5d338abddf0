package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vague names say nothing about what is inside.
var vague = []string{"util", "utils", "helper", "helpers", "common", "base", "types", "models", "manager", "misc", "shared"}

func TestHouseRules(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if slices.Contains(vague, p.Name) {
			t.Errorf("package %s: name it after what it holds", p.ImportPath)
		}
		from, _ := areaOf(p.ImportPath)
		for _, name := range slices.Concat(p.GoFiles, p.TestGoFiles, p.XTestGoFiles) {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range houseFaults(from, strings.HasSuffix(name, "_test.go"), file) {
				t.Errorf("%s: %s", fset.Position(f.pos), f.text)
			}
		}
	}
}

type fault struct {
	pos  token.Pos
	text string
}

// houseFaults judges one file of an area.
func houseFaults(from string, test bool, file *ast.File) []fault {
	var found []fault
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		if _, ours := areaOf(path); ours && spec.Name != nil && spec.Name.Name != "_" {
			found = append(found, fault{spec.Pos(), "our own package " + path + " is imported under another name"})
		}
	}
	pure := !test && (from == "workspace" || from == "mapping")
	var functions []*ast.FuncType // The enclosing functions, outermost first.
	var walk func(n ast.Node) bool
	walk = func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			functions = append(functions, n.Type)
			if n.Body != nil {
				ast.Inspect(n.Body, walk)
			}
			functions = functions[:len(functions)-1]
			return false
		case *ast.FuncLit:
			functions = append(functions, n.Type)
			ast.Inspect(n.Body, walk)
			functions = functions[:len(functions)-1]
			return false
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			switch {
			case !ok:
			case pure && x.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "After", "Sleep"}, n.Sel.Name):
				found = append(found, fault{n.Pos(), from + " has no clock: take the time as an argument"})
			case test && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, n.Sel.Name) && ofTesting(functions, x.Name):
				found = append(found, fault{n.Pos(), "a skipped test says nothing: fail with the remedy"})
			}
		}
		return true
	}
	ast.Inspect(file, walk)
	return found
}

// ofTesting reports whether a name is a parameter of a type of package testing. The innermost function that declares it
// decides: property tests have a t of their own, and theirs may skip what does not apply.
func ofTesting(functions []*ast.FuncType, name string) bool {
	for _, f := range slices.Backward(functions) {
		for _, field := range f.Params.List {
			for _, param := range field.Names {
				if param.Name != name {
					continue
				}
				kind := field.Type
				if star, ok := kind.(*ast.StarExpr); ok {
					kind = star.X
				}
				selector, ok := kind.(*ast.SelectorExpr)
				if !ok {
					return false
				}
				from, ok := selector.X.(*ast.Ident)
				return ok && from.Name == "testing"
			}
		}
	}
	return false
}

func TestHouseRulesRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		from, source string
		test         bool
		faults       int
	}{
		"clock in mapping":     {from: "mapping", source: `package p; import "time"; var now = time.Now()`, faults: 1},
		"clock in store":       {from: "store", source: `package p; import "time"; var now = time.Now()`},
		"clock in a test":      {from: "mapping", test: true, source: `package p; import "time"; var now = time.Now()`},
		"skip":                 {test: true, source: `package p; import "testing"; func TestX(t *testing.T) { t.Skip("no") }`, faults: 1},
		"skip in a subtest":    {test: true, source: `package p; func TestX(a *testing.T) { a.Run("", func(b *testing.T) { b.SkipNow() }) }`, faults: 1},
		"skip by an outer t":   {test: true, source: `package p; func TestX(t *testing.T) { func() { t.Skipf("") }() }`, faults: 1},
		"skip of a property":   {test: true, source: `package p; func TestX(t *testing.T) { rapid.Check(t, func(t *rapid.T) { t.Skip() }) }`},
		"skip of another kind": {test: true, source: `package p; func f(d *json.Decoder) { d.Skip() }`},
		"our package renamed":  {source: `package p; import ws "` + module + `/workspace"`, faults: 1},
		"a library renamed":    {source: `package p; import stdsync "sync"`},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "x.go", c.source, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if got := houseFaults(c.from, c.test, file); len(got) != c.faults {
			t.Errorf("%s: %v, want %d faults", name, got, c.faults)
		}
	}
}
