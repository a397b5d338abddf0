package scim

import (
	"strings"
	"unicode/utf8"
)

// fastNames are the attributes that identity providers match people and groups
// by, several times a second. The older Entra jobs ask for one member.
var fastNames = [...]string{"userName", "externalId", "displayName", "id", "active", "members"}

// fastListNames are the lists whose value they match by, with a type.
var fastListNames = [...]string{"emails"}

// parseFast reads the exact forms that identity providers send, in any letter
// case, without the general parser, which takes a hundred times longer:
//
//	userName eq "x"          (externalId, displayName, id, members)
//	active eq true
//	emails[type eq "work"].value eq "x"
//	X eq "a" and Y eq "b"    (of those)
//
// It returns false for everything else, mistakes included, so that the general
// way alone decides about them. Where it returns true, the tree equals that of
// the general way; a test and a fuzz target hold it to that.
func parseFast(text string, rt *ResourceType, opt FilterOptions) (Filter, bool) {
	if len(text) > maxFilterBytes {
		return nil, false
	}
	first, rest, ok := fastTerm(text, rt, opt)
	if !ok {
		return nil, false
	}
	if rest == "" {
		return first, true
	}
	if rest, ok = cutWord(rest, " and "); !ok {
		return nil, false
	}
	second, rest, ok := fastTerm(rest, rt, opt)
	if !ok || rest != "" {
		return nil, false
	}
	return and(first, second), true
}

// fastTerm reads one comparison and returns what follows it.
func fastTerm(text string, rt *ResourceType, opt FilterOptions) (Filter, string, bool) {
	for _, name := range fastNames {
		rest, ok := cutWord(text, name)
		if !ok {
			continue
		}
		if rest, ok = cutWord(rest, " eq "); ok {
			ref, err := builder{rt: rt, opt: opt}.operand(name)
			if err != nil {
				return nil, "", false
			}
			return fastCompare(ref, rest, opt)
		}
	}
	for _, name := range fastListNames {
		rest, ok := cutWord(text, name)
		if !ok {
			continue
		}
		if rest, ok = cutWord(rest, "[type eq "); ok {
			ref, ok := rt.resolve(name, opt)
			if !ok {
				return nil, "", false
			}
			return fastValuePath(ref, rest, opt)
		}
	}
	return nil, "", false
}

// fastValuePath reads `"work"].value eq "x"` behind list[type eq.
func fastValuePath(list Ref, text string, opt FilterOptions) (Filter, string, bool) {
	kind, err := entryOperand(list, "type")
	if err != nil {
		return nil, "", false
	}
	value, err := entryOperand(list, "value")
	if err != nil {
		return nil, "", false
	}
	first, rest, ok := fastCompare(kind, text, opt)
	if !ok {
		return nil, "", false
	}
	if rest, ok = cutWord(rest, "].value eq "); !ok {
		return nil, "", false
	}
	second, rest, ok := fastCompare(value, rest, opt)
	if !ok {
		return nil, "", false
	}
	return ValuePath{list, and(first, second)}, rest, true
}

// fastCompare reads a string without escapes, true or false, and makes the
// comparison. An attribute of another type than that is not fast.
func fastCompare(ref Ref, text string, opt FilterOptions) (Filter, string, bool) {
	leaf := ref.leaf()
	if leaf.Type == TypeBoolean {
		word := literal{literalTrue, "true"}
		rest, ok := cutWord(text, word.text)
		if !ok {
			word = literal{literalFalse, "false"}
			rest, ok = cutWord(text, word.text)
		}
		if !ok || rest != "" && rest[0] != ' ' {
			return nil, "", false
		}
		f, err := compare(ref, Eq, word, opt)
		return f, rest, err == nil
	}
	if leaf.Type != TypeString || text == "" || text[0] != '"' {
		return nil, "", false
	}
	text = text[1:]
	end := strings.IndexByte(text, '"')
	if end < 0 || !isPlain(text[:end]) {
		return nil, "", false
	}
	f, err := compare(ref, Eq, literal{literalString, text[:end]}, opt)
	return f, text[end+1:], err == nil
}

// isPlain says whether s stands for itself in double quotes.
func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c == '\\' || isControl(rune(c)) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// cutWord removes word from the start of text, in any letter case. Both are
// ASCII where they match.
func cutWord(text, word string) (string, bool) {
	if len(text) < len(word) {
		return "", false
	}
	for i := range len(word) {
		if c := text[i]; c != word[i] && (c|0x20 != word[i]|0x20 || !isLetter(c)) {
			return "", false
		}
	}
	return text[len(word):], true
}
