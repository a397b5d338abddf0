package mapping

import (
	"strings"
	"unicode/utf8"

	"github.com/rollcall-sync/rollcall/internal/fold"
)

// foldText is the comparison form of section 3: NFKC, case folded, trimmed,
// inner blanks collapsed.
func foldText(s string) string {
	s = fold.Key(s)
	blank := true // at the start every blank is dropped
	for i := 0; i < len(s); i++ {
		c := s[i]
		isBlank := c <= ' ' || c >= utf8.RuneSelf
		if isBlank && (blank || c != ' ') {
			return strings.Join(strings.Fields(s), " ")
		}
		blank = isBlank
	}
	if blank && s != "" {
		return strings.Join(strings.Fields(s), " ")
	}
	return s
}
