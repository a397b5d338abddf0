package store

import (
	"errors"

	"github.com/rollcall-sync/rollcall/workspace"
)

// A number that is reserved for somebody, or still carries the end of a
// quarantine, is not given, whatever its state says.
const (
	selectFreeInPool = `SELECT n.number_id, n.e164 FROM number n
		WHERE n.workspace_id = ? AND n.state = 'free' AND n.pool = ? AND n.e164 > ? AND n.quarantine_until = 0
			AND NOT EXISTS (SELECT 1 FROM reservation v
				WHERE v.workspace_id = n.workspace_id AND v.number_id = n.number_id)
		ORDER BY n.e164 LIMIT CAST(? AS BIGINT)`
	selectFreeByPrefix = `SELECT n.number_id, n.e164 FROM number n
		WHERE n.workspace_id = ? AND n.state = 'free' AND n.e164 >= ? AND substr(n.e164, 1, ?) = ?
			AND (? = '' OR n.site = ?) AND n.e164 > ? AND n.quarantine_until = 0
			AND NOT EXISTS (SELECT 1 FROM reservation v
				WHERE v.workspace_id = n.workspace_id AND v.number_id = n.number_id)
		ORDER BY n.e164 LIMIT CAST(? AS BIGINT)`
)

// freePage is how many candidates are read at a time.
const freePage = 20

type freeNumber struct{ id, e164 string }

func scanFree(s scanner, f *freeNumber) error { return s.Scan(&f.id, &f.e164) }

// LowestFree gives the free number with the lowest E.164 text (bytewise) that
// is in the pool by name, or has the prefix and, unless empty, the site;
// numbers named by id in skip are passed by. Free are numbers in that state
// without reservation and with QuarantineUntil zero. If there is none it
// gives workspace.ErrNotFound.
func (r *Reader) LowestFree(pool, prefix, site string, skip map[string]bool) (workspace.Number, error) {
	for after := ""; ; {
		page, err := r.free(pool, prefix, site, after)
		if err != nil {
			return workspace.Number{}, err
		}
		for _, f := range page {
			after = f.e164
			if skip[f.id] {
				continue
			}
			// The row's lock may have been waited for, and the
			// number taken meanwhile.
			n, err := r.Number(f.id)
			switch {
			case err == nil && n.State == workspace.NumberFree && n.QuarantineUntil == 0 && len(n.Reservations) == 0:
				return n, nil
			case err != nil && !errors.Is(err, workspace.ErrNotFound):
				return workspace.Number{}, err
			}
		}
		if len(page) < freePage {
			return workspace.Number{}, workspace.ErrNotFound
		}
	}
}

func (r *Reader) free(pool, prefix, site, after string) ([]freeNumber, error) {
	if pool != "" {
		return list(r, scanFree, selectFreeInPool, r.ws, pool, after, freePage)
	}
	return list(r, scanFree, selectFreeByPrefix, r.ws, prefix, len(prefix), prefix, site, site, after, freePage)
}
