package scim

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// SQLTable says by which attributes the rows of one table can be filtered, and
// in which columns they stand. Attributes that are not listed cannot be
// filtered by (SX06). Tables are read-only data and safe for concurrent use.
type SQLTable struct {
	// Resources is what the rows are, for error texts.
	Resources string
	// Columns maps canonical attribute names (Ref.String) to columns.
	Columns map[string]SQLColumn
	// Lists maps canonical names of lists to the tables of their entries.
	Lists map[string]SQLList
}

// SQLColumn is a column that holds an attribute: the comparison key of a
// string, a BOOLEAN, or Unix microseconds, by the attribute's type. Absent is
// NULL.
type SQLColumn string

// SQLList is a table with one row for each entry of a list.
type SQLList struct {
	// Entries is an expression that begins a list of resources that have an
	// entry, up to and including the workspace, its one argument:
	//	i.identity_id IN (SELECT v.identity_id FROM identity_value v WHERE v.workspace_id = ?
	// It does not depend on the row outside, so that an engine can answer it
	// once by an index of the entries. The selected column is never NULL.
	Entries string
	// Columns maps names of sub-attributes to columns.
	Columns map[string]SQLColumn
}

// CompileSQL turns a filter into a condition for a WHERE clause over the rows
// of table in one workspace, and its arguments, one for each ? placeholder. The condition is
// never NULL, so it may be negated, and holds exactly for the resources that
// Match accepts. The text is the same for SQLite and PostgreSQL but for
// collate, which is put behind ordered text columns: `COLLATE "C"` on
// PostgreSQL, empty on SQLite. It uses no LIKE, whose letter case rules differ
// by engine. Errors are *Error, 400 invalidFilter, naming the attribute.
func CompileSQL(f Filter, table *SQLTable, workspace, collate string) (where string, args []any, err error) {
	c := &compiler{table: table, workspace: workspace, collate: collate}
	if err := c.filter(f, nil); err != nil {
		return "", nil, err
	}
	return c.text.String(), c.args, nil
}

type compiler struct {
	table     *SQLTable
	workspace string
	collate   string
	text      strings.Builder
	args      []any
}

// filter writes f; list is the list whose entry is in scope, inside
// the brackets of a value path.
func (c *compiler) filter(f Filter, list *SQLList) error {
	switch f := f.(type) {
	case And:
		return c.join(f.Terms, " AND ", list)
	case Or:
		return c.join(f.Terms, " OR ", list)
	case Not:
		c.text.WriteString("NOT (")
		if err := c.filter(f.Term, list); err != nil {
			return err
		}
		c.text.WriteString(")")
		return nil
	case ValuePath:
		inner, err := c.list(f.Ref)
		if err != nil {
			return err
		}
		return c.anyEntry(inner, func() error { return c.filter(f.Filter, inner) })
	case Present:
		return c.leaf(f.Ref, list, func(column string) { c.present(column, f.Ref) })
	case Compare:
		if f.Op != Ne || list != nil || !f.Ref.Attribute.MultiValued {
			return c.leaf(f.Ref, list, func(column string) { c.compare(column, f) })
		}
		// On lists ne holds if there is no entry, or if one differs.
		inner, err := c.list(f.Ref)
		if err != nil {
			return err
		}
		c.text.WriteString("(NOT (")
		if err := c.anyEntry(inner, nil); err != nil {
			return err
		}
		c.text.WriteString(") OR ")
		if err := c.leaf(f.Ref, nil, func(column string) { c.compare(column, f) }); err != nil {
			return err
		}
		c.text.WriteString(")")
		return nil
	}
	return errInvalidFilter("", "the filter cannot be read")
}

func (c *compiler) join(terms []Filter, word string, list *SQLList) error {
	if len(terms) == 0 {
		// No term that fails, or none that holds.
		c.text.WriteString(map[string]string{" AND ": "(1 = 1)", " OR ": "(1 = 0)"}[word])
		return nil
	}
	c.text.WriteString("(")
	for i, term := range terms {
		if i > 0 {
			c.text.WriteString(word)
		}
		if err := c.filter(term, list); err != nil {
			return err
		}
	}
	c.text.WriteString(")")
	return nil
}

// leaf finds the column of ref and calls write for it, over any
// entry if ref is a list that is not yet in scope.
func (c *compiler) leaf(ref Ref, list *SQLList, write func(column string)) error {
	if list == nil && !ref.Attribute.MultiValued {
		column, ok := c.table.Columns[ref.String()]
		if !ok {
			return c.unsupported(ref)
		}
		write(string(column))
		return nil
	}
	inScope := list != nil
	if !inScope {
		var err error
		if list, err = c.list(ref); err != nil {
			return err
		}
	}
	if ref.Sub == nil {
		return c.unsupported(ref)
	}
	column, ok := list.Columns[ref.Sub.Name]
	if !ok {
		return c.unsupported(ref)
	}
	if inScope {
		write(string(column))
		return nil
	}
	return c.anyEntry(list, func() error { write(string(column)); return nil })
}

// list finds the table of a list.
func (c *compiler) list(ref Ref) (*SQLList, error) {
	whole := ref
	whole.Sub = nil
	list, ok := c.table.Lists[whole.String()]
	if !ok {
		return nil, c.unsupported(ref)
	}
	return &list, nil
}

// anyEntry writes that the list has an entry, for which condition holds unless
// it is nil.
func (c *compiler) anyEntry(list *SQLList, condition func() error) error {
	c.text.WriteString(list.Entries)
	c.args = append(c.args, c.workspace)
	if condition != nil {
		c.text.WriteString(" AND ")
		if err := condition(); err != nil {
			return err
		}
	}
	c.text.WriteString(")")
	return nil
}

func (c *compiler) unsupported(ref Ref) *Error {
	return errInvalidFilter("SX06", "%s cannot be filtered by %s", c.table.Resources, ref)
}

func (c *compiler) present(column string, ref Ref) {
	c.text.WriteString("(" + column + " IS NOT NULL")
	if isText(ref.leaf().Type) {
		c.text.WriteString(" AND " + column + " <> ''")
	}
	c.text.WriteString(")")
}

// sqlOperators are the operators that SQL has itself.
var sqlOperators = map[Operator]string{Eq: "=", Ne: "<>", Gt: ">", Ge: ">=", Lt: "<", Le: "<="}

func (c *compiler) compare(column string, f Compare) {
	if f.Op == Co || f.Op == Sw || f.Op == Ew {
		c.part(column, f)
		return
	}
	known, ordered := " IS NOT NULL AND ", column
	if f.Op == Ne {
		known = " IS NULL OR "
	}
	if f.Op >= Gt && isText(f.Value.Type) && c.collate != "" {
		ordered += " " + c.collate
	}
	c.text.WriteString("(" + column + known + ordered + " " + sqlOperators[f.Op] + " ?)")
	c.args = append(c.args, argument(f.Value))
}

// part writes co, sw and ew.
func (c *compiler) part(column string, f Compare) {
	key := f.Value.Key
	if key == "" {
		c.present(column, f.Ref)
		return
	}
	// The count is ours, not the client's: it may stand in the text.
	n := strconv.Itoa(utf8.RuneCountInString(key))
	c.text.WriteString("(" + column + " IS NOT NULL AND ")
	switch f.Op {
	case Co:
		c.text.WriteString("replace(" + column + ", ?, '') <> " + column)
	case Sw:
		c.text.WriteString("substr(" + column + ", 1, " + n + ") = ?")
	case Ew:
		c.text.WriteString("length(" + column + ") >= " + n + " AND substr(" + column + ", length(" + column + ") - " + n + " + 1) = ?")
	}
	c.text.WriteString(")")
	c.args = append(c.args, key)
}

// argument is the value as the column holds it.
func argument(v Value) any {
	switch v.Type {
	case TypeBoolean:
		return v.Bool
	case TypeDateTime:
		return v.Int
	}
	return v.Key
}

func isText(t Type) bool {
	return t == TypeString || t == TypeReference || t == TypeBinary
}
