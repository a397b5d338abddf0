package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/mail"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/rollcall-sync/rollcall/internal/fold"
	"github.com/rollcall-sync/rollcall/mapping"
	"github.com/rollcall-sync/rollcall/store"
	"github.com/rollcall-sync/rollcall/sync"
	"github.com/rollcall-sync/rollcall/workspace"
)

type numberImportCmd struct {
	workspaceFlag
	File    string `arg:"" help:"CSV file, - for stdin." placeholder:"FILE.csv"`
	As      string `help:"Member in whose name you act; the primary Owner if left out." placeholder:"EMAIL"`
	Country string `help:"Country of numbers without +, such as NO; without it they are refused." placeholder:"CODE"`
	DryRun  bool   `help:"Check every row and say what would happen; change nothing."`
}

// Help is shown by --help.
func (numberImportCmd) Help() string {
	return `The first row names the columns: number, and any of name, type, pool, site, owner (an address). A number that is in the
inventory already gets the file's name, type, pool and site. Every row is checked before anything is written.

Example:
  rollcall numbers import numbers.csv --dry-run

with numbers.csv:
  number,name,type,pool,site,owner
  +4722000001,Sales Oslo,local,,Oslo,bo@acme.com
  +4722000002,,mobile,oslo,Oslo,`
}

// The bounds of an import.
const (
	importBatch   = 200     // rows a unit of work, so that each stays short
	importRows    = 100_000 // numbers a file
	importCell    = 256     // characters a cell
	importedShown = 20      // faulty rows shown before the rest are counted
)

// importColumns are the columns a file may have.
var importColumns = []string{"number", "name", "type", "pool", "site", "owner"}

// cellError is a fault of one cell, by line and column of the file.
type cellError struct {
	file         string
	line, column int
	name, text   string
}

func (e *cellError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s", e.file, e.line, e.column, e.name, e.text)
}

// Run imports.
func (c *numberImportCmd) Run(ctx context.Context, env *environment) (err error) {
	rows, err := c.read()
	if err != nil {
		return err
	}
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer s.close(&err)
	if err := s.knownOwners(ctx, c.File, rows); err != nil {
		return err
	}
	engine, err := s.engine(ctx)
	if err != nil {
		return err
	}
	as := c.As
	if as == "" {
		as = s.workspace.Owners[0]
	}
	total, err := c.write(ctx, env, engine, s.batch(as, c.DryRun), rows)
	if err != nil {
		return err
	}
	return c.conclude(env, len(rows), total)
}

// write puts the rows before the engine, batch by batch, and shows how far it
// is.
func (c *numberImportCmd) write(ctx context.Context, env *environment, engine *sync.Engine, b sync.EditBatch, rows []importRow) (total sync.Counts, err error) {
	shown, done := newProgressView(env.err, time.Now), 0
	defer func() { err = errors.Join(err, shown.end()) }()
	for batch := range slices.Chunk(rows, importBatch) {
		shown.show(sync.Progress{Phase: "importing", Done: done, Total: len(rows)})
		done += len(batch)
		b.Txn, b.Edits = uuid.NewString(), make([]sync.Edit, len(batch))
		for i := range batch {
			b.Edits[i] = sync.Edit{Kind: sync.EditImport, Import: &batch[i].NumberImport}
		}
		result, err := engine.Edit(ctx, b)
		var bad *sync.EditError
		if errors.As(err, &bad) && bad.Index < len(batch) {
			return total, &cellError{c.File, batch[bad.Index].line, 1, bad.Field, bad.Reason + ": " + bad.Remedy}
		}
		if err != nil {
			return total, fmt.Errorf("rows from line %d on: %w", batch[0].line, err)
		}
		if err := c.exceptions(env, &result); err != nil {
			return total, err
		}
		total.Applied += result.Counts.Applied
		total.Held += result.Counts.Held
		total.Denied += result.Counts.Denied
		total.Failed += result.Counts.Failed
	}
	return total, nil
}

// exceptions prints what was not applied.
func (c *numberImportCmd) exceptions(env *environment, r *sync.Result) error {
	kept := *r
	kept.Outcomes = slices.DeleteFunc(slices.Clone(r.Outcomes), func(o sync.Outcome) bool { return o.Outcome == "applied" || o.Outcome == "noop" })
	if len(kept.Outcomes) == 0 {
		return nil
	}
	return writeOutcomes(env.out, &kept, c.DryRun)
}

func (c *numberImportCmd) conclude(env *environment, rows int, total sync.Counts) error {
	text := fmt.Sprintf("%s read, %s", count(rows, "number"), count(total.Applied, "change"))
	if n := total.Held + total.Denied + total.Failed; n > 0 {
		text += fmt.Sprintf(", %d held, %d denied, %d failed", total.Held, total.Denied, total.Failed)
	}
	if c.DryRun {
		text += "; dry run: nothing was changed"
	}
	if _, err := fmt.Fprintln(env.out, text); err != nil {
		return err
	}
	return verdict(&sync.Result{Counts: total})
}

// importRow is one row with its place.
type importRow struct {
	sync.NumberImport
	line, ownerColumn int
}

// read reads and checks the whole file; all faulty cells come together.
func (c *numberImportCmd) read() (rows []importRow, err error) {
	in := io.Reader(os.Stdin)
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, &exitError{exitUsage, fmt.Errorf("%w\ndo: %s", err, fileHint)}
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		in = f
	}
	if c.Country != "" {
		code, ok := mapping.Country(c.Country)
		if !ok {
			return nil, &exitError{exitUsage, fmt.Errorf("--country: unknown country %q: use a code such as NO", c.Country)}
		}
		c.Country = code
	}
	name := c.File
	if name == "-" {
		name = "stdin"
	}
	return readNumbers(in, name, c.Country)
}

// readNumbers reads an inventory. Directory text is data: a formula guard's
// leading ' of our own exports is taken off again.
func readNumbers(in io.Reader, file, country string) ([]importRow, error) {
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1
	header, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s is empty: begin with a row that names the columns: %s", file, strings.Join(importColumns, ","))
	}
	if err != nil {
		return nil, csvFault(file, err)
	}
	columns, err := importHeader(header, file)
	if err != nil {
		return nil, err
	}
	var rows []importRow
	var faults []error
	lines := map[string]int{}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, joinFaults(faults)
		}
		if err != nil {
			return nil, errors.Join(joinFaults(faults), csvFault(file, err))
		}
		if len(rows) >= importRows {
			return nil, fmt.Errorf("%s has more than %d numbers: split it", file, importRows)
		}
		place := func(i int, name, text string) {
			line, column := r.FieldPos(min(i, len(record)-1))
			faults = append(faults, &cellError{file, line, column, name, text})
		}
		if len(record) != len(header) {
			place(len(record)-1, "row", fmt.Sprintf("has %s, the heading has %d: add or remove commas", count(len(record), "cell"), len(header)))
			continue
		}
		row := importCells(record, columns, country, place)
		row.line, _ = r.FieldPos(0)
		if i, ok := columns["owner"]; ok {
			_, row.ownerColumn = r.FieldPos(i)
		}
		if first, twice := lines[row.E164]; twice && row.E164 != "" {
			place(columns["number"], "number", fmt.Sprintf("%s stands in line %d already: remove one", row.E164, first))
		}
		lines[row.E164] = row.line
		rows = append(rows, row)
	}
}

const fileHint = "name a CSV file that this user may read, - for stdin; `rollcall numbers import --help` shows one"

// csvFault says what the reader could not go on with.
func csvFault(file string, err error) error {
	var fault *csv.ParseError
	if !errors.As(err, &fault) {
		return fmt.Errorf("%w\ndo: %s", err, fileHint)
	}
	return &cellError{file, fault.Line, fault.Column, "row", "a quotation mark too many or too few: quote a whole cell, and write one within it twice"}
}

// importHeader finds the columns.
func importHeader(header []string, file string) (map[string]int, error) {
	if len(header) == 1 && strings.ContainsAny(header[0], ";\t") {
		return nil, &cellError{file, 1, 1, "heading", "the cells are not parted by commas: save the file with commas"}
	}
	columns := map[string]int{}
	var faults []error
	for i, cell := range header {
		name := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(cell, "\ufeff")))
		if !slices.Contains(importColumns, name) {
			faults = append(faults, &cellError{file, 1, i + 1, "heading", fmt.Sprintf("unknown column %q: use %s", cell, strings.Join(importColumns, ", "))})
		} else if _, twice := columns[name]; twice {
			faults = append(faults, &cellError{file, 1, i + 1, "heading", "column " + name + " stands twice: remove one"})
		}
		columns[name] = i
	}
	if _, ok := columns["number"]; !ok {
		faults = append(faults, &cellError{file, 1, 1, "heading", "no column number: it is the one that is needed"})
	}
	return columns, joinFaults(faults)
}

// importCells checks one row's cells.
func importCells(record []string, columns map[string]int, country string, fault func(i int, name, text string)) importRow {
	cell := func(name string) string {
		i, ok := columns[name]
		if !ok {
			return ""
		}
		text := strings.TrimSpace(record[i])
		switch {
		case !utf8.ValidString(text):
			fault(i, name, "is not UTF-8: save the file as UTF-8")
		case utf8.RuneCountInString(text) > importCell:
			fault(i, name, fmt.Sprintf("is longer than %d characters", importCell))
		case clean(text) != text:
			fault(i, name, "holds a control character: remove it")
		default:
			return text
		}
		return ""
	}
	row := importRow{NumberImport: sync.NumberImport{
		Name: cell("name"), Type: cell("type"), Pool: cell("pool"), Site: cell("site"), Owner: cell("owner"),
	}}
	number, err := mapping.Normalise(cell("number"), country)
	switch {
	case errors.Is(err, mapping.ErrNoCountry):
		fault(columns["number"], "number", err.Error()+": write it with + and country code, or add --country")
	case err != nil:
		fault(columns["number"], "number", err.Error()+": write it as +4722000001")
	case number.Extension != "":
		fault(columns["number"], "number", "has an extension: an inventory holds whole numbers")
	default:
		row.E164 = number.E164
	}
	if row.Owner != "" {
		if a, err := mail.ParseAddress(row.Owner); err != nil || a.Address != row.Owner {
			fault(columns["owner"], "owner", fmt.Sprintf("%q is no address: write it as bo@acme.com", row.Owner))
		}
	}
	return row
}

// joinFaults shows the first faults and counts the rest.
func joinFaults(faults []error) error {
	if len(faults) <= importedShown {
		return errors.Join(faults...)
	}
	shown := append(slices.Clone(faults[:importedShown]), fmt.Errorf("and %d more; nothing was imported", len(faults)-importedShown))
	return errors.Join(shown...)
}

// knownOwners refuses owners who are no active members, before anything is
// written.
func (s *session) knownOwners(ctx context.Context, file string, rows []importRow) error {
	known := map[string]bool{}
	var faults []error
	err := s.view(ctx, func(r *store.Reader) error {
		for i := range rows {
			owner := rows[i].Owner
			if owner == "" || known[owner] {
				continue
			}
			m, err := r.MemberByEmail(fold.Email(owner))
			switch {
			case err == nil && m.State == workspace.StateActive:
				known[owner] = true
			case err == nil || errors.Is(err, workspace.ErrNotFound):
				faults = append(faults, &cellError{
					file, rows[i].line, rows[i].ownerColumn, "owner",
					fmt.Sprintf("%s is no active member: provision or invite them first, or leave the cell empty", owner),
				})
			default:
				return err
			}
		}
		return nil
	})
	return errors.Join(err, joinFaults(faults))
}
