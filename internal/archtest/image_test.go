package archtest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestImageHasWhatIsEmbedded: .dockerignore lets through every Go file and every file that one embeds, else `make docker`
// builds nothing.
func TestImageHasWhatIsEmbedded(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, ".dockerignore"))
	if err != nil {
		t.Fatal(err)
	}
	rules := strings.Fields(string(text))
	if sent(rules, "rollcall.db") || sent(rules, "store/store_test.go") || !sent(rules, "go.mod") {
		t.Error(".dockerignore is read wrongly here")
	}
	embedded := 0
	for _, p := range packages(t) {
		files := p.GoFiles
		for _, pattern := range p.EmbedPatterns {
			found, err := filepath.Glob(filepath.Join(p.Dir, filepath.FromSlash(pattern)))
			if err != nil || len(found) == 0 {
				t.Fatalf("%s embeds %s: %v", p.ImportPath, pattern, err)
			}
			for _, top := range found {
				err := filepath.WalkDir(top, func(file string, entry fs.DirEntry, err error) error {
					if err == nil && !entry.IsDir() {
						var name string
						name, err = filepath.Rel(p.Dir, file)
						files = append(files, name)
						embedded++
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		folder, err := filepath.Rel(root, p.Dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if file := filepath.ToSlash(filepath.Join(folder, name)); !sent(rules, file) {
				t.Errorf(".dockerignore keeps %s from the image's build", file)
			}
		}
	}
	if embedded == 0 {
		t.Error("nothing is embedded anywhere")
	}
}

// sent reports whether docker sends a file to the build: the last rule that
// names it or a folder above it counts, and `!` lets through.
func sent(rules []string, file string) bool {
	out := true
	for _, rule := range rules {
		pattern, in := strings.CutPrefix(rule, "!")
		pattern, deep := strings.CutPrefix(pattern, "**/")
		for at := file; at != "."; at = path.Dir(at) {
			name := at
			if deep {
				name = path.Base(at)
			}
			if ok, err := path.Match(pattern, name); ok && err == nil {
				out = in
				break
			}
		}
	}
	return out
}
