package scim

// fromLists are the attributes of the mapping that stand in one entry of a
// list. Office is the formatted work address, because that is where Entra puts
// the office.
var fromLists = []struct{ name, list, kind, sub string }{
	{"telephoneNumber", "phoneNumbers", "work", "value"},
	{"mobile", "phoneNumbers", "mobile", "value"},
	{"city", "addresses", "work", "locality"},
	{"country", "addresses", "work", "country"},
	{"office", "addresses", "work", "formatted"},
}

// emptiedKey holds, in a stored document, the names of fromLists whose entry
// the client has taken out of a list that has others. No attribute can have
// this name, so neither answers nor filters see it.
const emptiedKey = "$emptied"

// listed states the attributes of fromLists. A list without an entry of a type
// says nothing about that type, since a client that maps only the mobile must
// not empty what another source knows; an entry that was there and was taken
// out is stated empty (MC1).
func (d Document) listed(attrs map[string][]string) {
	emptied, _ := d[emptiedKey].(map[string]any)
	for _, f := range fromLists {
		v, stated := d[f.list]
		list, _ := v.([]any)
		switch text := typedText(list, f.kind, f.sub); {
		case text != "":
			attrs[f.name] = []string{text}
		case stated && len(list) == 0, emptied[f.name] == true:
			attrs[f.name] = []string{}
		}
	}
}

// markEmptied notes in after which entries a write has taken out of lists that
// it states. A list that after does not state is unknown, and so are its marks.
func markEmptied(before, after Document) {
	old, _ := before[emptiedKey].(map[string]any)
	marks := map[string]any{}
	for _, f := range fromLists {
		list, _ := after[f.list].([]any)
		if len(list) == 0 || typedText(list, f.kind, f.sub) != "" {
			continue // Unknown, stated empty as a whole, or there.
		}
		had, stated := before[f.list]
		entries, _ := had.([]any)
		if old[f.name] == true || typedText(entries, f.kind, f.sub) != "" || stated && len(entries) == 0 {
			marks[f.name] = true
		}
	}
	delete(after, emptiedKey)
	if len(marks) > 0 {
		after[emptiedKey] = marks
	}
}

// typedText returns a sub-attribute of the entry of this type, the primary one
// first. Entries without a type count as any type.
func typedText(list []any, kind, sub string) string {
	found := ""
	for _, e := range list {
		m, _ := e.(map[string]any)
		t, _ := m["type"].(string)
		if t != "" && !sameName(t, kind) {
			continue
		}
		text, _ := m[sub].(string)
		if text != "" && (found == "" || m["primary"] == true) {
			found = text
		}
	}
	return found
}
