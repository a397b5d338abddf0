package bearer

import (
	"fmt"
	"strings"
	"testing"
)

func TestTokensOfOneKindAreNotOfAnother(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{SCIM, API} {
		tok, err := New(kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, as := range []string{SCIM, API} {
			got, err := Parse(as, tok.Reveal())
			if (err == nil) != (as == kind) {
				t.Errorf("a token of %s as %s: %v", kind, as, err)
			}
			if err == nil && (!got.Same(tok) || !got.Verify(tok.Hash()) || got.Verify("") || got.Verify(strings.Repeat("0", 64))) {
				t.Errorf("%s: not the token that was made", kind)
			}
		}
		// Another kind under the same secret breaks the checksum.
		if _, err := Parse(SCIM, "rcs"+strings.TrimPrefix(strings.TrimPrefix(tok.Reveal(), API), SCIM)); kind == API && err == nil {
			t.Error("a token of the API was made one of SCIM")
		}
		if text := fmt.Sprintf("%v %+v %#v %s", tok, tok, tok, tok); strings.Contains(text, tok.Reveal()) || !strings.Contains(text, tok.ID) {
			t.Errorf("printed as %q", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	tok, err := New(API)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tok.Reveal())
	f.Add("rca_")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := Parse(API, text)
		if err == nil && (got.Reveal() != text || !strings.HasPrefix(text, "rca_"+got.ID+"_")) {
			t.Errorf("%q read as %v", text, got)
		}
	})
}
