package main

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"

	"github.com/rollcall-sync/rollcall/workspace"
)

// listing is one command's rows, before a format is chosen. JSON writes items
// (one array), text and CSV the same cells under two sets of headings.
type listing struct {
	items  any // a slice, never nil
	header []string
	rows   [][]string
	// none is what text says when there are no rows, with the next step.
	none string
}

// checkLimit refuses a --limit that no listing takes.
func checkLimit(rows int) error {
	if rows < 1 || rows > 10000 {
		return &exitError{exitUsage, errors.New("--limit: write a number from 1 to 10000")}
	}
	return nil
}

// write writes the listing in a format.
func (l *listing) write(out io.Writer, format string) error {
	switch format {
	case "json":
		return writeJSON(out, l.items)
	case "csv":
		return writeCSV(out, l.header, l.rows)
	}
	if len(l.rows) == 0 {
		_, err := fmt.Fprintln(out, l.none)
		return err
	}
	return writeTable(out, l.header, l.rows)
}

// writeJSON writes one indented JSON value and a newline.
func writeJSON(out io.Writer, v any) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// writeCSV writes a heading row and rows as RFC 4180 has it, every cell under
// the formula guard.
func writeCSV(out io.Writer, header []string, rows [][]string) error {
	w := csv.NewWriter(out)
	w.UseCRLF = true
	if err := w.Write(header); err != nil {
		return err
	}
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			safe[i] = guardCell(cell)
		}
		if err := w.Write(safe); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// plainNumber is what the formula guard lets pass, so that E.164 numbers and
// credits stay usable.
var plainNumber = regexp.MustCompile(`^[+-]?[0-9.]{1,20}$`)

// guardCell keeps spreadsheets from running directory text as a formula
// (reports-and-audit section 4).
func guardCell(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\x00", rune(cell[0])) && !plainNumber.MatchString(cell) {
		return "'" + cell
	}
	return cell
}

// clean makes directory text safe for a terminal: control characters and
// everything that reorders text become a visible mark.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, text)
}

// orEmpty makes JSON lists [] instead of null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// stamp shows a time in UTC to the second, "" for none.
func stamp(m workspace.Micros) string {
	if m == 0 {
		return ""
	}
	return m.Time().UTC().Format("2006-01-02 15:04:05Z")
}

// optionalTime is a time in JSON, null for none.
func optionalTime(m workspace.Micros) *workspace.Micros {
	if m == 0 {
		return nil
	}
	return &m
}

// optionalPlace is a place in a ring order in JSON, null for none.
func optionalPlace(ring int) *int {
	if ring == 0 {
		return nil
	}
	return &ring
}

// deref shows optional text.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// shortHash shows a plan hash as people type it: 12 hex digits.
func shortHash(hash string) string {
	hash = strings.TrimPrefix(hash, "sha256:")
	return hash[:min(12, len(hash))]
}
