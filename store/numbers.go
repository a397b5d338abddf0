package store

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

const numberColumns = `n.number_id, n.e164, n.name, n.type, n.pool, n.site, n.state, n.quarantine_until, n.legal_hold,
	n.version, n.seq`

func scanNumber(s scanner, n *workspace.Number) error {
	return s.Scan(&n.ID, &n.E164, &n.Name, &n.Type, &n.Pool, &n.Site, (*string)(&n.State), &n.QuarantineUntil,
		&n.LegalHold, &n.Version, &n.Seq)
}

// Lists of numbers are read in the order of their ids, the order of locks
// (L5), and given in the order of their E.164 text.
const (
	selectNumber = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.number_id = ?{lock}`
	selectNumberByE164 = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.e164 = ?{lock}`
	selectNumberByName = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.name_key = ? ORDER BY n.e164 LIMIT 1{lock}`
	selectNumbersOf = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.number_id IN (
			SELECT number_id FROM assignment WHERE workspace_id = ? AND kind = 'member' AND to_id = ?
			UNION ALL SELECT number_id FROM number_owner WHERE workspace_id = ? AND member_id = ?
			UNION ALL SELECT number_id FROM reservation WHERE workspace_id = ? AND kind = 'member' AND for_id = ?)
		ORDER BY n.number_id{lock}`
	selectNumbersTo = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.number_id IN (
			SELECT number_id FROM assignment WHERE workspace_id = ? AND kind = ? AND to_id = ?
			UNION ALL SELECT number_id FROM reservation WHERE workspace_id = ? AND kind = ? AND for_id = ?)
		ORDER BY n.number_id{lock}`
	selectOwnedByDepartment = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.number_id IN (
			SELECT o.number_id FROM number_owner o
			JOIN identity i ON i.workspace_id = o.workspace_id AND i.member_id = o.member_id
			WHERE o.workspace_id = ? AND i.department_key = ? AND NOT i.deleted)
		ORDER BY n.number_id`
	selectOwnedByTitle = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.number_id IN (
			SELECT o.number_id FROM number_owner o
			JOIN identity i ON i.workspace_id = o.workspace_id AND i.member_id = o.member_id
			WHERE o.workspace_id = ? AND i.title_key = ? AND NOT i.deleted)
		ORDER BY n.number_id`
	// What hangs on numbers, in one answer: assignments, owners and
	// reservations.
	selectNumberLists = `SELECT 'assignment', number_id, kind, to_id, access, ring, notify, since FROM assignment
			WHERE workspace_id = ? AND number_id IN (*)
		UNION ALL SELECT 'owner', number_id, 'member', member_id, '', 0, FALSE, 0 FROM number_owner
			WHERE workspace_id = ? AND number_id IN (*)
		UNION ALL SELECT 'reservation', number_id, kind, for_id, why, 0, FALSE, until FROM reservation
			WHERE workspace_id = ? AND number_id IN (*)`
)

// Number reads a number whole, with assignments, owners and reservations.
func (r *Reader) Number(id string) (workspace.Number, error) {
	return r.number(selectNumber, r.ws, id)
}

// NumberByE164 finds a number of the inventory, whole.
func (r *Reader) NumberByE164(e164 string) (workspace.Number, error) {
	return r.number(selectNumberByE164, r.ws, e164)
}

// NumberByName finds a number by folded inbox name, whole; of several the one
// with the lowest E.164 text.
func (r *Reader) NumberByName(key string) (workspace.Number, error) {
	return r.number(selectNumberByName, r.ws, key)
}

// NumbersOf lists, whole, the numbers a member has access to directly, owns,
// or has reserved.
func (r *Reader) NumbersOf(member string) ([]workspace.Number, error) {
	return r.numbers(selectNumbersOf, r.ws, r.ws, member, r.ws, member, r.ws, member)
}

// NumbersTo lists, whole, the numbers assigned to a group or an invitation,
// reservations for an invitation included.
func (r *Reader) NumbersTo(kind workspace.AssigneeKind, id string) ([]workspace.Number, error) {
	return r.numbers(selectNumbersTo, r.ws, r.ws, string(kind), id, r.ws, string(kind), id)
}

// NumbersOwnedBySame lists numbers one of whose owners has an identity with
// this folded attribute value (department, title).
func (r *Reader) NumbersOwnedBySame(attr, key string) ([]workspace.Number, error) {
	switch attr {
	case "department":
		return r.numbers(selectOwnedByDepartment, r.ws, r.ws, key)
	case "title":
		return r.numbers(selectOwnedByTitle, r.ws, r.ws, key)
	}
	return nil, fmt.Errorf("numbers are not kept by %q: department and title are", attr)
}

func (r *Reader) number(text string, args ...any) (workspace.Number, error) {
	n, err := single(r, scanNumber, text, args...)
	if err != nil {
		return workspace.Number{}, err
	}
	whole := []workspace.Number{n}
	err = r.fillNumbers(whole)
	return whole[0], err
}

func (r *Reader) numbers(text string, args ...any) ([]workspace.Number, error) {
	numbers, err := list(r, scanNumber, text, args...)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(numbers, func(a, b workspace.Number) int { return cmp.Compare(a.E164, b.E164) })
	return numbers, r.fillNumbers(numbers)
}

// hanging is one row of selectNumberLists.
type hanging struct {
	table, number, kind, to, text string
	ring                          int
	notify                        bool
	at                            workspace.Micros
}

func scanHanging(s scanner, h *hanging) error {
	return s.Scan(&h.table, &h.number, &h.kind, &h.to, &h.text, &h.ring, &h.notify, &h.at)
}

// fillNumbers reads the lists of numbers, in one statement for 100 of them.
func (r *Reader) fillNumbers(numbers []workspace.Number) error {
	byID := make(map[string]*workspace.Number, len(numbers))
	ids := make([]string, len(numbers))
	for i := range numbers {
		ids[i] = numbers[i].ID
		byID[ids[i]] = &numbers[i]
	}
	err := chunks(ids, func(piece []string) error {
		rows, err := list(r, scanHanging, in(selectNumberLists, len(piece)), flat(r.ws, piece, r.ws, piece, r.ws, piece)...)
		if err != nil {
			return err
		}
		for _, h := range rows {
			if err := hang(byID[h.number], h); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := range numbers {
		slices.SortFunc(numbers[i].Assignments, ringOrder)
		slices.Sort(numbers[i].Owners)
		slices.SortFunc(numbers[i].Reservations, func(a, b workspace.Reservation) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.For, b.For))
		})
	}
	return nil
}

func hang(n *workspace.Number, h hanging) error {
	switch h.table {
	case "assignment":
		access, ok := workspace.ParseAccess(h.text)
		if !ok {
			return unreadable("access", h.text)
		}
		n.Assignments = append(n.Assignments, workspace.Assignment{
			Number: h.number, Kind: workspace.AssigneeKind(h.kind),
			To: h.to, Access: access, Ring: h.ring, Notify: h.notify, Since: h.at,
		})
	case "owner":
		n.Owners = append(n.Owners, h.to)
	default:
		n.Reservations = append(n.Reservations, workspace.Reservation{
			Number: h.number,
			Kind:   workspace.AssigneeKind(h.kind), For: h.to, Until: h.at, Why: h.text,
		})
	}
	return nil
}

// ringOrder is the order of a number's assignments: ring positions, then the
// silent ones, then by assignee.
func ringOrder(a, b workspace.Assignment) int {
	if (a.Ring == 0) != (b.Ring == 0) {
		return cmp.Compare(b.Ring, a.Ring)
	}
	return cmp.Or(cmp.Compare(a.Ring, b.Ring), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind))
}
