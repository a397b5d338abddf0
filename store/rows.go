package store

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// rows walks a result. It has the methods that sqlx.StructScan asks for.
type rows struct {
	src    driver.Rows
	vals   []driver.Value
	err    error
	closed bool
	reader *Reader
	// wrap translates the engine's errors; done gives the result back.
	wrap func(error) error
	done func(*rows) error
}

// Next steps to the next row; false at the end and on an error.
func (rs *rows) Next() bool {
	if rs.closed || rs.err != nil {
		return false
	}
	switch err := rs.src.Next(rs.vals); {
	case err == nil:
		return true
	case errors.Is(err, io.EOF):
		return false
	default:
		rs.err = rs.wrap(err)
		if rs.reader != nil {
			rs.err = rs.reader.fail(rs.err)
		}
		return false
	}
}

// Scan reads the current row.
func (rs *rows) Scan(dest ...any) error {
	if len(dest) != len(rs.vals) {
		return fmt.Errorf("store: %d columns scanned into %d places", len(rs.vals), len(dest))
	}
	for i, d := range dest {
		if err := assign(d, rs.vals[i]); err != nil {
			return fmt.Errorf("column %s: %w", rs.src.Columns()[i], err)
		}
	}
	return nil
}

// Columns names the columns.
func (rs *rows) Columns() ([]string, error) { return rs.src.Columns(), nil }

// Err is the error that ended the walk, nil at its regular end.
func (rs *rows) Err() error { return rs.err }

// Close ends the walk; closing twice is fine.
func (rs *rows) Close() error {
	if rs.closed {
		return nil
	}
	rs.closed = true
	return rs.done(rs)
}
