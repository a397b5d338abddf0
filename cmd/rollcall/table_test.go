package main

import (
	"strings"
	"testing"
)

// TestTablesLineUp: the second column begins in the same column of the
// terminal, whatever script a name is in.
func TestTablesLineUp(t *testing.T) {
	t.Parallel()
	names := map[string]int{
		"Bo Berg": 7, "Léa Müller": 10, "Le\u0301a": 3, "山田 太郎": 9, "Ｆｕｌｌ": 8, "김민준": 6, "עברית": 5, "👩\u200d💻": 4, "": 0,
	}
	var rows [][]string
	for name, want := range names {
		if got := columns(name); got != want {
			t.Errorf("%q takes %d columns, want %d", name, got, want)
		}
		rows = append(rows, []string{name, "member"})
	}
	var out strings.Builder
	if err := writeTable(&out, []string{"name", "role_source"}, rows); err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n") {
		second := "member"
		if i == 0 {
			second = "ROLE SOURCE"
		}
		if before, ok := strings.CutSuffix(line, second); !ok || columns(before) != 12 {
			t.Errorf("%q does not line up", line)
		}
	}
	out.Reset()
	if err := writeFields(&out, [][2]string{{"id", "7"}, {"reason", ""}, {"number", "a\tb"}}); err != nil || out.String() != "id      7\nnumber  a?b\n" {
		t.Errorf("%q, %v", out.String(), err)
	}
}
