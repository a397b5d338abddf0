package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Lease is a held lease with its fencing token (LE1).
type Lease struct {
	Name  string
	Token int64
}

// The lease's statements run on the database's clock: replicas' own clocks
// may be wrong by any amount (FT08).
const (
	sqlAcquire = `INSERT INTO lease (name, holder, token, expires_us) VALUES (?, ?, 1, {now} + ?)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = lease.token + 1,
			expires_us = excluded.expires_us
		WHERE lease.expires_us < {now} RETURNING token`
	// A lease that has run out is lost even when nobody took it: the holder
	// could not have known.
	sqlRenew        = `UPDATE lease SET expires_us = {now} + ? WHERE name = ? AND token = ? AND expires_us >= {now}`
	sqlReleaseLease = `UPDATE lease SET expires_us = 0 WHERE name = ? AND token = ?`
	sqlFence        = `SELECT token FROM lease WHERE name = ? AND token = ?{share}`
)

// Acquire takes a lease that is free or has run out, on the database's clock;
// ok is false when somebody else holds it.
func (s *Store) Acquire(ctx context.Context, name, holder string, ttl time.Duration) (l Lease, ok bool, err error) {
	err = s.engine.update(ctx, "", UnitOptions{Urgent: true}, func(t *Tx) error {
		l, ok = Lease{Name: name}, false
		err := t.row(sqlAcquire, name, holder, ttl.Microseconds()).Scan(&l.Token)
		if errors.Is(err, workspace.ErrNotFound) {
			return nil
		}
		ok = err == nil
		return err
	})
	if err != nil || !ok {
		return Lease{}, false, err
	}
	return l, true, nil
}

// Renew prolongs a lease that is still held; false when it is lost.
func (s *Store) Renew(ctx context.Context, l Lease, ttl time.Duration) (held bool, err error) {
	err = s.engine.update(ctx, "", UnitOptions{Urgent: true}, func(t *Tx) error {
		n, err := t.execCount(sqlRenew, ttl.Microseconds(), l.Name, l.Token)
		held = n == 1
		return err
	})
	return held && err == nil, err
}

// Release gives a lease back; one that is lost already is no error.
func (s *Store) Release(ctx context.Context, l Lease) error {
	return s.engine.update(ctx, "", UnitOptions{Urgent: true}, func(t *Tx) error {
		return t.exec(sqlReleaseLease, l.Name, l.Token)
	})
}

// fence refuses a unit whose lease is lost (LE2). On PostgreSQL the share
// lock keeps renewal and takeover out until the unit has committed; on SQLite
// the write transaction does.
func (t *Tx) fence(name string, token int64) error {
	var held int64
	err := t.row(sqlFence, name, token).Scan(&held)
	if errors.Is(err, workspace.ErrNotFound) {
		return fmt.Errorf("%w: %s, token %d", ErrFenced, name, token)
	}
	return err
}
