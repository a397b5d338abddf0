package store

const (
	sqlPlanned    = `SELECT planned_hash FROM workspace WHERE workspace_id = ?`
	sqlSetPlanned = `UPDATE workspace SET planned_hash = ? WHERE workspace_id = ?`
)

// Planned is the hash of the mapping under which everybody was planned last,
// "" if that never happened.
func (r *Reader) Planned() (hash string, err error) {
	return hash, r.row(sqlPlanned, r.ws).Scan(&hash)
}

// SetPlanned writes it.
func (t *Tx) SetPlanned(hash string) error { return t.found(sqlSetPlanned, hash, t.ws) }
