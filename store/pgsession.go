package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
)

// pgSession is one connection for the length of a transaction. pgx keeps
// prepared statements by text.
type pgSession struct {
	conn    *stdlib.Conn
	engine  *pgEngine
	locking bool
	wrote   bool
	trace   func(text string, rows int64) // nil: nobody looks
}

// tell tells a trace of a statement that has run.
func (s *pgSession) tell(text string, rows int64) {
	if s.trace != nil {
		s.trace(text, rows)
	}
}

// query implements session. The wire protocol walks one result at a time,
// and other statements may run while rows are open, so a result is read
// whole.
func (s *pgSession) query(ctx context.Context, text string, args []any) (*rows, error) {
	bound, err := pgArgs(args)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(text, "SELECT") {
		s.wrote = true // RETURNING, or WITH that may write
	}
	src, err := s.conn.QueryContext(ctx, s.engine.texts.get(&postgresDialect, text, s.locking), bound)
	if err != nil {
		return nil, pgError(err)
	}
	kept := &keptRows{columns: src.Columns()}
	for {
		vals := make([]driver.Value, len(kept.columns))
		err := src.Next(vals)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.Join(pgError(err), src.Close())
		}
		kept.vals = append(kept.vals, vals)
	}
	if err := src.Close(); err != nil {
		return nil, pgError(err)
	}
	s.tell(text, 0)
	return &rows{
		src: kept, vals: make([]driver.Value, len(kept.columns)),
		wrap: pgError, done: func(*rows) error { return nil },
	}, nil
}

// exec implements session.
func (s *pgSession) exec(ctx context.Context, text string, args []any) (int64, error) {
	bound, err := pgArgs(args)
	if err != nil {
		return 0, err
	}
	s.wrote = true
	res, err := s.conn.ExecContext(ctx, s.engine.texts.get(&postgresDialect, text, s.locking), bound)
	if err != nil {
		return 0, pgError(err)
	}
	n, err := res.RowsAffected()
	s.tell(text, n)
	return n, err
}

// do runs a statement of the store's own.
func (s *pgSession) do(ctx context.Context, text string) error {
	_, err := s.conn.ExecContext(ctx, text, nil)
	if err == nil {
		s.tell(text, 0)
	}
	return pgError(err)
}

func pgArgs(args []any) ([]driver.NamedValue, error) {
	bound := make([]driver.NamedValue, len(args))
	for i, a := range args {
		v, err := value(a)
		if err != nil {
			return nil, err
		}
		bound[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return bound, nil
}

// keptRows is a result in memory.
type keptRows struct {
	columns []string
	vals    [][]driver.Value
}

// Columns names the columns.
func (k *keptRows) Columns() []string { return k.columns }

// Close has nothing to give back.
func (k *keptRows) Close() error { return nil }

// Next gives the next row and forgets it.
func (k *keptRows) Next(dest []driver.Value) error {
	if len(k.vals) == 0 {
		return io.EOF
	}
	copy(dest, k.vals[0])
	k.vals = k.vals[1:]
	return nil
}
