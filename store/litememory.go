package store

import (
	"sync"

	"modernc.org/libc"
)

// keepPages keeps blocks of each size that SQLite asks its allocator for.
//
// The allocator maps 64 KiB for blocks of each size, more when they are all
// taken, and unmaps them when their last block is freed. A unit's needs come
// and go around such borders: without a block kept in each, every unit maps
// and unmaps memory, which was a third of its time. Small sizes have thousands
// of blocks in one mapping; of the large ones four are kept (1.5 MiB in all).
var keepPages = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	const mapping, manyBlocks = 64 << 10, 128
	for size := 16; size <= 16<<10; size <<= 1 {
		blocks := mapping/size - 1 // the mapping's head takes less than one
		mappings := 4
		if blocks > manyBlocks {
			blocks, mappings = 1, 1
		}
		free := make([]uintptr, 0, blocks*mappings)
		for range mappings {
			libc.Xmalloc(tls, libc.Tsize_t(size)) // kept
			for range blocks - 1 {
				free = append(free, libc.Xmalloc(tls, libc.Tsize_t(size)))
			}
		}
		for _, block := range free {
			libc.Xfree(tls, block)
		}
	}
})
