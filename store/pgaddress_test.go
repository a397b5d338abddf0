package store

import "testing"

// TestPostgresAddress: off loopback every host that may be tried is spoken to
// over TLS with its name verified, the further ones of a list too.
func TestPostgresAddress(t *testing.T) {
	t.Setenv("PGHOST", "")
	t.Setenv("PGSSLMODE", "")
	for address, good := range map[string]bool{
		"postgres://u@localhost/db":                                 true,
		"postgres://u@127.0.0.1/db?sslmode=disable":                 true,
		"postgres://u@[::1]/db":                                     true,
		"postgres:///db?host=/run/postgresql":                       true,
		"postgres://u@db.acme.com/db?sslmode=verify-full":           true,
		"postgres://u@a.acme.com,b.acme.com/db?sslmode=verify-full": true,
		"postgres://u@localhost,127.0.0.1/db?sslmode=prefer":        true,
		"postgres://u@db.acme.com/db":                               false,
		"postgres://u@db.acme.com/db?sslmode=disable":               false,
		"postgres://u@db.acme.com/db?sslmode=allow":                 false,
		"postgres://u@db.acme.com/db?sslmode=require":               false,
		"postgres://u@db.acme.com/db?sslmode=verify-ca":             false,
		"postgres://u@localhost,db.acme.com/db?sslmode=disable":     false,
		"postgres://u@localhost,db.acme.com/db":                     false,
	} {
		if _, _, err := pgConfig(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
}
