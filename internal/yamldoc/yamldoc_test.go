package yamldoc

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml/ast"
)

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ text, want string }{
		"empty":         {"", "the file is empty: begin here"},
		"comment":       {"# nothing\n", "the file is empty: begin here"},
		"two documents": {"a: 1\n---\nb: 2\n", "a second document"},
		"size":          {strings.Repeat("#", MaxBytes+1), "at most 1048576 are read"},
		"flow":          {strings.Repeat("[", MaxNesting+1), "deeper than 64 levels"},
		"lists":         {strings.Repeat("- ", MaxNesting+1) + "a", "deeper than 64 levels"},
		"indent":        {strings.Repeat(" ", 4*MaxNesting+1) + "a: 1", "deeper than 64 levels"},
		"not YAML":      {"a: ]", "not readable as YAML"},
	} {
		if n, fault := Parse([]byte(tt.text), "begin here"); fault == nil || n != nil || !strings.Contains(fault.Text, tt.want) {
			t.Errorf("%s: %v, %+v; want %q", name, n, fault, tt.want)
		}
	}
	if _, fault := Parse([]byte(strings.Repeat("[", MaxNesting)+strings.Repeat("]", MaxNesting)), ""); fault != nil {
		t.Errorf("%d levels: %+v", MaxNesting, fault)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a: {b: [1, 2]}\n")
	f.Add("? - a\n: &x b\n")
	f.Fuzz(func(t *testing.T, text string) {
		n, fault := Parse([]byte(text), "")
		if (n == nil) == (fault == nil) {
			t.Fatalf("%v, %+v", n, fault)
		}
		if at := Of(n); n != nil && (at.Line < 0 || at.Column < 0) {
			t.Errorf("at %v", at)
		}
		Describe(n)
	})
}

// What stands where a table is wanted may be a file's worth of text.
func TestDescribeCuts(t *testing.T) {
	t.Parallel()
	n, fault := Parse([]byte("a: "+strings.Repeat("ä", 1000)), "")
	if fault != nil {
		t.Fatal(fault)
	}
	m, ok := n.(*ast.MappingNode)
	if !ok {
		t.Fatalf("%T", n)
	}
	if got := Describe(m.Values[0].Value); len(got) > 60 || !strings.HasSuffix(got, `ä..."`) {
		t.Errorf("it shows %s", got)
	}
}
