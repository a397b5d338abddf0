package store

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/rollcall-sync/rollcall/workspace"
)

// stored is what the store gives back for attributes: the same, with unknown
// and empty kept apart (I14), and text that is valid UTF-8.
func stored(a workspace.Attributes) workspace.Attributes {
	out := workspace.Attributes{}
	for name, values := range a {
		clean := []string{}
		for _, v := range values {
			clean = append(clean, strings.ToValidUTF8(v, "\uFFFD"))
		}
		out[strings.ToValidUTF8(name, "\uFFFD")] = clean
	}
	return out
}

func TestAttributesForm(t *testing.T) {
	for _, c := range []struct {
		attributes workspace.Attributes
		text       string
	}{
		{nil, `{}`},
		{workspace.Attributes{"a": nil}, `{"a":[]}`},
		{workspace.Attributes{"b": {"", "x"}, "a": {"\"\\\n\x00\u2028<é>"}}, `{"a":["\"\\\u000a\u0000` + "\u2028" + `<é>"],"b":["","x"]}`},
		{workspace.Attributes{"a": {"\xff\xfe]"}}, `{"a":["` + "\uFFFD" + `]"]}`},
	} {
		if got := string(appendAttributes(nil, c.attributes)); got != c.text {
			t.Errorf("%v is written as %s, want %s", c.attributes, got, c.text)
		}
		got, err := parseAttributes(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
		}
		if diff := cmp.Diff(stored(c.attributes), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.text, diff)
		}
	}
	for _, text := range []string{"", "{", `{"a"}`, `{"a":["b"]`, `{"a":["b"]}}`, `{"a":"b"}`, `{"a":[1]}`, `{"a":["` + "\x01" + `"]}`, `[]`} {
		if got, err := parseAttributes(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

// FuzzAttributes reads any text as encoding/json does.
func FuzzAttributes(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `{"a":null}`, `{"a":["b","c"],"d":[]}`, `{"a":["\u00e9\n\"\\"]}`, `{ "a" : [ "b" ] }`,
		`{"a":["b"],"a":[]}`, `{"\u0061":["\ud83d\ude00","\ud83d"]}`, "{\"a\":[\"\xff\"]}", `{"a":["\x"]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseAttributes(text)
		var want workspace.Attributes
		wantErr := json.Unmarshal([]byte(text), &want)
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("%q: error %v, encoding/json says %v", text, err, wantErr)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q (-encoding/json +ours):\n%s", text, diff)
		}
		// What was read is written so that it is read again.
		again, err := parseAttributes(string(appendAttributes(nil, got)))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again); diff != "" {
			t.Fatalf("%q (-read +written and read):\n%s", text, diff)
		}
	})
}

// FuzzAttributesWritten writes any text as encoding/json reads it.
func FuzzAttributesWritten(f *testing.F) {
	f.Add("name", "value", "\x00\"\\")
	f.Add("\xff", "\u2028", "</script>")
	f.Fuzz(func(t *testing.T, name, first, second string) {
		a := workspace.Attributes{name: {first, second}, "fixed": {}}
		if name == "fixed" {
			return
		}
		text := string(appendAttributes(nil, a))
		var want workspace.Attributes
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		got, err := parseAttributes(text)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%s (-encoding/json +ours):\n%s", text, diff)
		}
		if diff := cmp.Diff(stored(a), got); diff != "" {
			t.Fatalf("%s (-given +read):\n%s", text, diff)
		}
		p := listParser{text: text}
		if _, ok := p.object(); !ok {
			t.Fatalf("%s takes the slow way", text)
		}
	})
}

func TestStoredLists(t *testing.T) {
	for _, list := range [][]string{nil, {""}, {"a", "b\"", "ü"}} {
		got, err := parseStrings(string(appendStrings(nil, list)))
		if err != nil || !cmp.Equal(list, got) {
			t.Errorf("%q comes back as %q, %v", list, got, err)
		}
	}
	if _, err := parseStrings(`["a"`); err == nil {
		t.Error("a broken list is read")
	}
}

func BenchmarkAttributes(b *testing.B) {
	a := workspace.Attributes{}
	for _, name := range []string{
		"user_name", "email", "display_name", "given_name", "family_name", "title", "department", "groups",
		"mobile", "employee_number",
	} {
		a[name] = []string{"a value of " + name}
	}
	text := string(appendAttributes(nil, a))
	b.Run("write", func(b *testing.B) {
		for b.Loop() {
			appendAttributes(nil, a)
		}
	})
	b.Run("read", func(b *testing.B) {
		for b.Loop() {
			if _, err := parseAttributes(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		for b.Loop() {
			var got workspace.Attributes
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				b.Fatal(err)
			}
		}
	})
}
