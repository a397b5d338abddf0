package store

import (
	"encoding/json"
	"fmt"

	"github.com/rollcall-sync/rollcall/workspace"
)

// PollState is what a polled connection remembers between runs. The zero
// value is a connection that has never been read.
type PollState struct {
	Connection     string
	Server, Tenant string // pinned (RD8)
	Mark           string // tell-tale after the last good run
	Counts         []int  // people seen by the last good whole reads, oldest first (RD6)
	Failures       int    // failed runs in a row (QU2)
	FailingSince   workspace.Micros
	Cause          string // why the last run failed, "" if it did not
	NextAt         workspace.Micros
	LastFullAt     workspace.Micros
	LastSweepAt    workspace.Micros
	// FirstRunHeld: the first run's plan waits, or has waited, for a person.
	FirstRunHeld bool
	// Stock is Reader.Stock when those who wait for a number were tried last,
	// and the policy by which they were; "" if never.
	Stock string
}

const sqlPollState = `SELECT server, tenant, mark, counts, failures, failing_since, cause, next_at, last_full_at, last_sweep_at, first_run_held, stock
	FROM poll_state WHERE workspace_id = ? AND connection_id = ?`

// PollState reads a connection's state; a connection never read has the zero
// one.
func (r *Reader) PollState(connection string) (PollState, error) {
	list, err := list(r, func(s scanner, p *PollState) error {
		var counts string
		if err := s.Scan(&p.Server, &p.Tenant, &p.Mark, &counts, &p.Failures, &p.FailingSince, &p.Cause, &p.NextAt, &p.LastFullAt, &p.LastSweepAt, &p.FirstRunHeld, &p.Stock); err != nil {
			return err
		}
		return json.Unmarshal([]byte(counts), &p.Counts)
	}, sqlPollState, r.ws, connection)
	if err != nil || len(list) == 0 {
		return PollState{Connection: connection}, err
	}
	list[0].Connection = connection
	return list[0], nil
}

const sqlPutPollState = `INSERT INTO poll_state (workspace_id, connection_id, server, tenant, mark, counts, failures, failing_since, cause, next_at, last_full_at, last_sweep_at, first_run_held, stock)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (workspace_id, connection_id) DO UPDATE SET server = excluded.server, tenant = excluded.tenant, mark = excluded.mark,
	counts = excluded.counts, failures = excluded.failures, failing_since = excluded.failing_since, cause = excluded.cause, next_at = excluded.next_at,
	last_full_at = excluded.last_full_at, last_sweep_at = excluded.last_sweep_at, first_run_held = excluded.first_run_held,
	stock = excluded.stock`

// PutPollState writes a connection's state.
func (t *Tx) PutPollState(p PollState) error {
	counts, err := json.Marshal(append([]int{}, p.Counts...))
	if err != nil {
		return fmt.Errorf("counts of %s: %w", p.Connection, err)
	}
	return t.exec(sqlPutPollState, t.ws, p.Connection, p.Server, p.Tenant, p.Mark, counts, p.Failures, p.FailingSince, p.Cause, p.NextAt, p.LastFullAt, p.LastSweepAt, p.FirstRunHeld, p.Stock)
}

// AbsenceRow is a person whom a whole read did not name.
type AbsenceRow struct {
	Connection, Identity, Run, Scope, Server string
	FirstMissedAt                            workspace.Micros
}

const sqlAbsences = `SELECT identity_id, run_id, scope, server, first_missed_at FROM absence
	WHERE workspace_id = ? AND connection_id = ? ORDER BY identity_id`

// Absences lists the people of a connection who were missed once.
func (r *Reader) Absences(connection string) ([]AbsenceRow, error) {
	return list(r, func(s scanner, a *AbsenceRow) error {
		a.Connection = connection
		return s.Scan(&a.Identity, &a.Run, &a.Scope, &a.Server, &a.FirstMissedAt)
	}, sqlAbsences, r.ws, connection)
}

const sqlPutAbsence = `INSERT INTO absence (workspace_id, connection_id, identity_id, run_id, scope, server, first_missed_at)
	VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workspace_id, connection_id, identity_id) DO UPDATE
	SET run_id = excluded.run_id, scope = excluded.scope, server = excluded.server, first_missed_at = excluded.first_missed_at`

// PutAbsence remembers that a person was missed.
func (t *Tx) PutAbsence(a AbsenceRow) error {
	return t.exec(sqlPutAbsence, t.ws, a.Connection, a.Identity, a.Run, a.Scope, a.Server, a.FirstMissedAt)
}

const sqlDeleteAbsence = `DELETE FROM absence WHERE workspace_id = ? AND connection_id = ? AND identity_id = ?`

// DeleteAbsence forgets it.
func (t *Tx) DeleteAbsence(connection, identity string) error {
	return t.exec(sqlDeleteAbsence, t.ws, connection, identity)
}

const sqlBrakeCount = `SELECT COUNT(*) FROM brake_count WHERE workspace_id = ? AND connection_id = ? AND name = ? AND at > ?`

// BrakeCount counts the distinct subjects of a limit since a moment.
func (r *Reader) BrakeCount(connection, name string, since workspace.Micros) (n int, err error) {
	return n, r.row(sqlBrakeCount, r.ws, connection, name, since).Scan(&n)
}

const sqlCountBrake = `INSERT INTO brake_count (workspace_id, connection_id, name, subject, at) VALUES (?, ?, ?, ?, ?)
	ON CONFLICT (workspace_id, connection_id, name, subject) DO UPDATE SET at = excluded.at`

// CountBrake counts a subject against a limit.
func (t *Tx) CountBrake(connection, name, subject string, at workspace.Micros) error {
	t.none.counts = false
	return t.exec(sqlCountBrake, t.ws, connection, name, subject, at)
}

const sqlKnownByExternal = `SELECT identity_id, external_id, user_name, email, name, dn, active, attributes, member_id, version, observed_at
	FROM identity WHERE workspace_id = ? AND connection_id = ? AND external_id IN (*) AND external_id IS NOT NULL AND NOT deleted`

func (r *Reader) scanKnown(connection string) func(s scanner, i *workspace.Identity) error {
	return func(s scanner, i *workspace.Identity) error {
		var attributes string
		i.Connection = connection
		if err := s.Scan(&i.ID, &i.ExternalID, &i.UserName, &i.Email, &i.Name, &i.DN, &i.Active, &attributes, &i.Member, &i.Version, &i.ObservedAt); err != nil {
			return err
		}
		var err error
		i.Attributes, err = parseAttributes(attributes)
		return err
	}
}

// KnownByExternal finds identities of a connection by immutable ids, without
// their documents.
func (r *Reader) KnownByExternal(connection string, external []string) ([]workspace.Identity, error) {
	var out []workspace.Identity
	err := chunks(external, func(piece []string) error {
		found, err := list(r, r.scanKnown(connection), in(sqlKnownByExternal, len(piece)), flat(r.ws, connection, piece)...)
		out = append(out, found...)
		return err
	})
	return out, err
}

const sqlKnown = `SELECT identity_id, external_id, user_name, email, name, dn, active, attributes, member_id, version, observed_at
	FROM identity WHERE workspace_id = ? AND connection_id = ? AND NOT deleted AND identity_id > ? ORDER BY identity_id LIMIT CAST(? AS BIGINT)`

// Known lists a connection's identities by id after a key, without their
// documents: what a poll compares with.
func (r *Reader) Known(connection, after string, limit int) ([]workspace.Identity, error) {
	return list(r, r.scanKnown(connection), sqlKnown, r.ws, connection, after, limit)
}

// KnownKey is what a poll needs of everybody to find who is missing.
type KnownKey struct {
	ID, ExternalID string
	ObservedAt     workspace.Micros
}

const sqlKnownKeys = `SELECT identity_id, external_id, observed_at FROM identity
	WHERE workspace_id = ? AND connection_id = ? AND NOT deleted AND identity_id > ? ORDER BY identity_id LIMIT CAST(? AS BIGINT)`

// KnownKeys lists the keys of a connection's identities by id after a key.
func (r *Reader) KnownKeys(connection, after string, limit int) ([]KnownKey, error) {
	return list(r, func(s scanner, k *KnownKey) error { return s.Scan(&k.ID, &k.ExternalID, &k.ObservedAt) }, sqlKnownKeys, r.ws, connection, after, limit)
}

const (
	sqlUsersByExternal = `SELECT external_id, identity_id, 'user' FROM identity
		WHERE workspace_id = ? AND connection_id = ? AND external_id IN (*) AND external_id IS NOT NULL AND NOT deleted`
	sqlGroupsByExternal = `SELECT external_id, group_id, 'group' FROM dirgroup
		WHERE workspace_id = ? AND connection_id = ? AND external_id IN (*) AND external_id IS NOT NULL`
	sqlUsersByDN = `SELECT dn, identity_id, 'user' FROM identity
		WHERE workspace_id = ? AND connection_id = ? AND dn IN (*) AND dn IS NOT NULL AND NOT deleted`
	sqlGroupsByDN = `SELECT dn, group_id, 'group' FROM dirgroup
		WHERE workspace_id = ? AND connection_id = ? AND dn IN (*) AND dn IS NOT NULL`
)

const sqlFormerDNs = `SELECT DISTINCT dn FROM identity
	WHERE workspace_id = ? AND connection_id = ? AND dn IN (*) AND dn IS NOT NULL AND deleted`

// FormerDNs finds which canonical DNs were those of people who have been
// deleted since.
func (r *Reader) FormerDNs(connection string, dns []string) (former []string, err error) {
	err = chunks(dns, func(piece []string) error {
		found, err := list(r, scanOne[string], in(sqlFormerDNs, len(piece)), flat(r.ws, connection, piece)...)
		former = append(former, found...)
		return err
	})
	return former, err
}

// IDsByExternal finds what immutable ids of a connection stand for: people or
// directory groups. Unknown ones are missing.
func (r *Reader) IDsByExternal(connection string, ids []string) (map[string]Edge, error) {
	return r.stands(connection, ids, sqlUsersByExternal, sqlGroupsByExternal)
}

// IDsByDN is IDsByExternal for canonical DNs.
func (r *Reader) IDsByDN(connection string, dns []string) (map[string]Edge, error) {
	return r.stands(connection, dns, sqlUsersByDN, sqlGroupsByDN)
}

func (r *Reader) stands(connection string, keys []string, texts ...string) (map[string]Edge, error) {
	out := make(map[string]Edge, len(keys))
	type pair struct {
		key string
		e   Edge
	}
	err := chunks(keys, func(piece []string) error {
		for _, text := range texts {
			found, err := list(r, func(s scanner, p *pair) error { return s.Scan(&p.key, &p.e.Child, &p.e.Kind) }, in(text, len(piece)), flat(r.ws, connection, piece)...)
			if err != nil {
				return err
			}
			for _, p := range found {
				out[p.key] = p.e
			}
		}
		return nil
	})
	return out, err
}
