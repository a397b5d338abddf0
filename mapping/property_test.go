package mapping

import (
	"fmt"
	"maps"
	"math/rand"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rollcall-sync/rollcall/workspace"
)

// propertyMapping uses every kind of row and operator on few values, so that
// random people often make rows true, false and unknown.
const propertyMapping = `
zone: Europe/Oslo
default_country: "NO"
authority: {default: [a, b], title: [b, a]}
attributes: {level: {type: int}, tags: {type: list}}
source_groups: {adm: {a: adm, b: adm}, ops: {a: ops, b: ops}}
pools: {p: {prefix: "+47220000"}}
exclude: [{id: x1, if: {all: [{attr: title, eq: robot}, {not: {attr: tags, eq: blue}}]}}]
protect: [{id: p1, if: {attr: title, eq: boss}}]
eligible: {id: e1, if: {any: [{attr: userType, eq: employee}, {group: ops}]}}
roles:
  - {id: r-in, role: {attr: rollcall.role}, allow: [admin, member], if: {connection: b}}
  - {id: r-adm, role: admin, if: {all: [{group: adm}, {not: {attr: userType, eq: guest}}]}, cap: 2}
  - {id: r-lvl, role: admin, if: {attr: level, over: 3}}
  - {id: r-m, role: member}
expiry: [{id: t1, if: {attr: userType, eq: guest}, end: {attr: accountExpires}, default: 90d}]
groups:
  - {id: g1, to: {attr: department}, allow: [Sales, Support]}
  - {id: g2, to: Ops, if: {any: [{group_all: [adm, ops]}, {attr: tags, in: [blue, red]}]}}
  - {id: g3, to: NotSales, if: {not: {attr: department, eq: sales}}}
  - {id: g4, to: Early, if: {attr: startDate, before: 2026-06-01}}
numbers:
  - {id: n1, access: exclusive, from: [{attr: telephoneNumber}, keep], taken: fail}
  - {id: n2, access: exclusive, if: {attr: office, eq: Oslo}, unless_has: exclusive, from: [{pool: p}, ask]}
  - {id: n3, access: shared, number: "+4722000009", if: {group: ops}}
  - {id: n4, access: view_only, each: {attr: rollcall.viewOnlyNumbers}}
  - {id: n5, access: exclusive, from: [{attr: rollcall.primaryNumber}, {pool: p}], if: {connection: b}}
number_owner: [{id: o1, each: {attr: rollcall.numberOwnerOf}}]
`

var propertyNow = workspace.Micros(1_795_000_000_000_000)

// propertyValues are the values people may have, per attribute.
var propertyValues = map[string][]string{
	"title": {"boss", "robot", "Clerk"}, "userType": {"employee", "guest"}, "level": {"1", "4", "x"}, "tags": {"blue", "red"},
	"rollcall.role": {"admin", "Member", "owner"}, "department": {"sales", "Support", "Legal"}, "accountExpires": {"2027-01-31", "2020-01-01", "never"},
	"startDate": {"2026-01-01", "2027-01-01"}, "telephoneNumber": {"22000001", "+47 22 00 00 02", "911", "22000003"}, "office": {"Oslo", "Bergen"},
	"country": {"NO", "SE", "??"}, "rollcall.viewOnlyNumbers": {"+4722000001", "+4722000004"}, "rollcall.numberOwnerOf": {"+4722000001", "x"},
	"rollcall.primaryNumber": {"auto", "none", "+4722000005"},
}

func propertyNames() []string {
	out := make([]string, 0, len(propertyValues))
	for n := range propertyValues {
		out = append(out, n)
	}
	sort.Strings(out)
	return out
}

// drawPerson makes a person with one or two identities.
func drawPerson(t *rapid.T) Person {
	p := Person{GroupsUnknown: map[string]bool{}, HasReports: Truth(rapid.IntRange(0, 2).Draw(t, "reports"))}
	for _, c := range []string{"a", "b"}[:rapid.IntRange(1, 2).Draw(t, "identities")] {
		id := workspace.Identity{ID: "i-" + c, Connection: c, Active: rapid.IntRange(0, 4).Draw(t, "active") > 0, Attributes: workspace.Attributes{}}
		for _, n := range propertyNames() {
			switch rapid.IntRange(0, 5).Draw(t, c+n) {
			case 0:
			case 1:
				id.Attributes[n] = []string{}
			default:
				id.Attributes[n] = rapid.SliceOfNDistinct(rapid.SampledFrom(propertyValues[n]), 1, 2, rapid.ID).Draw(t, c+n+"=")
			}
		}
		p.Identities = append(p.Identities, id)
		for _, g := range []string{"adm", "ops"} {
			if rapid.Bool().Draw(t, c+g) {
				p.Groups = append(p.Groups, GroupRef{Connection: c, ExternalID: g})
			}
		}
	}
	return p
}

func propertyStock() *fixtureInventory {
	f := stock("+4722000001", "+4722000002", "+4722000003", "+4722000004", "+4722000005", "+4722000006", "+4722000009")
	f.numbers[2].Assignments = []workspace.Assignment{{Kind: workspace.ToMember, To: "bo", Access: workspace.AccessExclusive}}
	f.numbers[2].State = workspace.NumberAssigned
	return f
}

// Want depends neither on the order of identities, groups and values nor on
// anything left from an earlier call.
func TestPropertyOrder(t *testing.T) {
	r := mustLoad(t, propertyMapping)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPerson(t)
		a, err := r.Want(p, Facts{Inventory: propertyStock()}, propertyNow)
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewSource(rapid.Int64().Draw(t, "seed")))
		q := p
		q.Identities = append([]workspace.Identity(nil), p.Identities...)
		rnd.Shuffle(len(q.Identities), func(i, j int) { q.Identities[i], q.Identities[j] = q.Identities[j], q.Identities[i] })
		q.Groups = append([]GroupRef(nil), p.Groups...)
		rnd.Shuffle(len(q.Groups), func(i, j int) { q.Groups[i], q.Groups[j] = q.Groups[j], q.Groups[i] })
		for i := range q.Identities {
			attrs := workspace.Attributes{}
			for _, n := range propertyNames() { // in a fixed order, so that a seed repeats
				v, stated := q.Identities[i].Attributes[n]
				if !stated {
					continue
				}
				v = append([]string{}, v...)
				rnd.Shuffle(len(v), func(i, j int) { v[i], v[j] = v[j], v[i] })
				attrs[n] = v
			}
			q.Identities[i].Attributes = attrs
		}
		b, err := r.Want(q, Facts{Inventory: propertyStock()}, propertyNow)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(a, b); d != "" {
			t.Fatalf("the order counts: %s", d)
		}
	})
}

// What Same calls the same gives the same want: no change that a rule sees is
// passed over.
func TestPropertySame(t *testing.T) {
	r := mustLoad(t, propertyMapping)
	var same, differ int
	rapid.Check(t, func(t *rapid.T) {
		p := drawPerson(t)
		was := &p.Identities[0]
		is := *was
		is.Attributes = maps.Clone(was.Attributes)
		if rapid.Bool().Draw(t, "unread") {
			is.Attributes["roomNumber"] = []string{"12"}
		} else {
			n := rapid.SampledFrom(propertyNames()).Draw(t, "attribute")
			is.Attributes[n] = rapid.SliceOfNDistinct(rapid.SampledFrom(propertyValues[n]), 0, 2, rapid.ID).Draw(t, "value")
		}
		is.Active = rapid.IntRange(0, 9).Draw(t, "active") > 0
		before, err := r.Want(p, Facts{Inventory: propertyStock()}, propertyNow)
		if err != nil {
			t.Fatal(err)
		}
		unchanged := r.Same(was, &is)
		if unchanged {
			same++
		} else {
			differ++
		}
		p.Identities = append([]workspace.Identity{is}, p.Identities[1:]...)
		after, err := r.Want(p, Facts{Inventory: propertyStock()}, propertyNow)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, after); unchanged && d != "" {
			t.Fatalf("Same, but another want: %s", d)
		}
	})
	if same == 0 || differ == 0 {
		t.Errorf("%d pairs were the same and %d were not: both are needed", same, differ)
	}
}

// held is what a person has after a want was applied, in the small: it does
// what the contract of Want asks of the engine.
type held struct {
	member    Truth
	role      workspace.Role
	end       workspace.Micros
	groups    map[string]bool // "row>name"
	numbers   map[string]workspace.Access
	numberRow map[string]map[string]bool // number to rows
	owns      map[string]bool
}

// apply draws the new holdings from the old ones and a want: unknown rows
// keep what they gave.
func (h held) apply(w Want) held {
	if w.Excluded || w.Active == Unknown || w.Member == Unknown {
		return h
	}
	out := held{
		member: True, role: w.Roles[0].Role, end: w.End, groups: map[string]bool{}, numbers: map[string]workspace.Access{},
		numberRow: map[string]map[string]bool{}, owns: map[string]bool{},
	}
	if w.Active == False || w.Member == False {
		return held{member: False}
	}
	if w.RoleUnknown {
		if out.role = h.role; h.role == workspace.RoleNone {
			out.role = w.Roles[len(w.Roles)-1].Role
		}
	}
	if w.EndUnknown {
		out.end = h.end
	}
	for g := range h.groups {
		if w.UnknownRows[rowOf(g)] {
			out.groups[g] = true
		}
	}
	for _, g := range w.Groups {
		out.groups[g.Row+">"+g.Name] = true
	}
	give := func(number, row string, a workspace.Access) {
		out.numbers[number] = max(out.numbers[number], a)
		if out.numberRow[number] == nil {
			out.numberRow[number] = map[string]bool{}
		}
		out.numberRow[number][row] = true
	}
	for n, rows := range h.numberRow {
		for row := range rows {
			if w.UnknownRows[row] {
				give(n, row, h.numbers[n])
			}
		}
	}
	for _, n := range w.Numbers {
		if !n.Ask && n.Denied == "" {
			give(n.E164, n.Row, n.Access)
		}
	}
	for o := range h.owns {
		if w.UnknownRows["o1"] {
			out.owns[o] = true
		}
	}
	for _, o := range w.Owns {
		if o.Denied == "" {
			out.owns[o.E164] = true
		}
	}
	return out
}

func rowOf(group string) string {
	for i := range group {
		if group[i] == '>' {
			return group[:i]
		}
	}
	return group
}

func (h held) hasExclusive() bool {
	for _, a := range h.numbers {
		if a == workspace.AccessExclusive {
			return true
		}
	}
	return false
}

// names strips the rows, since a second supporter is no second grant.
func (h held) names() string {
	set := map[string]bool{}
	for g := range h.groups {
		set[g[len(rowOf(g))+1:]] = true
	}
	return fmt.Sprint(h.member, h.role, h.end, set, h.numbers, h.owns)
}

// person puts the holdings into a person for the next evaluation.
func (h held) person(p Person, inv *fixtureInventory) Person {
	if h.member != True {
		return p
	}
	p.Member = meID
	p.Have = Have{Role: h.role}
	if h.end != 0 {
		p.Have.Supports = append(p.Have.Supports, Support{Kind: GrantEnd, Value: h.end.String(), By: "rule t1"})
	}
	for n, a := range h.numbers {
		p.Have.Numbers = append(p.Have.Numbers, HeldNumber{Number: "n" + n, E164: n, Access: a})
		for row := range h.numberRow[n] {
			p.Have.Supports = append(p.Have.Supports, Support{Kind: GrantNumber, Object: "n" + n, Value: a.String(), By: ruleBy(row)})
		}
		for i := range inv.numbers {
			if inv.numbers[i].E164 == n {
				inv.numbers[i].State = workspace.NumberAssigned
				inv.numbers[i].Assignments = append(inv.numbers[i].Assignments, workspace.Assignment{Kind: workspace.ToMember, To: meID, Access: a})
			}
		}
	}
	return p
}

// Turning an attribute to absent, or a connection's groups to unknown,
// neither gains nor loses a grant (I14).
func TestPropertyAbsentChangesNothing(t *testing.T) {
	r := mustLoad(t, propertyMapping)
	rapid.Check(t, func(t *rapid.T) {
		p := drawPerson(t)
		// One identity: with two, the next connection's word legitimately
		// takes the place of one that says nothing (MM1).
		p.Identities = p.Identities[:1]
		have := held{member: False}
		// Two rounds: the first may use up what the second keeps.
		for range 2 {
			inv := propertyStock()
			w, err := r.Want(have.person(p, inv), Facts{Inventory: inv}, propertyNow)
			if err != nil {
				t.Fatal(err)
			}
			have = have.apply(w)
		}
		q := p
		if rapid.IntRange(0, 9).Draw(t, "what") == 0 {
			q.GroupsUnknown = map[string]bool{p.Identities[0].Connection: true}
			q.Groups = nil
		} else {
			id := p.Identities[0]
			attrs := workspace.Attributes{}
			for n, v := range id.Attributes {
				attrs[n] = v
			}
			absent := rapid.SampledFrom(propertyNames()).Draw(t, "absent")
			if absent == "country" && !have.hasExclusive() {
				// What an absent country means is what default_country says;
				// it moves nobody who has a number.
				t.Skip("no word about a country")
			}
			delete(attrs, absent)
			id.Attributes = attrs
			q.Identities = []workspace.Identity{id}
		}
		_, hasType := q.Identities[0].Attributes["userType"]
		_, hasDate := q.Identities[0].Attributes["accountExpires"]
		if !hasType && !hasDate && have.member != True {
			// The one limit: where neither the date nor who it is for is
			// stated, a joiner waits only while one of the two is. Else no
			// connection that never sends them could bring anybody in.
			t.Skip("no word about an end")
		}
		inv := propertyStock()
		w, err := r.Want(have.person(q, inv), Facts{Inventory: inv}, propertyNow)
		if err != nil {
			t.Fatal(err)
		}
		if after := have.apply(w); after.names() != have.names() {
			t.Fatalf("before %s\nafter  %s\nwant %+v", have.names(), after.names(), w)
		}
	})
}
