package scim

import (
	"cmp"

	"github.com/rollcall-sync/rollcall/store"
)

// The sort keys of scim section 4.9: key columns hold folded text where letter
// case does not matter, and are compared by bytes.
var userSorts = map[string]store.SortKey{
	"id":                {Expr: "i.identity_id", NotNull: true},
	"externalId":        {Expr: "i.external_id"},
	"userName":          {Expr: "i.user_key", NotNull: true},
	"displayName":       {Expr: "i.display_key"},
	"name.formatted":    {Expr: "i.formatted_key"},
	"name.givenName":    {Expr: "i.given_key"},
	"name.familyName":   {Expr: "i.family_key"},
	"active":            {Expr: "CASE WHEN i.active THEN 1 ELSE 0 END", NotNull: true, Number: true},
	"meta.created":      {Expr: "i.created_at", NotNull: true, Number: true},
	"meta.lastModified": {Expr: "i.updated_at", NotNull: true, Number: true},
	// Of a list the primary value counts, else the first one (RFC 7644 section
	// 3.4.2.3).
	"emails.value": {Expr: "(SELECT v.value_key FROM identity_value v WHERE v.workspace_id = i.workspace_id AND v.identity_id = i.identity_id " +
		"AND v.attr = 'emails' ORDER BY v.is_primary DESC, v.ord LIMIT 1)"},
}

var groupSorts = map[string]store.SortKey{
	"id":                {Expr: "g.group_id", NotNull: true},
	"externalId":        {Expr: "g.external_id"},
	"displayName":       {Expr: "g.display_key", NotNull: true},
	"meta.created":      {Expr: "g.created_at", NotNull: true, Number: true},
	"meta.lastModified": {Expr: "g.updated_at", NotNull: true, Number: true},
}

// idSorts are those of read-only resources, which come in the order of ids.
var idSorts = map[string]store.SortKey{"id": {NotNull: true}}

// sorting is the order of one list.
type sorting struct {
	by     string // canonical name; "" is the order of creation
	desc   bool
	number bool // The values are numbers.
}

// readSorting resolves sortBy and sortOrder over the types of a list. The
// attribute must be one that at least one of them sorts by; others have no
// value then.
func readSorting(s *search, sources []source, opt FilterOptions) (sorting, error) {
	var o sorting
	if s.sortBy == "" {
		return o, nil
	}
	switch {
	case s.sortOrder == "" || sameName(s.sortOrder, "ascending"):
	case sameName(s.sortOrder, "descending"):
		o.desc = true
	default:
		return o, errInvalidValue("", "sortOrder is %q. Remedy: ascending or descending", shorten(s.sortOrder))
	}
	for _, src := range sources {
		ref, ok := src.resourceType().resolve(s.sortBy, opt)
		if !ok {
			continue
		}
		name := ref.String()
		if ref.Sub == nil && ref.Attribute.MultiValued {
			name += ".value"
		}
		if key, sorts := src.sorts()[name]; sorts {
			o.by, o.number = name, key.Number
			return o, nil
		}
	}
	return o, errInvalidPath("SX06", "%s cannot be sorted by %q", sources[0].resourceType().Endpoint[1:], shorten(s.sortBy))
}

// key is the sort key of one type.
func (o *sorting) key(src source) store.SortKey {
	if o.by == "" {
		return store.SortKey{}
	}
	key, ok := src.sorts()[o.by]
	if !ok {
		key = store.SortKey{Expr: "CAST(NULL AS TEXT)"}
		if o.number {
			key.Expr, key.Number = "CAST(NULL AS BIGINT)", true
		}
	}
	key.Desc = o.desc
	return key
}

// compare orders two places as the databases do: absent values last, first when
// descending, ties by id.
func (o *sorting) compare(a, b *store.SortPlace) int {
	sign := boolNumber(a.Absent) - boolNumber(b.Absent)
	if !a.Absent && !b.Absent {
		sign = cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Text, b.Text))
	}
	if o.desc {
		sign = -sign
	}
	return cmp.Or(sign, cmp.Compare(a.ID, b.ID))
}

func boolNumber(b bool) int {
	if b {
		return 1
	}
	return 0
}
