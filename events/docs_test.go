package events

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rollcall-sync/rollcall/workspace"
)

// TestTypesAreDocumented: docs/events.md names every type of event.
func TestTypesAreDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "docs", "events.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range workspace.EventTypes() {
		if !strings.Contains(string(text), "`"+e.Name+"`") {
			t.Errorf("%s is not in docs/events.md", e.Name)
		}
	}
}
