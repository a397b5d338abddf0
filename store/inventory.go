package store

import (
	"slices"

	"github.com/rollcall-sync/rollcall/workspace"
)

// GroupListing is a group as listings show it.
type GroupListing struct {
	workspace.Group
	Members []string // e-mail addresses
}

// NumberListing is a number as listings show it.
type NumberListing struct {
	workspace.Number
	OwnerEmails []string
	To          []AssigneeListing
}

// AssigneeListing is one assignee of a number by name.
type AssigneeListing struct {
	To     string
	Kind   string
	Access string
	Ring   int // place in the ring order, from 1; 0 for who does not ring
}

const (
	selectGroups = `SELECT ` + groupColumns + ` FROM groups g
		WHERE g.workspace_id = ? AND (? = '' OR g.name_key = ?) ORDER BY g.name_key`
	// The first members by id are taken; the primary key has them in order.
	selectAddressesIn = `SELECT k.group_id, m.email FROM (
			SELECT gm.group_id, gm.member_id, ROW_NUMBER() OVER (PARTITION BY gm.group_id ORDER BY gm.member_id) AS n
			FROM group_member gm WHERE gm.workspace_id = ? AND gm.group_id IN (*)) k
		JOIN member m ON m.workspace_id = ? AND m.member_id = k.member_id
		WHERE k.n <= ? ORDER BY k.group_id, m.email_key`
	selectNumbers = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND (? = '' OR n.e164 = ?) AND n.e164 > ? ORDER BY n.e164 LIMIT CAST(? AS BIGINT)`
	selectAddresses        = `SELECT member_id, email FROM member WHERE workspace_id = ? AND member_id IN (*)`
	selectGroupNames       = `SELECT group_id, name FROM groups WHERE workspace_id = ? AND group_id IN (*)`
	selectInvitedAddresses = `SELECT invitation_id, email FROM invitation
		WHERE workspace_id = ? AND invitation_id IN (*)`
	selectInvitations = `SELECT ` + invitationColumns + ` FROM invitation
		WHERE workspace_id = ? AND (? = '' OR state = ?) ORDER BY created_at DESC, invitation_id DESC LIMIT CAST(? AS BIGINT)`
	selectUnowned = `SELECT ` + numberColumns + ` FROM number n
		WHERE n.workspace_id = ? AND n.state <> 'ported_out' AND (
			(n.pool = ''
				AND NOT EXISTS (SELECT 1 FROM number_owner o
					WHERE o.workspace_id = n.workspace_id AND o.number_id = n.number_id)
				AND NOT EXISTS (SELECT 1 FROM assignment a
					WHERE a.workspace_id = n.workspace_id AND a.number_id = n.number_id AND a.kind = 'group'))
			OR (EXISTS (SELECT 1 FROM number_owner o
					WHERE o.workspace_id = n.workspace_id AND o.number_id = n.number_id)
				AND NOT EXISTS (SELECT 1 FROM number_owner o
					JOIN member m ON m.workspace_id = o.workspace_id AND m.member_id = o.member_id
					WHERE o.workspace_id = n.workspace_id AND o.number_id = n.number_id AND m.state = 'active')))
		ORDER BY n.number_id`
)

// Groups lists workspace groups by folded name with the addresses of up to
// maxMembers members each; nameKey "" lists all.
func (r *Reader) Groups(nameKey string, maxMembers int) ([]GroupListing, error) {
	groups, err := list(r, scanGroup, selectGroups, r.ws, nameKey, nameKey)
	if err != nil {
		return nil, err
	}
	listings := make([]GroupListing, len(groups))
	byID := make(map[string]*GroupListing, len(groups))
	var ids []string
	for i, g := range groups {
		listings[i].Group = g
		byID[g.ID] = &listings[i]
		if g.MemberCount > 0 && maxMembers > 0 {
			ids = append(ids, g.ID)
		}
	}
	err = chunks(ids, func(piece []string) error {
		members, err := list(r, scanPair, in(selectAddressesIn, len(piece)), flat(r.ws, piece, r.ws, maxMembers)...)
		for _, m := range members {
			byID[m.key].Members = append(byID[m.key].Members, m.value)
		}
		return err
	})
	return listings, err
}

// Numbers lists numbers by E.164 text after a key, whole and with the names
// of owners and assignees; e164 "" lists all.
func (r *Reader) Numbers(e164, after string, limit int) ([]NumberListing, error) {
	numbers, err := r.numbers(selectNumbers, r.ws, e164, e164, after, limitOf(limit))
	if err != nil {
		return nil, err
	}
	names, err := r.namesOn(numbers)
	if err != nil {
		return nil, err
	}
	listings := make([]NumberListing, len(numbers))
	for i, n := range numbers {
		listings[i].Number = n
		for _, o := range n.Owners {
			listings[i].OwnerEmails = append(listings[i].OwnerEmails, names[workspace.ToMember][o])
		}
		slices.Sort(listings[i].OwnerEmails)
		for _, a := range n.Assignments {
			listings[i].To = append(listings[i].To, AssigneeListing{
				To: names[a.Kind][a.To], Kind: string(a.Kind),
				Access: a.Access.String(), Ring: a.Ring,
			})
		}
	}
	return listings, nil
}

// namesOn reads the names of all who own or are assigned these numbers.
func (r *Reader) namesOn(numbers []workspace.Number) (map[workspace.AssigneeKind]map[string]string, error) {
	ids := map[workspace.AssigneeKind][]string{}
	for _, n := range numbers {
		ids[workspace.ToMember] = append(ids[workspace.ToMember], n.Owners...)
		for _, a := range n.Assignments {
			ids[a.Kind] = append(ids[a.Kind], a.To)
		}
	}
	names := map[workspace.AssigneeKind]map[string]string{}
	for kind, text := range map[workspace.AssigneeKind]string{
		workspace.ToMember:     selectAddresses,
		workspace.ToGroup:      selectGroupNames,
		workspace.ToInvitation: selectInvitedAddresses,
	} {
		names[kind] = map[string]string{}
		slices.Sort(ids[kind])
		err := chunks(slices.Compact(ids[kind]), func(piece []string) error {
			found, err := list(r, scanPair, in(text, len(piece)), flat(r.ws, piece)...)
			for _, f := range found {
				names[kind][f.key] = f.value
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}

// Invitations lists invitations, newest first; state "" lists all.
func (r *Reader) Invitations(state string, limit int) ([]workspace.Invitation, error) {
	return list(r, scanInvitation, selectInvitations, r.ws, state, state, limitOf(limit))
}

// Unowned lists, whole, numbers without owner, group or pool, or with
// inactive owners only (F09). Numbers that have been ported out are nobody's
// any more.
func (r *Reader) Unowned() ([]workspace.Number, error) {
	return r.numbers(selectUnowned, r.ws)
}
