// Package audit is the tamper-evident log: one append-only Merkle tree per
// workspace (RFC 6962 hashing, the stored-hash order of golang.org/x/mod/sumdb/tlog),
// whose leaves are units of work. Leaf and record bytes are stored as written
// and hashed as stored.
package audit

import (
	"encoding/base64"
	"fmt"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// Head is the head of a log: its generation, size and root, and the right
// edge of its tree. The edge holds the roots of the maximal complete subtrees
// from left to right, one per set bit of Size, so that an append reads
// nothing else. The zero value is an empty log of generation 0; Gen starts
// at 1.
type Head struct {
	Gen, Size int64
	Root      string // base64
	Edge      []byte // 32 bytes per set bit of Size
}

// EmptyRoot is the root of an empty log: the hash of no bytes.
const EmptyRoot = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

// Append adds a leaf and returns the new head and, base64, the hashes to store
// with it: the leaf's own and those of the subtrees that it completes, smallest
// first. In the order of tlog they stand behind one another from
// tlog.StoredHashIndex(0, h.Size) on, so that the hash of node n at a level is
// number level of those of leaf (n+1)<<level - 1. The head given is not changed.
func Append(h Head, leaf []byte) (next Head, stored []string, err error) {
	if len(h.Edge) != bits.OnesCount64(uint64(h.Size))*tlog.HashSize {
		return Head{}, nil, fmt.Errorf("audit head of size %d has an edge of %d bytes: the log's head was edited", h.Size, len(h.Edge))
	}
	stack := make([]tlog.Hash, len(h.Edge)/tlog.HashSize, len(h.Edge)/tlog.HashSize+1)
	for i := range stack {
		copy(stack[i][:], h.Edge[i*tlog.HashSize:])
	}
	hash := tlog.RecordHash(leaf)
	n := h.Size
	stored = append(make([]string, 0, 1+bits.TrailingZeros64(^uint64(n))), encode(hash))
	for ; n&1 == 1; n >>= 1 {
		left := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		hash = tlog.NodeHash(left, hash)
		stored = append(stored, encode(hash))
	}
	stack = append(stack, hash)
	next = Head{Gen: h.Gen, Size: h.Size + 1, Root: encode(fold(stack)), Edge: make([]byte, 0, len(stack)*tlog.HashSize)}
	if next.Gen == 0 {
		next.Gen = 1
	}
	for _, s := range stack {
		next.Edge = append(next.Edge, s[:]...)
	}
	return next, stored, nil
}

// fold hashes the maximal complete subtrees into the root, right to left.
func fold(stack []tlog.Hash) tlog.Hash {
	root := stack[len(stack)-1]
	for i := len(stack) - 2; i >= 0; i-- {
		root = tlog.NodeHash(stack[i], root)
	}
	return root
}

// RecordsRoot is the tree hash of a commit's record bytes in order, base64;
// EmptyRoot for no records.
func RecordsRoot(records [][]byte) string {
	if len(records) == 0 {
		return EmptyRoot
	}
	var stack []tlog.Hash
	for i, r := range records {
		hash := tlog.RecordHash(r)
		for n := i; n&1 == 1; n >>= 1 {
			hash = tlog.NodeHash(stack[len(stack)-1], hash)
			stack = stack[:len(stack)-1]
		}
		stack = append(stack, hash)
	}
	return encode(fold(stack))
}

func encode(h tlog.Hash) string { return base64.StdEncoding.EncodeToString(h[:]) }
