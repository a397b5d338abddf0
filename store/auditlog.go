package store

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// AuditHead is the head of the log. Edge are the stored hashes of the right
// edge of the tree, so that an append reads one row.
type AuditHead struct {
	Gen, Size int64
	Root      string
	Edge      []byte
}

func (h AuditHead) clone() AuditHead {
	h.Edge = slices.Clone(h.Edge)
	return h
}

const (
	sqlAuditHead = `SELECT gen, size, root, edge FROM audit_head WHERE workspace_id = ?{lock}`
	// The root of the empty tree is the SHA-256 of nothing (RFC 6962, 2.1).
	sqlFirstAuditHead = `INSERT INTO audit_head (workspace_id, gen, size, root, edge)
		VALUES (?, 1, 0, '47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=', '')
		ON CONFLICT (workspace_id) DO NOTHING`
	sqlMoveAuditHead = `UPDATE audit_head SET gen = ?, size = ?, root = ?, edge = ?
		WHERE workspace_id = ? AND (gen = ? AND size = ? OR gen < ?)`
	sqlInsertAuditLeaf = `INSERT INTO audit_leaf (workspace_id, gen, n, leaf, hashes) VALUES (?, ?, ?, ?, ?)`
)

// LockAuditHead reads the head for writing; it is locked last (L5). A
// workspace without a log gets the head of an empty one.
func (t *Tx) LockAuditHead() (AuditHead, error) {
	return hot(t, hotAuditHead, "", AuditHead.clone, t.lockAuditHead)
}

func (t *Tx) lockAuditHead() (h AuditHead, err error) {
	h, err = t.auditHead()
	if !errors.Is(err, workspace.ErrNotFound) {
		return h, err
	}
	if err := t.exec(sqlFirstAuditHead, t.ws); err != nil {
		return h, err
	}
	return t.auditHead()
}

func (t *Tx) auditHead() (h AuditHead, err error) {
	var edge string
	if err := t.row(sqlAuditHead, t.ws).Scan(&h.Gen, &h.Size, &h.Root, &edge); err != nil {
		return h, err
	}
	h.Edge, err = base64.StdEncoding.DecodeString(edge)
	if err != nil {
		return h, fmt.Errorf("audit head: edge: %w", err)
	}
	return h, nil
}

// AppendAudit writes leaf n with the hashes that it completes, in stored order,
// and the new head. It gives workspace.ErrStale unless n is the size of the
// stored head, or the head begins a new generation.
func (t *Tx) AppendAudit(head AuditHead, n int64, leaf []byte, hashes []string) error {
	if err := t.swap(sqlMoveAuditHead, head.Gen, head.Size, head.Root, base64.StdEncoding.EncodeToString(head.Edge),
		t.ws, head.Gen, n, head.Gen); err != nil {
		return err
	}
	t.remember(hotAuditHead, "", head.clone())
	return t.exec(sqlInsertAuditLeaf, t.ws, head.Gen, n, leaf, strings.Join(hashes, " "))
}
