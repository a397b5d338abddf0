package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// pgError translates PostgreSQL's SQLSTATEs (its manual, appendix A); nil
// stays nil. What is no answer of the server is a lost connection.
func pgError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || isUnavailable(err) {
		return err
	}
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return unavailable("database connection", err)
	}
	switch e.Code {
	case "23505":
		return conflictByIndex(e.TableName, e.ConstraintName)
	case "23503":
		return fmt.Errorf("%w: %w", errReference, err)
	case "55P03":
		return unavailable("lock timeout", err)
	case "57014":
		return unavailable("statement timeout", err)
	case "25006":
		return unavailable("server is read-only", err)
	case "25P03":
		return unavailable("transaction timeout", err)
	case "57P01", "57P02", "57P03", "57P05":
		return unavailable("server is stopping or starting", err)
	}
	switch e.Code[:min(2, len(e.Code))] {
	case "08":
		return unavailable("database connection", err)
	case "53":
		return unavailable("server is out of disk, memory or connections", err)
	case "58", "XX":
		return unavailable("server trouble", err)
	}
	return err
}

// retryable tells whether another run of the unit may succeed: it lost a race.
func retryable(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40001" || e.Code == "40P01")
}

// validateReadWrite refuses a standby, so that the next host is tried.
func validateReadWrite(ctx context.Context, c *pgconn.PgConn) error {
	return pgconn.ValidateConnectTargetSessionAttrsReadWrite(ctx, c)
}

// anyError is pgError for code that runs on both engines.
func anyError(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) || errors.Is(err, pgx.ErrTxClosed) {
		return pgError(err)
	}
	return liteError(err)
}
