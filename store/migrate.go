package store

import "context"

// MigrationStatus tells where a database's schema stands.
type MigrationStatus struct {
	Current, Latest int64
	Pending         []string
}

// Migrate brings a database's schema to the binary's own, resumably.
func Migrate(ctx context.Context, url string) (MigrationStatus, error) { panic("unwritten") }

// Status reads the schema's state without changing it.
func Status(ctx context.Context, url string) (MigrationStatus, error) { panic("unwritten") }
