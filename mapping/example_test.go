package mapping

import (
	"os"
	"strings"
	"testing"
)

// The worked examples of the reference load, and their tests pass.
func TestDocumentedExamplesLoad(t *testing.T) {
	text, err := os.ReadFile("../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")[1:]
	if len(blocks) != 3 {
		t.Fatalf("%d examples", len(blocks))
	}
	for _, b := range blocks {
		yaml, _, _ := strings.Cut(b, "```")
		if _, err := Load([]byte(yaml), LoadOptions{}); err != nil {
			t.Errorf("%v in\n%s", err, yaml)
		}
	}
}

func TestExampleLoads(t *testing.T) {
	r, err := Load(Example(), LoadOptions{File: "example.yaml", Connections: []string{"corp", "okta"}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Hash()[:7] != "sha256:" || len(r.Hash()) != 71 {
		t.Errorf("hash %q", r.Hash())
	}
	if rows := r.OwnerRows(); len(rows) != 1 || len(rows[0].ManagerOf) != 1 || rows[0].ManagerOf[0].Connection != "corp" || !rows[0].KeepLast {
		t.Errorf("owner rows %+v", r.OwnerRows())
	}
	if !r.Reads("department") || r.Reads("rollcall.role") || r.Reads("title2") {
		t.Error("Reads does not follow the rows")
	}
}
