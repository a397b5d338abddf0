package store

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/rollcall-sync/rollcall/workspace"
)

// behind holds what a unit has said and not written yet: new members and
// identities with what is theirs, and counters. What the unit then says of such
// a row (its link, its sequence, whether it is settled) is said before it is
// written; a counter is written once; each table is written in one go, in the
// order of its keys (ADR 0014).
//
// No reader sees the difference: whatever names one of these tables comes after
// what waits, and so do savepoints, the log's head and the unit's end. A taken
// key is found out there, and fails the unit as it would have before.
type behind struct {
	waits      tables
	members    []workspace.Member
	memberAt   map[string]int
	identities []IdentityRow
	identityAt map[string]int
	supports   []SupportRow
	supportAt  map[supportKey]int
	joins      []workspace.GroupMembership
	joined     map[[2]string]bool // group and member
	users      map[string]int     // by connection
	sizes      map[string]int     // by group
	totals     workspace.Totals

	fresh   map[string]bool // identities that this unit has made
	counted map[string]bool // connections whose row this unit has locked
	edged   bool            // this unit has written edges of groups
}

type supportKey struct{ member, kind, object, by string }

// tables is a set of the tables that have rows waiting, or columns.
type tables uint16

const (
	inMember tables = 1 << iota
	inIdentity
	inSupport
	inJoins
	inGroups
	inConnection
	inWorkspace
	everywhere = ^tables(0)
)

// tableNames are the tables whose statements come after what waits: those that
// it goes to, and those whose foreign keys need it.
var tableNames = map[string]tables{
	"member": inMember, "identity": inIdentity, "identity_value": inIdentity, "support": inSupport, "group_member": inJoins, "groups": inGroups,
	"connection": inConnection, "workspace": inWorkspace,
	"number_owner": inMember, "session": inMember, "liveness": inMember, "successor": inMember,
}

var words = regexp.MustCompile(`[a-z_]+`)

// named remembers which of the tables a text names. Built texts come in too
// many shapes to keep, so the memory is emptied when it is full.
var named struct {
	sync.RWMutex
	texts map[string]tables
}

// tablesIn finds the tables that a text names. What only looks like a name
// costs nothing but an early write.
func tablesIn(text string) tables {
	named.RLock()
	in, ok := named.texts[text]
	named.RUnlock()
	if ok {
		return in
	}
	if strings.HasPrefix(text, "SAVEPOINT") || strings.HasPrefix(text, "RELEASE") {
		in = everywhere
	}
	for _, word := range words.FindAllString(text, -1) {
		in |= tableNames[word]
	}
	named.Lock()
	defer named.Unlock()
	if named.texts == nil || len(named.texts) >= maxExpansions {
		named.texts = make(map[string]tables)
	}
	named.texts[text] = in
	return in
}

// settle writes what waits, if a statement is about one of these tables.
func (r *Reader) settle(next tables) error {
	if r.writer == nil || r.writer.behind.waits&next == 0 {
		return nil
	}
	return r.writer.writeBehind()
}

// settleFor is settle for the tables that a text names.
func (r *Reader) settleFor(text string) error {
	if r.writer == nil || r.writer.behind.waits == 0 {
		return nil
	}
	return r.settle(tablesIn(text))
}

// put sets a key of a map that is made when it is needed: most units need few.
func put[K comparable, V any](m *map[K]V, key K, v V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[key] = v
}

// writeBehind writes what waits. Rows that others may want come in the order of
// locks: connections, groups, the workspace's counters (L5).
func (t *Tx) writeBehind() error {
	b := t.behind
	t.behind = behind{fresh: b.fresh, counted: b.counted, edged: b.edged}
	for _, id := range slices.Sorted(maps.Keys(b.users)) {
		if err := t.exec(countUsersIn, b.users[id], t.ws, id); err != nil {
			return err
		}
	}
	slices.SortFunc(b.members, func(x, y workspace.Member) int { return cmp.Compare(x.ID, y.ID) })
	if err := t.writeMembers(b.members); err != nil {
		return err
	}
	slices.SortFunc(b.identities, func(x, y IdentityRow) int { return cmp.Compare(x.ID, y.ID) })
	for i := range b.identities {
		if err := t.writeIdentity(&b.identities[i]); err != nil {
			return err
		}
	}
	slices.SortFunc(b.supports, func(x, y SupportRow) int {
		return cmp.Or(cmp.Compare(x.Member, y.Member), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Object, y.Object), cmp.Compare(x.By, y.By))
	})
	if err := t.writeSupports(b.supports); err != nil {
		return err
	}
	slices.SortFunc(b.joins, func(x, y workspace.GroupMembership) int {
		return cmp.Or(cmp.Compare(x.Group, y.Group), cmp.Compare(x.Member, y.Member))
	})
	for _, m := range b.joins {
		if err := t.exec(insertGroupMember, t.ws, m.Group, m.Member, m.Since); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(b.sizes)) {
		if err := t.found(moveGroupCount, b.sizes[id], t.ws, id); err != nil {
			return err
		}
	}
	if d := b.totals; d != (workspace.Totals{}) {
		return t.found(addTotals, d.Active, d.Owners, d.Admins, d.Seats, d.Numbers, t.ws)
	}
	return nil
}

// dropBehind forgets what waits: it is rolled back.
func (t *Tx) dropBehind() { t.behind = behind{edged: true} }

// waitingMember gives a new member who is not written yet.
func (t *Tx) waitingMember(id string) (*workspace.Member, bool) {
	i, ok := t.behind.memberAt[id]
	if !ok {
		return nil, false
	}
	return &t.behind.members[i], true
}

// past runs a statement before what waits, which it is not about.
func (t *Tx) past(text string, args ...any) (int64, error) {
	if t.failed != nil {
		return 0, t.failed
	}
	n, err := t.on.exec(t.ctx, text, args)
	if err != nil {
		return 0, t.fail(err)
	}
	return n, nil
}
