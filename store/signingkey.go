package store

import (
	"context"

	"github.com/rollcall-sync/rollcall/workspace"
)

// SigningKeyRow is the public half of a key that signed tokens.
type SigningKeyRow struct {
	KID             string
	JWK             []byte // the public JSON Web Key
	FirstAt, LastAt workspace.Micros
}

const (
	sqlPutSigningKey = `INSERT INTO signing_key (kid, jwk, first_at, last_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (kid) DO UPDATE SET last_at = excluded.last_at`
	sqlSigningKeys = `SELECT kid, jwk, first_at, last_at FROM signing_key WHERE last_at >= ? ORDER BY last_at DESC, kid`
)

// PutSigningKey remembers that a key is in use at a moment.
func (s *Store) PutSigningKey(ctx context.Context, kid string, jwk []byte, at workspace.Micros) error {
	return s.engine.update(ctx, "", UnitOptions{}, func(t *Tx) error { return t.exec(sqlPutSigningKey, kid, jwk, at, at) })
}

// SigningKeys lists the keys in use since a moment, the newest first.
func (s *Store) SigningKeys(ctx context.Context, since workspace.Micros) (keys []SigningKeyRow, err error) {
	err = s.engine.view(ctx, "", true, func(r *Reader) (err error) {
		keys, err = list(r, func(s scanner, k *SigningKeyRow) error { return s.Scan(&k.KID, &k.JWK, &k.FirstAt, &k.LastAt) },
			sqlSigningKeys, since)
		return err
	})
	return keys, err
}
