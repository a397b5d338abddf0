package store

import "github.com/rollcall-sync/rollcall/workspace"

// EndpointRow is the host to which a provider's document leads for one of its
// endpoints.
type EndpointRow struct {
	Connection string
	Document   string // address of the document
	Name       string // what the document calls the endpoint
	Host       string // approved, with its port if the address has one
	SeenAt     workspace.Micros
	// Waiting is another host that was seen since and that nobody has
	// approved, "" for none.
	Waiting   string
	WaitingAt workspace.Micros
}

const (
	sqlEndpoints = `SELECT connection_id, document, name, host, seen_at, waiting, waiting_at FROM endpoint_host
		WHERE workspace_id = ? AND connection_id = ? ORDER BY document, name{lock}`
	sqlPutEndpoint = `INSERT INTO endpoint_host (workspace_id, connection_id, document, name, host, seen_at, waiting, waiting_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (workspace_id, connection_id, document, name) DO UPDATE SET host = excluded.host, seen_at = excluded.seen_at,
			waiting = excluded.waiting, waiting_at = excluded.waiting_at`
)

// Endpoints lists the endpoints of a connection by document and name; inside a
// unit of work they are locked.
func (r *Reader) Endpoints(connection string) ([]EndpointRow, error) {
	scan := func(s scanner, e *EndpointRow) error {
		return s.Scan(&e.Connection, &e.Document, &e.Name, &e.Host, &e.SeenAt, &e.Waiting, &e.WaitingAt)
	}
	return list(r, scan, sqlEndpoints, r.ws, connection)
}

// PutEndpoint writes an endpoint.
func (t *Tx) PutEndpoint(e EndpointRow) error {
	return t.exec(sqlPutEndpoint, t.ws, e.Connection, e.Document, e.Name, e.Host, e.SeenAt, e.Waiting, e.WaitingAt)
}
