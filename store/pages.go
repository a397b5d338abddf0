package store

import (
	"math"
	"slices"
	stdsync "sync"

	"github.com/rollcall-sync/rollcall/workspace"
)

// UserQuery is a list of identities of one connection. Where and Args come
// from the filter compiler; the empty Where lists all. Conditions name the
// columns of table identity by alias i, those of dirgroup by alias g.
type UserQuery struct {
	Connection string
	Where      string
	Args       []any
	Start      int // 1-based index; less than 1 is 1
	Count      int // less than 1 asks for the total alone
	// Sort and Behind count in UsersFrom and DirectoryGroupsFrom alone.
	Sort   SortKey
	Behind *SortPlace
}

// paged are the statements that list one table by creation. Each takes
// workspace and connection first; a filter goes behind all and count.
type paged struct {
	counters, page, keys, all, count string
}

const (
	usersOf = ` FROM identity i
		WHERE i.workspace_id = ? AND i.connection_id = ? AND NOT i.deleted`
	directoryGroupsOf = ` FROM dirgroup g
		WHERE g.workspace_id = ? AND g.connection_id = ?`
	// The one OFFSET is less than pageStride, or inside a filter.
	userOrder           = ` ORDER BY i.created_at, i.identity_id LIMIT CAST(? AS BIGINT) OFFSET ?`
	directoryGroupOrder = ` ORDER BY g.created_at, g.group_id LIMIT CAST(? AS BIGINT) OFFSET ?`
)

var pagedUsers = paged{
	counters: `SELECT users_total, users_removed FROM connection WHERE workspace_id = ? AND connection_id = ?`,
	page:     `SELECT ` + identityColumns + usersOf + ` AND (i.created_at, i.identity_id) > (?, ?)` + userOrder,
	keys: `SELECT k.created_at, k.identity_id, k.n FROM (
			SELECT i.created_at, i.identity_id, ROW_NUMBER() OVER (ORDER BY i.created_at, i.identity_id) AS n` + usersOf + `
				AND (i.created_at, i.identity_id) > (?, ?)) k
		WHERE (k.n + ?) % 100 = 0 OR k.n >= ? ORDER BY k.n`,
	all:   `SELECT ` + identityColumns + usersOf,
	count: `SELECT COUNT(*)` + usersOf,
}

var pagedDirectoryGroups = paged{
	counters: `SELECT groups_total, groups_removed FROM connection WHERE workspace_id = ? AND connection_id = ?`,
	page: `SELECT ` + directoryGroupColumns + directoryGroupsOf + ` AND (g.created_at, g.group_id) > (?, ?)` +
		directoryGroupOrder,
	keys: `SELECT k.created_at, k.group_id, k.n FROM (
			SELECT g.created_at, g.group_id, ROW_NUMBER() OVER (ORDER BY g.created_at, g.group_id) AS n` +
		directoryGroupsOf + ` AND (g.created_at, g.group_id) > (?, ?)) k
		WHERE (k.n + ?) % 100 = 0 OR k.n >= ? ORDER BY k.n`,
	all:   `SELECT ` + directoryGroupColumns + directoryGroupsOf,
	count: `SELECT COUNT(*)` + directoryGroupsOf,
}

// Users counts and yields the page of identities, ordered by creation.
// Without a filter the total comes from the maintained counter and deep
// pages seek from remembered keys. A filtered page that holds everything
// found costs one statement.
func (r *Reader) Users(q UserQuery) (total int, page []workspace.Identity, err error) {
	return pageOf(r, &pagedUsers, userOrder, scanIdentity, q)
}

// DirectoryGroups is Users for groups; edges are not read.
func (r *Reader) DirectoryGroups(q UserQuery) (total int, page []workspace.DirectoryGroup, err error) {
	return pageOf(r, &pagedDirectoryGroups, directoryGroupOrder, scanDirectoryGroup, q)
}

func pageOf[T any](r *Reader, p *paged, order string, scan func(scanner, *T) error, q UserQuery) (int, []T, error) {
	offset := max(q.Start, 1) - 1
	if q.Where != "" {
		return filteredPage(r, p, order, scan, q, offset)
	}
	counters, err := single(r, scanCounters, p.counters, r.ws, q.Connection)
	if err != nil {
		return 0, nil, err
	}
	if q.Count < 1 || offset >= counters.total {
		return counters.total, nil, nil
	}
	key, skip, err := r.seek(p, q.Connection, counters, offset)
	if err != nil {
		return 0, nil, err
	}
	page, err := list(r, scan, p.page, r.ws, q.Connection, key.at, key.id, q.Count, skip)
	return counters.total, page, err
}

// filteredPage asks for one row more than the page has: if there is none, the
// page tells the total.
func filteredPage[T any](r *Reader, p *paged, order string, scan func(scanner, *T) error, q UserQuery, offset int) (int, []T, error) {
	args := append([]any{r.ws, q.Connection}, q.Args...)
	where := " AND (" + q.Where + ")"
	var page []T
	if q.Count > 0 {
		var err error
		page, err = list(r, scan, p.all+where+order, append(slices.Clip(args), q.Count+1, offset)...)
		if err != nil {
			return 0, nil, err
		}
		if len(page) <= q.Count && (len(page) > 0 || offset == 0) {
			return offset + len(page), page, nil
		}
		page = page[:min(len(page), q.Count)]
	}
	total, err := single(r, scanOne[int], p.count+where, args...)
	return total, page, err
}

// pageStride is the distance of remembered keys. It stands in the texts too.
const pageStride = 100

// maxPageMaps bounds the lists whose keys are remembered: a list of 100,000
// costs about 60 KB.
const maxPageMaps = 512

// pageKey is where a row stands in the order of creation.
type pageKey struct {
	at workspace.Micros
	id string
}

// beforeAll stands before every row.
var beforeAll = pageKey{at: math.MinInt64}

// listCounters are the maintained counters of a list. total counts what is
// there; removed only grows, with every row that leaves the list or comes
// back into its middle.
type listCounters struct{ total, removed int }

func scanCounters(s scanner, c *listCounters) error { return s.Scan(&c.total, &c.removed) }

// pageMap remembers, for the list as it was at some counters, the keys of
// every pageStride-th row and of the last. It is never changed.
type pageMap struct {
	listCounters
	keys []pageKey
	last pageKey
}

// pageList names one list.
type pageList struct {
	table          *paged
	ws, connection string
}

// pageMemory keeps the page maps of a store. Its zero value is empty; it is
// safe for concurrent use.
type pageMemory struct {
	mu   stdsync.Mutex
	maps map[pageList]*pageMap // guarded by mu
}

func (m *pageMemory) get(of pageList) *pageMap {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.maps[of]
}

func (m *pageMemory) put(of pageList, p *pageMap) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.maps == nil {
		m.maps = make(map[pageList]*pageMap)
	}
	if _, known := m.maps[of]; !known && len(m.maps) >= maxPageMaps {
		for any := range m.maps {
			delete(m.maps, any)
			break
		}
	}
	m.maps[of] = p
}

// seek gives a key of the list and how many rows behind it the offset is. A
// unit remembers nothing: what it sees may be rolled back.
func (r *Reader) seek(p *paged, connection string, now listCounters, offset int) (pageKey, int, error) {
	if offset < pageStride || r.pages == nil {
		return beforeAll, offset, nil
	}
	of := pageList{p, r.ws, connection}
	known := r.pages.get(of)
	if known == nil || known.removed < now.removed {
		known = &pageMap{listCounters: listCounters{removed: now.removed}, last: beforeAll}
	}
	if known.removed > now.removed || known.total > now.total {
		// This snapshot is older than what is remembered.
		return beforeAll, offset, nil
	}
	if known.total < now.total {
		grown, err := r.extend(p, connection, known, now)
		if err == nil && grown == nil && known.total > 0 {
			grown, err = r.extend(p, connection, &pageMap{last: beforeAll}, now)
		}
		if err != nil || grown == nil {
			return beforeAll, offset, err
		}
		r.pages.put(of, grown)
		known = grown
	}
	return known.keys[offset/pageStride-1], offset % pageStride, nil
}

// numberedKey is a key with its number, counted from the start of the query.
type numberedKey struct {
	pageKey
	n int
}

func scanNumberedKey(s scanner, k *numberedKey) error { return s.Scan(&k.at, &k.id, &k.n) }

// extend reads the keys behind the last one known. If their number is not what
// the total has grown by, a row has come in before the last one (clocks of
// replicas differ) and nil is given: the keys are of no use.
func (r *Reader) extend(p *paged, connection string, known *pageMap, now listCounters) (*pageMap, error) {
	grown := now.total - known.total
	keys, err := list(r, scanNumberedKey, p.keys, r.ws, connection, known.last.at, known.last.id,
		known.total%pageStride, grown)
	if err != nil {
		return nil, err
	}
	if len(keys) == 0 || keys[len(keys)-1].n != grown {
		return nil, nil
	}
	next := &pageMap{listCounters: now, keys: slices.Clip(known.keys), last: keys[len(keys)-1].pageKey}
	for _, k := range keys {
		if (known.total+k.n)%pageStride == 0 {
			next.keys = append(next.keys, k.pageKey)
		}
	}
	return next, nil
}
