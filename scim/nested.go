package scim

import (
	"maps"

	"github.com/rollcall-sync/rollcall/store"
)

// A User's groups are those that name the person and those above them (RFC
// 7643 section 4.1.2), and a filter sees what an answer shows. The rows in the
// store are the direct ones: where groups are nested in groups, `groups eq "x"`
// is written as membership in x or in any group below it, and other questions
// about groups are answered by the documents.

// maxBelow is how many groups one comparison is written as.
const maxBelow = 200

// userTableWithoutGroups is UserTable where its rows do not tell all groups.
var userTableWithoutGroups = func() SQLTable {
	table := UserTable
	table.Lists = maps.Clone(table.Lists)
	delete(table.Lists, "groups")
	return table
}()

// isGroups reports whether an attribute is the list of a User's groups.
func isGroups(ref Ref) bool { return ref.Extension == "" && ref.Attribute.Name == "groups" }

// effectiveGroups gives what SQL can do for a filter over Users: the filter to
// narrow by, and the table. The filter itself stays what decides, unless SQL
// does so exactly.
func (x *exchange) effectiveGroups(f Filter) (Filter, *SQLTable, error) {
	if !mentions(f, isGroups) {
		return f, &UserTable, nil
	}
	written, table := f, &UserTable
	err := x.link.handle.View(x.r.Context(), func(r *store.Reader) error {
		nested, err := r.NestsGroups(x.link.connection)
		if err != nil || !nested {
			return err
		}
		w := groupWriter{r: r}
		if written = w.write(f, false); w.other {
			written, table = f, &userTableWithoutGroups
		}
		return w.err
	})
	return written, table, err
}

// groupWriter writes comparisons with groups as comparisons with direct ones.
type groupWriter struct {
	r     *store.Reader
	err   error
	other bool // There is a question that cannot be written so.
}

// write writes one filter; entry says that it is inside groups[ ].
func (w *groupWriter) write(f Filter, entry bool) Filter {
	switch f := f.(type) {
	case And:
		// Inside brackets one entry would have to satisfy all terms, and what
		// is written asks about different ones.
		w.other = w.other || entry
		return And{w.each(f.Terms, entry)}
	case Or:
		return Or{w.each(f.Terms, entry)}
	case Not:
		w.other = w.other || entry
		return Not{w.write(f.Term, entry)}
	case ValuePath:
		if isGroups(f.Ref) {
			return ValuePath{f.Ref, w.write(f.Filter, true)}
		}
	case Present:
		w.other = w.other || isGroups(f.Ref) && f.Ref.Sub != nil && f.Ref.Sub.Name != "value"
	case Compare:
		if isGroups(f.Ref) {
			return w.compare(f)
		}
	}
	return f
}

func (w *groupWriter) each(terms []Filter, entry bool) []Filter {
	out := make([]Filter, len(terms))
	for i, term := range terms {
		out[i] = w.write(term, entry)
	}
	return out
}

// compare writes `groups eq "x"`.
func (w *groupWriter) compare(f Compare) Filter {
	if f.Op != Eq || f.Ref.Sub != nil && f.Ref.Sub.Name != "value" {
		w.other = true
		return f
	}
	if w.err != nil || w.other {
		return f
	}
	below, err := w.r.GroupsBelow(f.Value.Text)
	if err != nil || len(below) > maxBelow {
		w.err, w.other = err, true
		return f
	}
	any := Or{}
	for _, id := range below {
		one := f
		one.Value.Text, one.Value.Key = id, id
		any.Terms = append(any.Terms, one)
	}
	if len(any.Terms) == 1 {
		return any.Terms[0]
	}
	return any
}
