package store

import (
	"sync"

	"modernc.org/libc"
)

// keepPages keeps one block of each size that SQLite asks its allocator for.
//
// The allocator maps 64 KiB for each size and unmaps it when the last block
// of the size is freed. A unit's statement journal is such a block: without
// this, every unit maps and unmaps memory, which was a third of its time.
var keepPages = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	for size := 16; size <= 16<<10; size <<= 1 {
		libc.Xmalloc(tls, libc.Tsize_t(size))
	}
})
