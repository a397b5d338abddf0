package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFileFault: a database file that cannot be there comes with what to do.
func TestFileFault(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	below := filepath.Join(file, "rollcall.db")
	if err := prepareFile(below); err == nil || !strings.Contains(err.Error(), "name another in database") {
		t.Errorf("prepareFile: %v", err)
	}
	if _, err := databaseExists("sqlite:" + below); err == nil || !strings.Contains(err.Error(), "name another in database") {
		t.Errorf("databaseExists: %v", err)
	}
}
