package scim

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// The limits of GD01 and GD02. The general parser is recursive and superlinear
// (LB01, LB02): deep nesting overflows the stack, which ends the process, and
// long chains burn seconds. Below these limits it needs a few milliseconds.
const (
	maxFilterBytes     = 4096
	maxPathBytes       = 512
	maxIdentifierBytes = 256
	maxNesting         = 10
	maxBrackets        = 64
	maxTerms           = 64
)

// literalKind says what stood in the place of a comparison value.
type literalKind uint8

const (
	literalString    literalKind = iota // In double quotes, decoded.
	literalBare                         // A word without quotes (TL11).
	literalNumber                       // As JSON spells numbers.
	literalTrue                         // In any letter case.
	literalFalse                        // In any letter case.
	literalNull                         // In any letter case.
	literalValuePath                    // No value: the inside of attr[...].
)

// literal is a value kept aside from the parser, which returns strings raw and
// knows no \u escapes (LB03), overflows numbers (LB04) and reads at most two
// terms in brackets (LB05).
type literal struct {
	kind literalKind
	text string // Decoded string; the word or number as sent; the guarded inside of a value path.
}

// guarded is text that the parser may see: identifiers, operators, parentheses
// and, in place of each value, its index in literals as a string ("3").
type guarded struct {
	text     string
	literals []literal
}

// guard lexes one filter or path. It is the only way to the parser. It checks
// the whole grammar of RFC 7644 figure 1 so that errors can name a position
// and no text of the parser reaches a client. The running time is linear.
type guard struct {
	what     string // "filter" or "path", for messages
	text     string
	pos      int
	opt      FilterOptions
	depth    int
	brackets int
	terms    int
	literals []literal
	// fail makes the error: invalidFilter in filters and in brackets,
	// invalidPath elsewhere in PATCH paths.
	fail func(rule, format string, args ...any) *Error
}

// guardFilter checks a filter and prepares it for the parser.
func guardFilter(text string, opt FilterOptions) (guarded, error) {
	g := &guard{what: "filter", text: text, opt: opt, fail: errInvalidFilter}
	if err := g.admit(maxFilterBytes); err != nil {
		return guarded{}, err
	}
	out, err := g.filter(false)
	if err != nil {
		return guarded{}, err
	}
	return guarded{text: out, literals: g.literals}, nil
}

// guardedPath is a PATCH path taken apart (RFC 7644 figure 7).
type guardedPath struct {
	name      string // The attribute, perhaps with URN and sub-attribute.
	hasFilter bool
	filter    guarded
	sub       string // What follows "].".
}

// guardPath checks a PATCH path and takes it apart.
func guardPath(text string, opt FilterOptions) (guardedPath, error) {
	g := &guard{what: "path", text: text, opt: opt, fail: errInvalidPath}
	if err := g.admit(maxPathBytes); err != nil {
		return guardedPath{}, err
	}
	g.skipSpaces()
	var p guardedPath
	var err error
	if p.name, err = g.identifier(); err != nil {
		return guardedPath{}, err
	}
	g.skipSpaces()
	if g.peek() == '[' {
		p.hasFilter = true
		g.fail = errInvalidFilter
		inner, err := g.bracketed()
		if err != nil {
			return guardedPath{}, err
		}
		g.fail = errInvalidPath
		p.filter = guarded{text: inner, literals: g.literals}
		if g.peek() == '.' {
			g.pos++
			if p.sub, err = g.identifier(); err != nil {
				return guardedPath{}, err
			}
		}
		g.skipSpaces()
	}
	if g.pos < len(g.text) {
		return guardedPath{}, g.unexpected("the end of the path")
	}
	return p, nil
}

// admit refuses text that is too long or is no text.
func (g *guard) admit(limit int) error {
	switch {
	case len(g.text) > limit:
		return g.fail("GD01", "the %s has %d bytes, at most %d are read", g.what, len(g.text), limit)
	case !utf8.ValidString(g.text) || strings.IndexByte(g.text, 0) >= 0:
		return g.fail("GD06", "the %s is not valid UTF-8 text", g.what)
	}
	return nil
}

// filter reads a filter up to the end of the text or, inside brackets, up to
// the closing bracket, which it leaves. It keeps no stack but a counter, so
// nesting costs nothing here.
func (g *guard) filter(inside bool) (string, error) {
	var out strings.Builder
	open := 0
	for operand := true; ; {
		g.skipSpaces()
		c := g.peek()
		switch {
		case operand && c == '(':
			if err := g.openBracket(); err != nil {
				return "", err
			}
			out.WriteByte('(')
			open++
		case operand && g.atNot():
			g.pos += len("not")
			out.WriteString("not ")
		case operand:
			if err := g.term(&out, inside); err != nil {
				return "", err
			}
			operand = false
		case c == ')' && open > 0:
			g.pos++
			g.depth--
			open--
			out.WriteByte(')')
		case g.pos == len(g.text) || inside && c == ']':
			if open > 0 {
				return "", g.unexpected(`")"`)
			}
			return out.String(), nil
		default:
			start := g.pos
			word := g.word()
			switch {
			case strings.EqualFold(word, "and"):
				out.WriteString(" and ")
			case strings.EqualFold(word, "or"):
				out.WriteString(" or ")
			default:
				g.pos = start
				return "", g.unexpected(`"and", "or" or the end of the filter`)
			}
			operand = true
		}
	}
}

// term reads a comparison or a value path.
func (g *guard) term(out *strings.Builder, inside bool) error {
	name, err := g.identifier()
	if err != nil {
		return err
	}
	g.skipSpaces()
	if g.peek() != '[' {
		return g.comparison(out, name)
	}
	if inside {
		return g.fail("", "a value path stands inside another at position %d", g.pos+1)
	}
	inner, err := g.bracketed()
	if err != nil {
		return err
	}
	// LB05: a[f].b op v, which clients send, means a[(f) and b op v].
	if g.peek() == '.' {
		g.pos++
		sub, err := g.identifier()
		if err != nil {
			return err
		}
		var extra strings.Builder
		extra.WriteString("(" + inner + ") and ")
		if err := g.comparison(&extra, sub); err != nil {
			return err
		}
		inner = extra.String()
	}
	out.WriteString(name + " eq " + g.keep(literal{literalValuePath, inner}))
	return nil
}

// bracketed reads "[" filter "]".
func (g *guard) bracketed() (string, error) {
	if err := g.openBracket(); err != nil {
		return "", err
	}
	inner, err := g.filter(true)
	if err != nil {
		return "", err
	}
	if g.peek() != ']' {
		return "", g.unexpected(`"]"`)
	}
	g.pos++
	g.depth--
	return inner, nil
}

// comparison reads the operator and the value that follow an attribute.
func (g *guard) comparison(out *strings.Builder, name string) error {
	if g.terms++; g.terms > maxTerms {
		return errTooMany("GD02", "the filter has more than %d terms", maxTerms)
	}
	g.skipSpaces()
	start := g.pos
	op, ok := operatorNames[strings.ToLower(g.word())]
	if !ok {
		g.pos = start
		return g.unexpected("an operator (eq, ne, co, sw, ew, pr, gt, ge, lt, le)")
	}
	out.WriteString(name + " " + op.String())
	if op == Pr {
		return nil
	}
	g.skipSpaces()
	value, err := g.value()
	if err != nil {
		return err
	}
	out.WriteString(" " + g.keep(value))
	return nil
}

// value reads a comparison value: a JSON string, number or word, or in lenient
// profiles a bare word.
func (g *guard) value() (literal, error) {
	if g.peek() == '"' {
		text, err := g.quoted()
		return literal{literalString, text}, err
	}
	start := g.pos
	end := strings.IndexAny(g.text[start:], " \t()[]\"")
	if end < 0 {
		end = len(g.text) - start
	}
	word := g.text[start : start+end]
	kind := literalBare
	switch {
	case word == "":
		return literal{}, g.unexpected("a value")
	case strings.EqualFold(word, "true"):
		kind = literalTrue
	case strings.EqualFold(word, "false"):
		kind = literalFalse
	case strings.EqualFold(word, "null"):
		kind = literalNull
	case isNumber(word):
		kind = literalNumber
	case !g.opt.Lenient:
		return literal{}, g.fail("", "the value at position %d stands without double quotes", start+1)
	case word[0] == '\'' || strings.IndexFunc(word, isControl) >= 0:
		return literal{}, g.unexpected("a value in double quotes")
	default:
		g.opt.tolerated(TL11.String())
	}
	g.pos += end
	return literal{kind, word}, nil
}

// quoted reads a JSON string (RFC 8259 section 7) and decodes it.
func (g *guard) quoted() (string, error) {
	start := g.pos
	rest := g.text[start+1:]
	if end := strings.IndexAny(rest, "\"\\"); end >= 0 && rest[end] == '"' && strings.IndexFunc(rest[:end], isControl) < 0 {
		g.pos += end + 2
		return rest[:end], nil
	}
	var b strings.Builder
	for g.pos++; g.pos < len(g.text); {
		switch c := g.text[g.pos]; {
		case c == '"':
			g.pos++
			return b.String(), nil
		case isControl(rune(c)):
			return "", g.fail("", "a control character stands in the string at position %d", g.pos+1)
		case c != '\\':
			b.WriteByte(c)
			g.pos++
		default:
			r, size := unescape(g.text[g.pos:])
			if size == 0 {
				return "", g.fail("LB03", "the escape at position %d is not one of JSON", g.pos+1)
			}
			b.WriteRune(r)
			g.pos += size
		}
	}
	return "", g.fail("", "the string at position %d has no closing double quote", start+1)
}

// unescape decodes the JSON escape at the start of s and returns its length,
// 0 if it is none. NUL and lone surrogates are refused: no database and no
// document could hold them (GD06).
func unescape(s string) (rune, int) {
	if len(s) < 2 {
		return 0, 0
	}
	if i := strings.IndexByte(`"\/bfnrt`, s[1]); i >= 0 {
		return rune("\"\\/\b\f\n\r\t"[i]), 2
	}
	r, ok := hex4(s)
	switch {
	case !ok || r == 0 || 0xdc00 <= r && r < 0xe000:
		return 0, 0
	case r < 0xd800 || r >= 0xe000:
		return r, 6
	}
	low, ok := hex4(s[6:])
	if !ok || low < 0xdc00 || low >= 0xe000 {
		return 0, 0
	}
	return 0x10000 + (r-0xd800)<<10 + (low - 0xdc00), 12
}

// hex4 reads \uXXXX at the start of s.
func hex4(s string) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(s[2:6], 16, 16)
	return rune(n), err == nil
}

// isNumber says whether word is a number of RFC 8259 section 6.
func isNumber(word string) bool {
	s := strings.TrimPrefix(word, "-")
	digits := func() bool {
		n := len(s)
		s = strings.TrimLeft(s, "0123456789")
		return len(s) < n
	}
	if strings.HasPrefix(s, "0") {
		s = s[1:]
	} else if !digits() {
		return false
	}
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if !digits() {
			return false
		}
	}
	if s != "" && (s[0] == 'e' || s[0] == 'E') {
		s = s[1:]
		if s != "" && (s[0] == '+' || s[0] == '-') {
			s = s[1:]
		}
		if !digits() {
			return false
		}
	}
	return s == ""
}

// keep puts a literal aside and returns what the parser sees instead.
func (g *guard) keep(l literal) string {
	g.literals = append(g.literals, l)
	return strconv.Quote(strconv.Itoa(len(g.literals) - 1))
}

// identifier reads an attribute name, perhaps with URN and sub-attribute.
func (g *guard) identifier() (string, error) {
	start := g.pos
	name := g.word()
	switch {
	case name == "" || !isLetter(name[0]) && name[0] != '$':
		g.pos = start
		return "", g.unexpected("an attribute name in ASCII")
	case len(name) > maxIdentifierBytes:
		return "", g.fail("GD01", "the attribute name at position %d has more than %d bytes", start+1, maxIdentifierBytes)
	case !isAttributePath(name):
		return "", g.fail("", "%q at position %d is no attribute name", name, start+1)
	}
	return name, nil
}

// isAttributePath says whether name has the shape [URN:]attribute[.sub] that
// the parser reads.
func isAttributePath(name string) bool {
	urn, attr, sub, dotted := splitName(name)
	if strings.HasPrefix(urn, ":") || strings.HasSuffix(urn, ":") || strings.Contains(urn, "::") || strings.ContainsAny(urn, "_$") {
		return false
	}
	return goodName(attr, true) && (!dotted || goodName(sub, true))
}

// word reads the longest run of identifier characters, perhaps none.
func (g *guard) word() string {
	start := g.pos
	for g.pos < len(g.text) && isIdentifier(g.text[g.pos]) {
		g.pos++
	}
	return g.text[start:g.pos]
}

// atNot says whether "not" and an opening parenthesis follow; an attribute
// could be called not.
func (g *guard) atNot() bool {
	rest := g.text[g.pos:]
	return len(rest) > 3 && strings.EqualFold(rest[:3], "not") && strings.HasPrefix(strings.TrimLeft(rest[3:], " \t"), "(")
}

func (g *guard) openBracket() error {
	g.pos++
	g.depth++
	g.brackets++
	switch {
	case g.depth > maxNesting:
		return g.fail("GD02", "the filter nests deeper than %d levels at position %d", maxNesting, g.pos)
	case g.brackets > maxBrackets:
		return g.fail("GD02", "the filter has more than %d brackets", maxBrackets)
	}
	return nil
}

func (g *guard) skipSpaces() {
	for g.pos < len(g.text) && (g.text[g.pos] == ' ' || g.text[g.pos] == '\t') {
		g.pos++
	}
}

// peek returns the next byte, 0 at the end.
func (g *guard) peek() byte {
	if g.pos == len(g.text) {
		return 0
	}
	return g.text[g.pos]
}

// unexpected names what should stand at the position where reading stopped.
func (g *guard) unexpected(want string) *Error {
	if g.pos >= len(g.text) {
		return g.fail("", "the %s ends where %s is expected", g.what, want)
	}
	return g.fail("", "%s is expected at position %d of the %s", want, g.pos+1, g.what)
}

// splitName takes "URN:attribute.sub" apart. The URN is empty if there is
// none; dotted says whether a dot follows the attribute.
func splitName(name string) (urn, attribute, sub string, dotted bool) {
	if i := strings.LastIndexByte(name, ':'); i >= 0 {
		urn, name = name[:i], name[i+1:]
	}
	attribute, sub, dotted = strings.Cut(name, ".")
	return urn, attribute, sub, dotted
}

func isLetter(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isIdentifier(c byte) bool {
	return isLetter(c) || '0' <= c && c <= '9' || c == '.' || c == ':' || c == '-' || c == '_' || c == '$'
}

func isControl(r rune) bool {
	return r < ' ' || r == 0x7f
}
