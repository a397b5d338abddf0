package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDocumentIsCurrent(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run([]string{"-check", "-file", "../../docs/permissions.md"}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, &errs)
	}
}

func TestRun(t *testing.T) {
	file := filepath.Join(t.TempDir(), "permissions.md")
	for _, step := range []struct {
		name string
		do   func() error
		args []string
		want int
	}{
		{"missing file", nil, []string{"-check", "-file", file}, 1},
		{"write", nil, []string{"-file", file}, 0},
		{"same", nil, []string{"-check", "-file", file}, 0},
		{"changed by hand", func() error { return os.WriteFile(file, []byte("| M13 | yes |"), 0o600) }, []string{"-check", "-file", file}, 1},
		{"no such folder", nil, []string{"-file", filepath.Join(file, "x")}, 1},
		{"unknown flag", nil, []string{"-nonsense"}, 2},
		{"an argument", nil, []string{"docs"}, 2},
	} {
		if step.do != nil {
			if err := step.do(); err != nil {
				t.Fatal(err)
			}
		}
		var out, errs bytes.Buffer
		if code := run(step.args, &out, &errs); code != step.want {
			t.Errorf("%s: exit %d, want %d: %s", step.name, code, step.want, &errs)
		}
	}
}

func TestDocumentSaysIt(t *testing.T) {
	text := string(document())
	for _, want := range []string{"| M13 | Add/remove other owners | `owner.change` | yes | - | - |", "29 of 39 cells", "`NUM-OWNER`", "`clear: [M04.Member]`", "`policy.freeze`"} {
		if !strings.Contains(text, want) {
			t.Errorf("the document does not say %q", want)
		}
	}
	if strings.Contains(text, "[M13.Owner]") {
		t.Error("the document offers to clear M13.Owner, which Validate refuses")
	}
}
