package store

import (
	"errors"

	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	sqlSeen        = `INSERT INTO signal_seen (workspace_id, connection_id, jti_hash, until) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	sqlForgetSeen  = `DELETE FROM signal_seen WHERE workspace_id = ? AND until < ?`
	sqlSignalState = `SELECT connection_id, heard_at, taken, unknown, cause FROM signal_state WHERE workspace_id = ? AND connection_id = ?`
	sqlHeard       = `INSERT INTO signal_state (workspace_id, connection_id, heard_at, taken, unknown, cause) VALUES (?, ?, ?, ?, ?, '')
		ON CONFLICT (workspace_id, connection_id) DO UPDATE SET heard_at = excluded.heard_at, cause = '',
			taken = signal_state.taken + excluded.taken, unknown = signal_state.unknown + excluded.unknown`
	sqlSignalFault = `INSERT INTO signal_state (workspace_id, connection_id, heard_at, taken, unknown, cause) VALUES (?, ?, 0, 0, 0, ?)
		ON CONFLICT (workspace_id, connection_id) DO UPDATE SET cause = excluded.cause`
)

// SignalState is how a connection's signals arrive. The zero value is one that
// was never heard of.
type SignalState struct {
	Connection string
	HeardAt    workspace.Micros
	// Taken and Unknown count what was heard: about somebody we know, and not.
	Taken, Unknown int64
	Cause          string // why the last try to hear failed, "" if it did not
}

// SeenSignal remembers a token's id; fresh is false if it was there.
func (t *Tx) SeenSignal(connection, hash string, until workspace.Micros) (fresh bool, err error) {
	n, err := t.execCount(sqlSeen, t.ws, connection, hash, until)
	return n == 1, err
}

// ForgetSignals forgets the ids of tokens that would be refused for their age.
func (t *Tx) ForgetSignals(before workspace.Micros) error { return t.exec(sqlForgetSeen, t.ws, before) }

// SignalState reads how a connection's signals arrive.
func (r *Reader) SignalState(connection string) (SignalState, error) {
	v, err := single(r, func(s scanner, v *SignalState) error {
		return s.Scan(&v.Connection, &v.HeardAt, &v.Taken, &v.Unknown, &v.Cause)
	}, sqlSignalState, r.ws, connection)
	if errors.Is(err, workspace.ErrNotFound) {
		return SignalState{Connection: connection}, nil
	}
	return v, err
}

// HeardSignal counts signals that arrived.
func (t *Tx) HeardSignal(connection string, at workspace.Micros, taken, unknown int) error {
	return t.exec(sqlHeard, t.ws, connection, at, taken, unknown)
}

// FailSignals says why signals could not be heard.
func (t *Tx) FailSignals(connection, cause string) error {
	return t.exec(sqlSignalFault, t.ws, connection, cause)
}
