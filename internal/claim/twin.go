package claim

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// twins are letters that are drawn like others, by the Latin letter or digit
// that people take them for (the idea of UTS #39, for the letters that names
// are forged with).
var twins = func() map[rune]string {
	m := map[rune]string{}
	for to, from := range map[string]string{
		"a": "аɑαａ", "b": "Ььƅ", "c": "сϲⅽ", "d": "ԁⅾɗ", "e": "еҽ℮є", "f": "ƒ", "g": "ɡցɢ", "h": "һհ", "i": "іıɩιӏ1l|", "j": "јʝ",
		"k": "кκĸ", "m": "мⅿ", "n": "пոɳη", "o": "оοօσ0", "p": "рρ", "q": "ԛգ", "r": "гɼ", "s": "ѕʂ5", "t": "тτ", "u": "υսʋц",
		"v": "νѵⅴ", "w": "ԝшω", "x": "хχⅹ", "y": "уγүʏ", "z": "ʐᴢ", "ae": "æ", "ss": "ß", "th": "þ",
	} {
		for _, r := range from {
			m[r] = to
		}
	}
	return m
}()

// skeleton is what a name looks like at a glance: names with one skeleton are
// twins. Marks are taken off, and pairs that read as one letter made one.
func skeleton(name string) string {
	var out strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(name)) {
		switch to, ok := twins[r]; {
		case ok:
			out.WriteString(to)
		case r >= 0x300 && r <= 0x36f || r == '-':
		default:
			out.WriteRune(r)
		}
	}
	return strings.NewReplacer("rn", "m", "vv", "w", "cl", "d").Replace(out.String())
}
