package workspace

import (
	"encoding/binary"
	"hash"
)

// hashFields writes texts to h, each with its length before it, so that no
// two lists of texts write the same bytes. hash.Hash never returns an error.
func hashFields(h hash.Hash, fields ...string) {
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(fields)))
	h.Write(size[:])
	for _, f := range fields {
		binary.BigEndian.PutUint64(size[:], uint64(len(f)))
		h.Write(size[:])
		h.Write([]byte(f))
	}
}
