package store

import (
	"sync"

	"github.com/jmoiron/sqlx"
)

func init() {
	// sqlx does not know the name under which modernc's driver registers.
	sqlx.BindDriver("sqlite", sqlx.QUESTION)
}

// dollars turns ? into $1, $2 as PostgreSQL wants them.
func dollars(text string) string { return sqlx.Rebind(sqlx.DOLLAR, text) }

// expansions remembers expanded texts, so that each is made once. Built texts
// come in too many shapes to keep, so the memory is emptied when it is full.
type expansions struct {
	mu    sync.RWMutex
	texts map[expansion]string
}

type expansion struct {
	text    string
	locking bool
}

const maxExpansions = 2000

func (x *expansions) get(d *dialect, text string, locking bool) string {
	key := expansion{text, locking}
	x.mu.RLock()
	out, ok := x.texts[key]
	x.mu.RUnlock()
	if ok {
		return out
	}
	out = d.expand(text, locking)
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.texts == nil || len(x.texts) >= maxExpansions {
		x.texts = make(map[expansion]string)
	}
	x.texts[key] = out
	return out
}
