// Package fold makes the comparison keys of text that directories compare
// without regard to letter case. Databases disagree about letter case, so
// keys are made here and stored beside the text.
package fold

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Key returns the comparison key of s: Unicode compatibility caseless form
// (NFKC and full case folding, Unicode 3.13 D146), so that two strings are
// equal for a directory exactly if their keys are equal bytes. Invalid UTF-8
// becomes U+FFFD. Key is idempotent and does not allocate for ASCII text
// without capitals. It is safe for concurrent use.
func Key(s string) string {
	upper := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= utf8.RuneSelf {
			return unicodeKey(s)
		}
		upper = upper || 'A' <= c && c <= 'Z'
	}
	if !upper {
		return s
	}
	return strings.ToLower(s)
}

// Equal says whether a and b have the same key.
func Equal(a, b string) bool {
	return a == b || Key(a) == Key(b)
}

// unicodeKey folds until nothing changes: normalising can uncover letters
// that fold, and folding can leave text that composes. The bound guards against
// tables that disagree with themselves; a test walks every rune.
func unicodeKey(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	for range 4 {
		next := norm.NFKC.String(cases.Fold().String(norm.NFKC.String(s)))
		if next == s {
			break
		}
		s = next
	}
	return s
}
