package main

import (
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// writeTable writes columns that line up, with headings in capitals.
func writeTable(out io.Writer, header []string, rows [][]string) error {
	lines := make([][]string, 0, len(rows)+1)
	heads := make([]string, len(header))
	for i, h := range header {
		heads[i] = strings.ToUpper(strings.ReplaceAll(h, "_", " "))
	}
	lines = append(lines, heads)
	for _, row := range rows {
		line := make([]string, len(row))
		for i, cell := range row {
			line[i] = orDash(cell)
		}
		lines = append(lines, line)
	}
	return writeColumns(out, lines)
}

// writeFields writes one thing as aligned name and value, leaving out what it
// does not have.
func writeFields(out io.Writer, fields [][2]string) error {
	var lines [][]string
	for _, f := range fields {
		if f[1] != "" {
			lines = append(lines, []string{f[0], clean(f[1])})
		}
	}
	return writeColumns(out, lines)
}

// writeColumns writes lines whose cells line up on a terminal, two blanks
// apart; nothing follows the last cell of a line.
func writeColumns(out io.Writer, lines [][]string) error {
	var widths []int
	for _, line := range lines {
		for i, cell := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], columns(cell))
		}
	}
	var b strings.Builder
	for _, line := range lines {
		for i, cell := range line {
			b.WriteString(cell)
			if i < len(line)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-columns(cell)+2))
			}
		}
		b.WriteByte('\n')
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// columns is how many columns of a terminal a text takes: two for a wide
// character (Unicode Standard Annex 11), none for one that is drawn over or
// within another.
func columns(text string) (n int) {
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		case width.LookupRune(r).Kind() == width.EastAsianWide, width.LookupRune(r).Kind() == width.EastAsianFullwidth:
			n += 2
		default:
			n++
		}
	}
	return n
}
