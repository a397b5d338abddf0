package store

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// maxPlaceholders bounds the arguments of one statement, so that every
// engine and every pooler takes it.
const maxPlaceholders = 500

// single reads a single row, or gives workspace.ErrNotFound.
func single[T any](r *Reader, scan func(scanner, *T) error, text string, args ...any) (T, error) {
	var v T
	err := scan(r.row(text, args...), &v)
	return v, err
}

// in replaces each "IN (*)" of a text by a list of n placeholders.
func in(text string, n int) string {
	return strings.ReplaceAll(text, "IN (*)", "IN ("+strings.Repeat("?, ", n-1)+"?)")
}

// chunkSizes are the lengths that lists of placeholders have: few, so that
// the statements are prepared once; the largest may stand three times in a
// statement.
var chunkSizes = []int{1, 4, 20, 100}

// chunks calls fn with the pieces of ids, each padded by its last value to
// one of the chunkSizes. Duplicates in a list of placeholders have no effect.
func chunks(ids []string, fn func(piece []string) error) error {
	for len(ids) > 0 {
		n := min(len(ids), chunkSizes[len(chunkSizes)-1])
		size := chunkSizes[slices.IndexFunc(chunkSizes, func(size int) bool { return size >= n })]
		piece := ids[:n:n]
		for len(piece) < size {
			piece = append(piece, ids[n-1])
		}
		if err := fn(piece); err != nil {
			return err
		}
		ids = ids[n:]
	}
	return nil
}

// flat makes an argument list in which lists of texts are spread out.
func flat(values ...any) []any {
	out := make([]any, 0, len(values)+chunkSizes[1])
	for _, v := range values {
		if texts, ok := v.([]string); ok {
			for _, s := range texts {
				out = append(out, s)
			}
			continue
		}
		out = append(out, v)
	}
	return out
}

// unreadable says which stored value is not one of ours.
func unreadable(what, value string) error {
	return fmt.Errorf("stored %s %q cannot be read", what, value)
}

// found runs a write of one row that must be there: otherwise
// workspace.ErrNotFound.
func (t *Tx) found(text string, args ...any) error {
	n, err := t.execCount(text, args...)
	if err == nil && n == 0 {
		return workspace.ErrNotFound
	}
	return err
}

// tuples calls fn with pieces of n rows: where a piece begins, how many rows
// it has, and the texts of the placeholders of one INSERT for them. The pieces
// have few lengths, so that the statements are prepared once. On SQLite every
// row has its own statement: there is no way to the server to save, and an
// INSERT of several rows first copies each page it changes, to undo itself.
func (t *Tx) tuples(n, columns int, fn func(from, size int, values string) error) error {
	for from := 0; from < n; {
		size := 1
		for !t.alone && size < 8 && 2*size <= n-from {
			size *= 2
		}
		if err := fn(from, size, placeholders(size, columns)); err != nil {
			return err
		}
		from += size
	}
	return nil
}

// placeholders gives "(?, ?), (?, ?)".
func placeholders(rows, columns int) string {
	row := "(" + strings.Repeat("?, ", columns-1) + "?)"
	return strings.Repeat(row+", ", rows-1) + row
}
