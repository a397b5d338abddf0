package store

import (
	"cmp"
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

const (
	selectNumbersUp = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.number_id > ? ORDER BY n.number_id LIMIT CAST(? AS BIGINT) OFFSET ?`
	selectNumbersDown = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.number_id < ? ORDER BY n.number_id DESC LIMIT CAST(? AS BIGINT) OFFSET ?`
	selectLastNumber = `SELECT number_id FROM number WHERE workspace_id = ? ORDER BY number_id DESC LIMIT 1`
	countNumbers     = `SELECT COUNT(*) FROM number WHERE workspace_id = ?`
	// A member's User in one connection, if it has one there.
	selectPeople = `SELECT m.member_id, m.name, COALESCE((SELECT MIN(i.identity_id) FROM identity i
			WHERE i.workspace_id = m.workspace_id AND i.member_id = m.member_id AND i.connection_id = ? AND NOT i.deleted), '')
		FROM member m WHERE m.workspace_id = ? AND m.member_id IN (*)`
)

// NumbersFrom reads up to limit numbers, whole, in the order of their ids,
// downwards if desc is set: those behind the id behind, or all if that is "",
// after skipping some.
func (r *Reader) NumbersFrom(desc bool, behind string, skip, limit int) ([]workspace.Number, error) {
	text := selectNumbersUp
	if desc {
		text = selectNumbersDown
		if behind == "" {
			last, err := list(r, scanOne[string], selectLastNumber, r.ws)
			if err != nil || len(last) == 0 {
				return nil, err
			}
			behind = last[0] + "\x7f" // No id holds this, so none is left out.
		}
	}
	numbers, err := r.numbers(text, r.ws, behind, max(limit, 0), max(skip, 0))
	slices.SortFunc(numbers, func(a, b workspace.Number) int {
		if desc {
			a, b = b, a
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return numbers, err
}

// CountNumbers counts the numbers of the workspace.
func (r *Reader) CountNumbers() (int, error) {
	return single(r, scanOne[int], countNumbers, r.ws)
}

// PersonSeen is a member as one connection may name it.
type PersonSeen struct {
	Member, Name string
	Identity     string // The member's User in the connection, "" if there is none.
}

func scanPersonSeen(s scanner, p *PersonSeen) error { return s.Scan(&p.Member, &p.Name, &p.Identity) }

// People finds members by id, each with its User in a connection.
func (r *Reader) People(connection string, members []string) (map[string]PersonSeen, error) {
	people := make(map[string]PersonSeen, len(members))
	err := chunks(members, func(piece []string) error {
		found, err := list(r, scanPersonSeen, in(selectPeople, len(piece)), flat(connection, r.ws, piece)...)
		for _, p := range found {
			people[p.Member] = p
		}
		return err
	})
	return people, err
}
