package workspace

import "errors"

// Sentinel errors of the domain. Callers test them with errors.Is; edges
// translate them to status codes.
var (
	ErrNotFound = errors.New("not found")
	// ErrConflict: a unique key is taken.
	ErrConflict = errors.New("already exists")
	// ErrStale: a version or a plan hash is no longer the current one.
	ErrStale = errors.New("changed meanwhile")
)
