package store

// Reader runs queries of one workspace on one snapshot; it is used by one
// goroutine. Reads inside a Tx see its writes.
type Reader struct{}

// Tx is a Reader that also writes. Nothing else may touch the store while a
// unit runs (SQLite has one writer connection).
type Tx struct{ Reader }
