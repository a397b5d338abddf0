package store

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/rollcall-sync/rollcall/workspace"
)

// Edge is one membership edge of a directory group.
type Edge struct {
	Child string
	Kind  string // user or group
}

const (
	selectEdges = `SELECT child_kind, child_id FROM membership
		WHERE workspace_id = ? AND group_id = ? AND (child_kind, child_id) > (?, ?)
		ORDER BY child_kind, child_id LIMIT CAST(? AS BIGINT)`
	selectEdge = `SELECT child_id FROM membership
		WHERE workspace_id = ? AND group_id = ? AND child_kind = ? AND child_id = ?`
	// A child that is about to become a member stays until the unit ends:
	// whoever deletes it meanwhile waits, and then finds the edge.
	selectLiveUsers = `SELECT identity_id FROM identity
		WHERE workspace_id = ? AND connection_id = ? AND NOT deleted AND identity_id IN (*) ORDER BY identity_id{share}`
	selectLiveGroups = `SELECT group_id FROM dirgroup
		WHERE workspace_id = ? AND connection_id = ? AND group_id IN (*) ORDER BY group_id{share}`
	// insertEdges is followed by one insertEdge for each edge and by
	// insertNewEdges.
	insertEdges    = `INSERT INTO membership (workspace_id, group_id, child_kind, child_id, since) VALUES `
	insertEdge     = `(?, ?, ?, ?, ?)`
	insertNewEdges = ` ON CONFLICT (workspace_id, group_id, child_kind, child_id) DO NOTHING
		RETURNING child_kind, child_id`
	deleteEdges = `DELETE FROM membership
		WHERE workspace_id = ? AND group_id = ? AND child_kind = ? AND child_id IN (*)
		RETURNING child_kind, child_id`
	// One edge, the usual case, needs no RETURNING: the count tells.
	insertOneEdge = insertEdges + insertEdge + ` ON CONFLICT (workspace_id, group_id, child_kind, child_id) DO NOTHING`
	deleteOneEdge = `DELETE FROM membership
		WHERE workspace_id = ? AND group_id = ? AND child_kind = ? AND child_id = ?`
	moveMemberCount = `UPDATE dirgroup SET member_count = member_count + ? WHERE workspace_id = ? AND group_id = ?`
)

// edgePage is how many edges are read at a time. Between pages the
// connection is free for other statements.
const edgePage = 1000

func scanEdge(s scanner, e *Edge) error { return s.Scan(&e.Kind, &e.Child) }

// Edges yields a group's direct edges in order of kind and child. The loop's
// body may read and write.
func (r *Reader) Edges(group string) iter.Seq2[Edge, error] {
	return func(yield func(Edge, error) bool) {
		var last Edge
		for {
			page, err := list(r, scanEdge, selectEdges, r.ws, group, last.Kind, last.Child, edgePage)
			if err != nil {
				yield(Edge{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if len(page) < edgePage {
				return
			}
			last = page[len(page)-1]
		}
	}
}

// HasEdge tells whether a direct edge exists.
func (r *Reader) HasEdge(group string, e Edge) (bool, error) {
	_, err := single(r, scanOne[string], selectEdge, r.ws, group, e.Kind, e.Child)
	if errors.Is(err, workspace.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// KindsOf tells, for each id that is a live identity or group of the
// connection, which it is ("user" or "group"); unknown ids are missing. In a
// unit of work they stay live until its end, so that no edge that it adds
// leads nowhere.
func (r *Reader) KindsOf(connection string, ids []string) (map[string]string, error) {
	kinds := make(map[string]string, len(ids))
	mark := func(kind, query string, ids []string) error {
		return chunks(ids, func(piece []string) error {
			found, err := list(r, scanOne[string], in(query, len(piece)), flat(r.ws, connection, piece)...)
			for _, id := range found {
				kinds[id] = kind
			}
			return err
		})
	}
	if err := mark("user", selectLiveUsers, ids); err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return kinds[id] != "" })
	if err := mark("group", selectLiveGroups, rest); err != nil {
		return nil, err
	}
	return kinds, nil
}

// AddEdges adds edges and returns those that were new, in the order given;
// member_count moves by their number in one statement. The rows written are
// one for each new edge and the group's own, whatever the group's size. It
// gives workspace.ErrNotFound if there is no such group (any more).
func (t *Tx) AddEdges(group string, edges []Edge, at workspace.Micros) ([]Edge, error) {
	t.behind.edged = true
	added, err := t.addEdges(group, edges, at)
	if errors.Is(err, errReference) {
		err = fmt.Errorf("group %s: %w", group, workspace.ErrNotFound)
	}
	return added, err
}

func (t *Tx) addEdges(group string, edges []Edge, at workspace.Micros) ([]Edge, error) {
	if len(edges) == 1 {
		return t.movedOne(group, edges, 1, insertOneEdge, t.ws, group, edges[0].Kind, edges[0].Child, at)
	}
	added := make(map[Edge]bool, len(edges))
	for rest := edges; len(rest) > 0; {
		n := edgeChunk(len(rest))
		query := insertEdges + strings.Repeat(insertEdge+", ", n-1) + insertEdge + insertNewEdges
		values := make([]any, 0, 5*n)
		for _, e := range rest[:n] {
			values = append(values, t.ws, group, e.Kind, e.Child, at)
		}
		found, err := list(&t.Reader, scanEdge, query, values...)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			added[e] = true
		}
		rest = rest[n:]
	}
	return t.moved(group, edges, added, 1)
}

// edgeChunk is the largest number of edges, of a few fixed ones, that one
// statement takes from n.
func edgeChunk(n int) int {
	for _, size := range []int{maxPlaceholders / 5, 20, 4} {
		if n >= size {
			return size
		}
	}
	return 1
}

// RemoveEdges removes edges and returns those that were there, in the order
// given; member_count moves by their number in one statement.
func (t *Tx) RemoveEdges(group string, edges []Edge) ([]Edge, error) {
	if len(edges) == 1 {
		return t.movedOne(group, edges, -1, deleteOneEdge, t.ws, group, edges[0].Kind, edges[0].Child)
	}
	ids := map[string][]string{}
	for _, e := range edges {
		ids[e.Kind] = append(ids[e.Kind], e.Child)
	}
	removed := make(map[Edge]bool, len(edges))
	for _, kind := range []string{"group", "user"} {
		err := chunks(ids[kind], func(piece []string) error {
			found, err := list(&t.Reader, scanEdge, in(deleteEdges, len(piece)), flat(t.ws, group, kind, piece)...)
			for _, e := range found {
				removed[e] = true
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return t.moved(group, edges, removed, -1)
}

// movedOne writes one edge and gives it if that changed anything.
func (t *Tx) movedOne(group string, edge []Edge, sign int, text string, args ...any) ([]Edge, error) {
	n, err := t.execCount(text, args...)
	if err != nil || n == 0 {
		return nil, err
	}
	return edge, t.found(moveMemberCount, sign, t.ws, group)
}

// moved counts changed edges once and lists them in the caller's order.
func (t *Tx) moved(group string, edges []Edge, changed map[Edge]bool, sign int) ([]Edge, error) {
	if len(changed) == 0 {
		return nil, nil
	}
	if err := t.found(moveMemberCount, sign*len(changed), t.ws, group); err != nil {
		return nil, err
	}
	out := make([]Edge, 0, len(changed))
	for _, e := range edges {
		if changed[e] {
			out = append(out, e)
			delete(changed, e)
		}
	}
	return out, nil
}
