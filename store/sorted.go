package store

import (
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// SortKey says in which order a list is read (RFC 7644 section 3.4.2.3). The
// zero value is the order of creation. Rows without a value stand last, and
// first when Desc; equal ones follow each other by id.
type SortKey struct {
	// Expr is an expression over the aliases of UserQuery; it comes from a
	// table of the program, never from a client.
	Expr    string
	NotNull bool // Expr always has a value.
	Number  bool // Expr is a BIGINT; else it is a TEXT that is compared by bytes.
	Desc    bool
}

// SortPlace is where a row stands in a sorted list: what follows it can be read
// without counting what stands before.
type SortPlace struct {
	Absent bool   // The row has no value to sort by.
	Text   string // The value, unless SortKey.Number.
	Number int64  // The value, if SortKey.Number.
	ID     string
}

// Placed is a row of a sorted list with its place.
type Placed[T any] struct {
	Row   T
	Place SortPlace
}

// The columns behind a row in a sorted list, as the constant texts have them.
const sortColumns = `, 0 AS absent, '' AS sort_key`

const (
	sortedUsers  = `SELECT ` + identityColumns + sortColumns + usersOf
	sortedGroups = `SELECT ` + directoryGroupColumns + sortColumns + directoryGroupsOf
)

// UsersFrom reads identities in the order of q.Sort: q.Count of them behind
// the place q.Behind, or from the first one on, after skipping q.Start - 1.
func (r *Reader) UsersFrom(q UserQuery) ([]Placed[workspace.Identity], error) {
	return sortedPage(r, sortedUsers, "i.created_at", "i.identity_id", scanIdentity, func(i *workspace.Identity) string { return i.ID }, q)
}

// DirectoryGroupsFrom is UsersFrom for groups.
func (r *Reader) DirectoryGroupsFrom(q UserQuery) ([]Placed[workspace.DirectoryGroup], error) {
	return sortedPage(r, sortedGroups, "g.created_at", "g.group_id", scanDirectoryGroup, func(g *workspace.DirectoryGroup) string { return g.ID }, q)
}

// CountUsers counts what UsersFrom would read without places and counts.
func (r *Reader) CountUsers(q UserQuery) (int, error) { return r.countOf(&pagedUsers, q) }

// CountDirectoryGroups is CountUsers for groups.
func (r *Reader) CountDirectoryGroups(q UserQuery) (int, error) {
	return r.countOf(&pagedDirectoryGroups, q)
}

func (r *Reader) countOf(p *paged, q UserQuery) (int, error) {
	if q.Where == "" {
		counters, err := single(r, scanCounters, p.counters, r.ws, q.Connection)
		return counters.total, err
	}
	return single(r, scanOne[int], p.count+" AND ("+q.Where+")", append([]any{r.ws, q.Connection}, q.Args...)...)
}

// widened scans further columns behind those of a row.
type widened struct {
	scanner
	more []any
}

// Scan reads one row.
func (w widened) Scan(dest ...any) error { return w.scanner.Scan(append(dest, w.more...)...) }

func sortedPage[T any](r *Reader, text, created, id string, scan func(scanner, *T) error, idOf func(*T) string, q UserQuery) ([]Placed[T], error) {
	key := q.Sort
	if key.Expr == "" {
		key.Expr, key.NotNull, key.Number = created, true, true
	}
	absent, value := "0", key.Expr
	if !key.NotNull {
		empty := "''"
		if key.Number {
			empty = "CAST(0 AS BIGINT)"
		}
		absent, value = "CASE WHEN "+key.Expr+" IS NULL THEN 1 ELSE 0 END", "COALESCE("+key.Expr+", "+empty+")"
	}
	text = strings.Replace(text, sortColumns, ", "+absent+" AS absent, "+value+" AS sort_key", 1)
	args := []any{r.ws, q.Connection}
	if q.Where != "" {
		text += " AND (" + q.Where + ")"
		args = append(slices.Clip(args), q.Args...)
	}
	if b := q.Behind; b != nil {
		var behind string
		var bound []any
		if behind, bound = condition(&key, absent, value, id, b); behind != "" {
			text += " AND " + behind
			args = append(args, bound...)
		}
	}
	way := ""
	if key.Desc {
		way = " DESC"
	}
	text += " ORDER BY "
	if !key.NotNull {
		text += absent + way + ", "
	}
	text += value + way + ", " + id + " LIMIT CAST(? AS BIGINT) OFFSET ?"
	return list(r, func(s scanner, p *Placed[T]) error {
		var where int64
		var sorted any = &p.Place.Text
		if key.Number {
			sorted = &p.Place.Number
		}
		err := scan(widened{s, []any{&where, sorted}}, &p.Row)
		p.Place.Absent, p.Place.ID = where != 0, idOf(&p.Row)
		return err
	}, text, append(args, max(q.Count, 0), max(q.Start, 1)-1)...)
}

// condition holds for the rows behind a place. Ascending it is one comparison
// of rows, which an index can answer.
func condition(key *SortKey, absent, value, id string, b *SortPlace) (text string, args []any) {
	bound := []any{b.Text}
	if key.Number {
		bound[0] = b.Number
	}
	left, marks := value, "?"
	if !key.NotNull {
		var n int64
		if b.Absent {
			n = 1
		}
		left, marks, bound = absent+", "+value, "?, ?", []any{n, bound[0]}
	}
	if !key.Desc {
		return "(" + left + ", " + id + ") > (" + marks + ", ?)", append(bound, b.ID)
	}
	return "((" + left + ") < (" + marks + ") OR (" + left + ") = (" + marks + ") AND " + id + " > ?)", append(append(slices.Clip(bound), bound...), b.ID)
}
